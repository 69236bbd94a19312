"""Pieces from one source to several takers, each at its own pace but none far ahead: that keeps memory flat."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
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
    """Return a taker that calls a function for each batch, one after the other, in a worker thread.

    The thread goes on while a batch is waiting, and is given back when there is none: however slow the source is, it
    keeps no thread from others.
    """
    return _InThread(function).take


class _InThread:
    def __init__(self, function: Callable[[Batch], Any]) -> None:
        self._function = function
        self._places = anyio.Semaphore(_BATCHES_IN_A_THREAD)
        self._batches: deque[Batch] = deque()
        self._is_working = False

    async def take(self, channel: MemoryObjectReceiveStream[Batch]) -> None:
        with channel:
            async with task_group() as group:
                async for batch in channel:
                    await self._places.acquire()
                    self._batches.append(batch)
                    if not self._is_working:
                        self._is_working = True
                        group.start_soon(self._work, asyncio.get_running_loop())

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._batches:
            await anyio.to_thread.run_sync(self._work_in_thread, loop)
        self._is_working = False

    def _work_in_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._batches:
            self._function(self._batches.popleft())
            loop.call_soon_threadsafe(self._places.release)


async def to_its_end(function: Callable[[], T]) -> T:
    """Run a function in a worker thread, and wait for its end also when cancelled: no file is closed beneath it."""
    results: list[T] = []

    async def run() -> None:
        with anyio.CancelScope(shield=True):
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


async def pump(source: AsyncGenerator[Batch, None], *takers: Taker) -> None:
    """Give every batch to every taker, in order. The first error ends it and is raised as it is."""
    async with task_group() as group, AsyncExitStack() as stack:
        channels = []
        for taker in takers:
            send, receive = anyio.create_memory_object_stream[Batch](_WAITING_BATCHES)
            channels.append(stack.enter_context(send))
            group.start_soon(taker, receive)
        async with aclosing(source):
            async for batch in source:
                for channel in channels:
                    await _give(channel, batch)


async def _give(channel: MemoryObjectSendStream[Batch], batch: Batch) -> None:
    try:
        await channel.send(batch)
    except anyio.BrokenResourceError:
        # Its taker has failed: with what, is told in a moment, and ends this.
        await anyio.sleep_forever()
