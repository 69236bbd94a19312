"""When what is under way ends."""

import asyncio
import math

import pytest

from aioimages._lifetime import TimeLimit, TimeLimits

pytestmark = pytest.mark.anyio


async def test_limit_that_is_moved() -> None:
    """A limit that was lifted for a while, and is set again, holds also where another one ends later."""
    limits = TimeLimits(1.0)
    loop = asyncio.get_running_loop()

    async def later() -> None:
        with TimeLimit(limits):
            await asyncio.sleep(10)

    with TimeLimit(limits) as limit:
        limit.end_at(math.inf)
        await asyncio.sleep(0.7)
        other = asyncio.create_task(later())
        await asyncio.sleep(0.4)
        set_at = loop.time()
        limit.end_at(set_at + 0.05)
        await asyncio.sleep(10)
    assert loop.time() - set_at < 0.4
    other.cancel()
    await asyncio.wait([other])
