"""Work that is done once for all who ask for it."""

import asyncio

import anyio
import pytest

from aioimages._sharing import Shared

pytestmark = pytest.mark.anyio


class Work:
    """Work that takes a while, and may fail."""

    def __init__(self) -> None:
        self.times = 0
        self.at_a_time = 0
        self.problem: Exception | None = None
        self.may_end = anyio.Event()

    async def do(self) -> None:
        """Do it."""
        self.times += 1
        self.at_a_time += 1
        assert self.at_a_time == 1
        try:
            await self.may_end.wait()
            if self.problem is not None:
                raise self.problem
        finally:
            self.at_a_time -= 1


async def test_shared_by_all() -> None:
    """Those who ask while it is being done share the next time, however many they are."""
    work = Work()
    shared = Shared(work.do)
    first = asyncio.create_task(shared.done())
    await anyio.wait_all_tasks_blocked()
    others = [asyncio.create_task(shared.done()) for _ in range(1000)]
    await anyio.wait_all_tasks_blocked()
    work.may_end.set()
    await asyncio.gather(*others)
    assert first.done()
    assert work.times == 2
    await shared.done()
    assert work.times == 3


async def test_cancelled_leader() -> None:
    """When the one who does it is cancelled, another one does it for the rest."""
    work = Work()
    shared = Shared(work.do)
    leader = asyncio.create_task(shared.done())
    await anyio.wait_all_tasks_blocked()
    others = [asyncio.create_task(shared.done()) for _ in range(5)]
    await anyio.wait_all_tasks_blocked()
    leader.cancel()
    work.may_end.set()
    await asyncio.gather(*others)
    assert leader.cancelled()
    assert work.times == 2


async def test_failure() -> None:
    """A failure is that of whoever does it; nobody is told that it was done who has not seen it done."""
    work = Work()
    shared = Shared(work.do)
    work.problem = OSError("the disk is full")
    work.may_end.set()
    ended = await asyncio.gather(*(shared.done() for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in ended] == ["the disk is full"] * 3
    work.problem = None
    await shared.done()
