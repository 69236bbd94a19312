"""When what is under way ends."""

import asyncio

import pytest

from aioimages._lifetime import TimeLimit, TimeLimits

pytestmark = pytest.mark.anyio


async def test_limit_that_is_suspended() -> None:
    """What is done meanwhile takes no time, and the rest of the time holds also where another limit ends later."""
    limits = TimeLimits(1.0)
    loop = asyncio.get_running_loop()

    async def later() -> None:
        with TimeLimit(limits):
            await asyncio.sleep(10)

    with TimeLimit(limits) as limit:
        with limit.suspended(lambda: 0.0):
            await asyncio.sleep(1.5)
        other = asyncio.create_task(later())
        resumed_at = loop.time()
        await asyncio.sleep(10)
    assert 0.5 < loop.time() - resumed_at < 3
    other.cancel()
    await asyncio.wait([other])


async def test_limit_that_is_suspended_in_silence() -> None:
    """Silence takes time also while a limit is suspended; what there was of it before does not."""
    limits = TimeLimits(0.5)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    with TimeLimit(limits) as limit, limit.suspended(lambda: 60.0 + loop.time() - began_at):
        await asyncio.sleep(10)
    assert limit.is_cut
    assert 0.4 < loop.time() - began_at < 3
