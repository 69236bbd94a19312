"""Compressed sources, unpacked on their way."""

import bz2
import lzma
import sys
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from importlib import import_module
from typing import Any, Final

import anyio.to_thread

from aioimages._errors import ConfigurationError, TransferError
from aioimages._transfer.pump import PIECE_BYTES
from aioimages._transfer.source import Source

__all__ = ["Unpacked"]


class _Zstd:
    """Python's own from 3.14 on, whose error is of no kind that others have."""

    def __init__(self) -> None:
        name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
        try:
            self._library: Any = import_module(name)
        except ImportError:
            raise ConfigurationError("this Python cannot unpack zstd: pip install 'aioimages[zstd]'") from None
        self._inner = self._library.ZstdDecompressor()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            return bytes(self._inner.decompress(data, max_length))
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from None


class _Gzip:
    """zlib's object, with the face of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._left = b""

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


# What a compressed file begins with, and what unpacks it.
_UNPACKERS: Final[tuple[tuple[bytes, Callable[[], Any]], ...]] = (
    (b"\x1f\x8b", _Gzip),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\x28\xb5\x2f\xfd", _Zstd),
)

_LONGEST_MAGIC: Final = max(len(magic) for magic, _ in _UNPACKERS)


class Unpacked:
    """A source that is unpacked as it is read, whichever of gzip, xz, bzip2 and zstd it is; others pass as they are."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size_bytes: int | None = None
        self.is_replayable = source.is_replayable

    def part(self, start: int, stop: int) -> Source | None:  # noqa: ARG002  # where which byte is, is unknown
        """Return nothing: it is read from its start only."""
        return None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the unpacked data.

        Raises:
            TransferError: They are damaged, or end in the middle.
        """
        unpacker: Any = None
        make: Callable[[], Any] | None = None
        is_first = True
        async with aclosing(_with_whole_magic(self._source.pieces())) as pieces:
            async for piece in pieces:
                if is_first:
                    make = next((make for magic, make in _UNPACKERS if piece.startswith(magic)), None)
                    is_first = False
                if make is None:
                    yield piece
                    continue
                left = piece
                while left or (unpacker is not None and not unpacker.eof and not unpacker.needs_input):
                    if unpacker is None or unpacker.eof:
                        # Files that were written one after the other are one file.
                        unpacker = make()
                    yield await anyio.to_thread.run_sync(_unpacked, unpacker, left)
                    left = unpacker.unused_data if unpacker.eof else b""
        if unpacker is not None and not unpacker.eof:
            raise TransferError("the compressed source ends in the middle")


async def _with_whole_magic(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Give pieces on, the first one long enough to tell what they are."""
    begun: bytes | None = b""
    async with aclosing(pieces):
        async for piece in pieces:
            if begun is None:
                yield piece
            elif len(begun + piece) >= _LONGEST_MAGIC:
                yield begun + piece
                begun = None
            else:
                begun += piece
    if begun:
        yield begun


def _unpacked(unpacker: Any, data: bytes) -> bytes:
    problem: Exception
    try:
        return bytes(unpacker.decompress(data, PIECE_BYTES))
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        problem = error
    raise TransferError(f"the compressed source is damaged: {problem}")
