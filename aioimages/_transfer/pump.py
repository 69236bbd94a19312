"""Pieces from one source to several takers, each at its own pace but none far ahead: that keeps memory flat."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aioimages._groups import task_group

__all__ = ["PIECE_BYTES", "Batch", "Taker", "batches", "in_thread", "one_by_one", "pump", "to_its_end"]

T = TypeVar("T")

# Large enough that handing a piece to a thread costs little beside hashing it, small enough to keep memory flat and the
# event loop on time: measured by `nox -s bench`.
PIECE_BYTES: Final = 2**20
_WAITING_BATCHES: Final = 1
_BATCHES_IN_A_THREAD: Final = 2

# Some pieces that are handled at a time; what they are made of is not copied together.
Batch = list[bytes]
Taker = Callable[[MemoryObjectReceiveStream[Batch]], Coroutine[Any, Any, None]]


def one_by_one(function: Callable[[Batch], Awaitable[Any]]) -> Taker:
    """Return a taker that awaits a function for each batch."""

    async def take(channel: MemoryObjectReceiveStream[Batch]) -> None:
        with channel:
            async for batch in channel:
                await function(batch)

    return take


def in_thread(function: Callable[[Batch], Any]) -> Taker:
    """Return a taker that calls a function for each batch, all in one worker thread: the next one waits there."""

    async def take(channel: MemoryObjectReceiveStream[Batch]) -> None:
        loop = asyncio.get_running_loop()
        places = anyio.Semaphore(_BATCHES_IN_A_THREAD)
        batches: SimpleQueue[Batch | None] = SimpleQueue()

        def work() -> None:
            while (batch := batches.get()) is not None:
                function(batch)
                loop.call_soon_threadsafe(places.release)

        with channel:
            async with task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, work)
                try:
                    async for batch in channel:
                        await places.acquire()
                        batches.put(batch)
                finally:
                    batches.put(None)

    return take


async def to_its_end(function: Callable[[], T]) -> T:
    """Run a function in a worker thread, and wait for its end also when cancelled: no file is closed beneath it."""
    results: list[T] = []

    async def run() -> None:
        results.append(await anyio.to_thread.run_sync(function))

    async with task_group() as group:
        group.start_soon(run)
    return results[0]


async def batches(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[Batch, None]:
    """Gather pieces into batches of about `PIECE_BYTES`."""
    batch: Batch = []
    size = 0
    async with aclosing(pieces):
        async for piece in pieces:
            batch.append(piece)
            size += len(piece)
            if size >= PIECE_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


async def pump(source: AsyncIterable[Batch], *takers: Taker) -> None:
    """Give every batch to every taker, in order. The first error ends it and is raised as it is."""
    async with task_group() as group, AsyncExitStack() as stack:
        channels = []
        for taker in takers:
            send, receive = anyio.create_memory_object_stream[Batch](_WAITING_BATCHES)
            channels.append(stack.enter_context(send))
            group.start_soon(taker, receive)
        async for batch in source:
            for channel in channels:
                await _give(channel, batch)


async def _give(channel: MemoryObjectSendStream[Batch], batch: Batch) -> None:
    try:
        await channel.send(batch)
    except anyio.BrokenResourceError:
        # Its taker has failed: with what, is told in a moment, and ends this.
        await anyio.sleep_forever()
