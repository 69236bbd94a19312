"""One function over many keys."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from watch import client_tasks

from aioimages._outcomes import fan_out

pytestmark = pytest.mark.anyio


async def double(key: int) -> int:
    """Double a number, unless it is three."""
    await asyncio.sleep(0)
    if key == 3:
        raise ValueError("three")
    return key * 2


@pytest.mark.parametrize("workers", [1, 2, 100])
async def test_all_keys_once(workers: int) -> None:
    """Each key has one outcome, however many workers there are."""
    async with fan_out(double, range(10), workers=workers) as outcomes:
        done = {outcome.key: outcome async for outcome in outcomes}
    assert {key: outcome.value for key, outcome in done.items() if outcome.ok} == {
        key: key * 2 for key in range(10) if key != 3
    }
    assert repr(done[3].error) == "ValueError('three')"


async def test_keys_that_fail() -> None:
    """An error of the keys themselves is raised as it is, not in a group, after what was begun."""

    def keys() -> Iterator[int]:
        yield 1
        raise LookupError("no more keys")

    async def take_all() -> None:
        async with fan_out(double, keys(), workers=2) as outcomes:
            async for _ in outcomes:
                pass

    with pytest.raises(LookupError, match="no more keys"):
        await take_all()


async def test_async_keys_are_closed() -> None:
    """Keys that come from an async generator are closed when the block is left early."""
    closed = False

    async def keys() -> AsyncIterator[int]:
        nonlocal closed
        try:
            for number in range(100):
                yield number
        finally:
            closed = True

    source = keys()
    async with fan_out(double, source, workers=1) as outcomes:
        await anext(outcomes)
    await source.aclose()  # type: ignore[attr-defined]
    assert closed


async def test_keys_that_fail_late() -> None:
    """When the keys fail, what was begun has its outcomes before the error is raised."""

    async def keys() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError("no more keys")

    seen = []

    async def slow(key: int) -> int:
        await asyncio.sleep(0.02)
        return key

    async def take_all() -> None:
        async with fan_out(slow, keys(), workers=3) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.key)  # noqa: PERF401  # what was seen before the error counts

    with pytest.raises(LookupError, match="no more keys"):
        await take_all()
    assert sorted(seen) == [1, 2]


async def test_source_that_was_opened_here_is_closed() -> None:
    """An iterator that was made here is closed when the block is left early: a listing drops its next page."""
    closed = []

    class Source:
        async def __aiter__(self) -> AsyncIterator[int]:
            try:
                for number in range(100):
                    yield number
            finally:
                closed.append(True)

    async with fan_out(double, Source(), workers=1) as outcomes:
        await anext(outcomes)
    assert closed == [True]


async def test_worker_that_is_cancelled() -> None:
    """A cancellation of the worker itself is no outcome: it is passed on."""
    caught: list[bool] = []

    async def cancelled(_: int) -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            caught.append(True)
            raise
        return 0

    async with fan_out(cancelled, range(3), workers=1) as outcomes:
        assert [outcome async for outcome in outcomes] == []
    assert caught == [True]


async def test_error_in_the_block() -> None:
    """An error in the block comes out as it is, and the work ends."""
    before = client_tasks()

    async def never(_: int) -> None:
        await asyncio.sleep(60)

    with pytest.raises(KeyError, match="mine"):
        async with fan_out(never, range(10), workers=5):
            raise KeyError("mine")
    assert client_tasks() <= before


async def test_cancellation_of_the_block() -> None:
    """Cancelling whoever waits ends the work, and is a cancellation."""
    before = client_tasks()

    async def never(_: int) -> None:
        await asyncio.sleep(60)

    async def wait() -> None:
        async with fan_out(never, range(10), workers=5) as outcomes:
            async for _ in outcomes:
                pass

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client_tasks() <= before


async def test_function_that_awaits_something_cancelled() -> None:
    """A function whose own awaitable somebody else cancelled is an outcome with an error: the others go on."""

    async def awaits(key: int) -> int:
        if key == 1:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        return key

    async with fan_out(awaits, range(3), workers=1) as outcomes:
        done = {outcome.key: outcome async for outcome in outcomes}
    assert {key: outcome.ok for key, outcome in done.items()} == {0: True, 1: False, 2: True}


async def test_outcomes_that_nobody_takes() -> None:
    """Where outcomes are not taken, work stops after a while: memory stays bounded."""
    begun = 0

    async def count(key: int) -> int:
        nonlocal begun
        begun += 1
        return key

    async with fan_out(count, range(1000), workers=5) as outcomes:
        await asyncio.sleep(0.05)
        assert begun <= 10
        assert len([outcome async for outcome in outcomes]) == 1000
