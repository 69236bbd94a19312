"""One function over many keys, concurrently: an outcome for each, and one that fails does not stop the others."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from aioimages._groups import task_group
from aioimages._models import Outcome
from aioimages._progress import Meter

__all__ = ["AsyncOutcomes", "fan_out"]

K = TypeVar("K")
V = TypeVar("V")

AsyncOutcomes = AsyncIterator[Outcome[K, V]]

_UNTOLD: Final = Meter(None, "bulk", "")


async def _one_by_one(keys: Iterable[K] | AsyncIterable[K]) -> AsyncGenerator[K, None]:
    if not isinstance(keys, AsyncIterable):
        for key in keys:
            yield key
        return
    iterator = aiter(keys)
    try:
        async for key in iterator:
            yield key
    finally:
        # One that was made here is closed here; one that was given stays its giver's.
        if iterator is not keys and isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def _outcome(function: Callable[[K], Awaitable[V]], key: K) -> Outcome[K, V]:
    try:
        return Outcome(key=key, value=await function(key))
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to this item
        return Outcome(key=key, error=error)
    except anyio.get_cancelled_exc_class():
        task = asyncio.current_task()
        if anyio.current_effective_deadline() == -math.inf or (task is not None and task.cancelling()):
            raise
        # Nobody cancelled us: the function awaited something that somebody else had cancelled.
        return Outcome(key=key, error=RuntimeError("what the function waited for was cancelled"))


@asynccontextmanager
async def fan_out(
    function: Callable[[K], Awaitable[V]],
    keys: Iterable[K] | AsyncIterable[K],
    *,
    workers: int,
    meter: Meter = _UNTOLD,
) -> AsyncIterator[AsyncOutcomes[K, V]]:
    """Apply a function to keys, so many at a time, count, and give the outcomes as they come.

    Leaving the block cancels what is not done. Where outcomes are not taken, work goes on for twice `workers` items at
    the most. When the keys themselves fail, what was begun is ended, and the error is raised after its outcomes.
    """
    source = _one_by_one(keys)
    turn = anyio.Lock()
    send, receive = anyio.create_memory_object_stream[Outcome[K, V]](workers)

    problem: Exception | None = None

    async def work(results: MemoryObjectSendStream[Outcome[K, V]]) -> None:
        nonlocal problem
        async with results:
            while True:
                async with turn:
                    try:
                        key = await anext(source)
                    except StopAsyncIteration:
                        return
                    except Exception as error:  # noqa: BLE001  # raised when the outcomes have been taken
                        problem = error
                        return
                outcome = await _outcome(function, key)
                meter.advance(1)
                await results.send(outcome)

    try:
        async with aclosing(source), receive, task_group() as group:
            async with send:
                for _ in range(workers):
                    group.start_soon(work, send.clone())
            yield receive
            group.cancel_scope.cancel()
    finally:
        meter.end()
    if problem is not None:
        raise problem
