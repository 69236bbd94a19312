"""Several parts of data at a time, handed on in order."""

import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aioimages._transfer.reader import NoPartsError, Reader

__all__ = ["pieces_of_parts"]

# Parts wait in memory for those before them, so many at a time as there are connections.
_PART_BYTES: Final = 4 * 2**20


async def pieces_of_parts(
    group: TaskGroup,
    reader_of: Callable[[int, int], Reader],
    start: int,
    total: int,
    parts: int,
) -> AsyncGenerator[bytes, None]:
    """Iterate over data in order, which so many readers fetch at the same time, as long as there are parts to be had.

    Args:
        group: Where they do it.
        reader_of: Makes the reader of a part, from its first byte to the one after its last.
        start: Where to begin.
        total: Where to end.
        parts: How many at a time.
    """
    waiting: deque[tuple[int, MemoryObjectReceiveStream[bytes]]] = deque()

    def begin(first: int) -> None:
        # Without a bound: it holds one part at the most.
        send, receive = anyio.create_memory_object_stream[bytes](math.inf)
        stop = min(first + _PART_BYTES, total)
        waiting.append((stop - first, receive))
        group.start_soon(_fetch, reader_of(first, stop), send)

    upcoming = iter(range(start, total, _PART_BYTES))
    for first in islice(upcoming, parts):
        begin(first)
    try:
        while waiting:
            left, part = waiting.popleft()
            with part:
                async for piece in part:
                    left -= len(piece)
                    yield piece
            if left:
                return
            for first in islice(upcoming, 1):
                begin(first)
    finally:
        for _, part in waiting:
            part.close()


async def _fetch(reader: Reader, into: MemoryObjectSendStream[bytes]) -> None:
    # Nobody may want to have it any more, or the store gives no parts any more.
    with into, suppress(anyio.BrokenResourceError, NoPartsError):
        async for piece in reader.pieces():
            await into.send(piece)
