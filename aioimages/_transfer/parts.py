"""Several parts of some data at a time, handed on in order."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aioimages._transfer.reader import NoPartsError, Reader

__all__ = ["pieces_of_parts"]

# Parts wait in memory for those before them, so many at a time as there are connections.
_PART_BYTES: Final = 4 * 2**20


@attrs.frozen
class _Part:
    """A part on its way. Its task is no task group's: whoever iterates may stop to do so in another task."""

    size_bytes: int
    pieces: MemoryObjectReceiveStream[bytes]
    fetching: "asyncio.Future[None]"

    @classmethod
    def begin(cls, reader: Reader, size_bytes: int) -> "_Part":
        # Without a bound: it holds one part at the most.
        send, receive = anyio.create_memory_object_stream[bytes](math.inf)
        return cls(size_bytes, receive, asyncio.ensure_future(_fetch(reader, send)))


async def _fetch(reader: Reader, into: MemoryObjectSendStream[bytes]) -> None:
    # The store may give no parts any more: then this one is shorter than it should be.
    with into, suppress(NoPartsError):
        async for piece in reader.pieces():
            await into.send(piece)


async def pieces_of_parts(
    reader_of: Callable[[int, int], Reader],
    start: int,
    total: int,
    parts: int,
) -> AsyncGenerator[bytes, None]:
    """Iterate over data in order, which so many readers fetch at the same time, as long as there are parts to be had.

    Args:
        reader_of: Makes the reader of a part, from its first byte to the one after its last.
        start: Where to begin.
        total: Where to end.
        parts: How many at a time.
    """
    upcoming = iter(range(start, total, _PART_BYTES))

    def more(count: int) -> list[_Part]:
        stops = [(first, min(first + _PART_BYTES, total)) for first in islice(upcoming, count)]
        return [_Part.begin(reader_of(first, stop), stop - first) for first, stop in stops]

    waiting = deque(more(parts))
    try:
        while waiting:
            left = waiting[0].size_bytes
            async for piece in waiting[0].pieces:
                left -= len(piece)
                yield piece
            await waiting[0].fetching
            if left:
                return
            waiting.popleft().pieces.close()
            waiting.extend(more(1))
    finally:
        await _end(waiting)


async def _end(parts: deque[_Part]) -> None:
    """Leave no task behind, and no error that nobody will see."""
    for part in parts:
        part.pieces.close()
        part.fetching.cancel()
    if parts:
        with anyio.CancelScope(shield=True):
            await asyncio.wait([part.fetching for part in parts])
    for part in parts:
        if not part.fetching.cancelled():
            part.fetching.exception()
