"""Pieces from one source to several takers, each at its own pace but none far ahead: that keeps memory flat."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from aioimages._groups import task_group

__all__ = ["PIECE_BYTES", "Batch", "batches", "in_thread", "pump", "to_its_end"]

T = TypeVar("T")

# Large enough that handing a piece to a thread costs little beside hashing it, small enough to keep memory flat.
PIECE_BYTES: Final = 2**20
_WAITING_BATCHES: Final = 3

# Some pieces that are handled at a time; what they are made of is not copied together.
Batch = list[bytes]
Taker = Callable[[Batch], Awaitable[Any]]


def in_thread(function: Callable[[Batch], Any]) -> Taker:
    """Return a taker that works in a worker thread, where the loop does not have to wait for it."""
    return lambda batch: anyio.to_thread.run_sync(function, batch)


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
            group.start_soon(_take, receive, taker)
        async for batch in source:
            for channel in channels:
                await channel.send(batch)


async def _take(channel: MemoryObjectReceiveStream[Batch], taker: Taker) -> None:
    with channel:
        async for batch in channel:
            await taker(batch)
