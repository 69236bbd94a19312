"""What can be uploaded, as one thing: pieces from the start, and whether they can be had twice."""

import inspect
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread

from aioimages._errors import SourceChangedError, UnreplayableBodyError
from aioimages._transfer.pump import PIECE_BYTES, to_its_end

__all__ = ["ReadableFile", "Source", "UploadSource", "source_of"]


class ReadableFile(Protocol):
    """A file that is open for reading bytes, of Python's own or of a library such as anyio or aiofiles."""

    def read(self, size: int, /) -> Any:
        """Return at most so many bytes; at the end none."""


UploadSource = (
    bytes
    | bytearray
    | memoryview
    | str
    | os.PathLike[str]
    | ReadableFile
    | AsyncIterable[bytes]
    | Callable[[], AsyncIterable[bytes]]
)


class Source(Protocol):
    """Data to be uploaded.

    Attributes:
        size_bytes: How many there are, where that is known.
        is_replayable: Whether they can be read again from the start.
    """

    size_bytes: int | None
    is_replayable: bool

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the data from the start."""
        ...

    def part(self, start: int, stop: int) -> "Source | None":
        """Return some of the data, to be read beside others, or `None` where that cannot be done."""


class _Bytes:
    is_replayable = True

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size_bytes: int | None = len(self._data)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        for start in range(0, len(self._data), PIECE_BYTES):
            yield bytes(self._data[start : start + PIECE_BYTES])

    def part(self, start: int, stop: int) -> "Source | None":
        return _Bytes(self._data[start:stop])


class _Path:
    is_replayable = True

    def __init__(self, path: Path, seen: os.stat_result, start: int, stop: int) -> None:
        self._path = path
        self._seen = seen
        self._start = start
        self._stop = stop
        self.size_bytes: int | None = stop - start

    def part(self, start: int, stop: int) -> "Source | None":
        return _Path(self._path, self._seen, start, stop)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        files: list[FileIO] = []
        try:
            # Nothing is opened that nobody closes, nor closed while a thread reads it.
            await to_its_end(lambda: files.append(FileIO(self._path)))
            (file,) = files
            await to_its_end(partial(file.seek, self._start))
            left = self._stop - self._start
            while left and (piece := await to_its_end(partial(file.read, min(PIECE_BYTES, left)))):
                left -= len(piece)
                yield piece
            if _marks(os.fstat(file.fileno())) != _marks(self._seen):
                raise SourceChangedError(f"{self._path} changed while it was being uploaded")
        finally:
            for file in files:
                file.close()


def _marks(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


class _File:
    """An open file, from where it stands."""

    def __init__(self, file: Any, start: int | None, size_bytes: int | None) -> None:
        self._file = file
        self._start = start
        self._turn = anyio.Lock()
        self.size_bytes = size_bytes
        self.is_replayable = start is not None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        if self._start is not None:
            await _ask(self._file.seek, self._start)
        while piece := _bytes_of(await _ask(self._file.read, PIECE_BYTES), "the file"):
            yield piece

    def part(self, start: int, stop: int) -> "Source | None":
        return (
            None if self._start is None else _FilePart(self._file, self._turn, self._start + start, self._start + stop)
        )


class _FilePart:
    """Some bytes of an open file, whose other parts are read in between."""

    is_replayable = True

    def __init__(self, file: Any, turn: anyio.Lock, start: int, stop: int) -> None:
        self._file = file
        self._turn = turn
        self._start = start
        self._stop = stop
        self.size_bytes: int | None = stop - start

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        place = self._start
        while place < self._stop:
            async with self._turn:
                await _ask(self._file.seek, place)
                piece = _bytes_of(await _ask(self._file.read, min(PIECE_BYTES, self._stop - place)), "the file")
            if not piece:
                return
            place += len(piece)
            yield piece

    def part(self, start: int, stop: int) -> "Source | None":
        return _FilePart(self._file, self._turn, self._start + start, self._start + stop)


class _Iterable:
    is_replayable = False

    def __init__(self, iterable: AsyncIterable[bytes], size_bytes: int | None) -> None:
        self._iterable = iterable
        self.size_bytes = size_bytes

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        async for piece in self._iterable:
            # A copy, where the giver may use its buffer again.
            if data := _bytes_of(piece, "the async iterable"):
                yield data

    def part(self, start: int, stop: int) -> "Source | None":  # noqa: ARG002  # it goes forward only
        return None


class _Factory:
    is_replayable = True

    def __init__(self, make: Callable[[], AsyncIterable[bytes]], size_bytes: int | None) -> None:
        self._make = make
        self._last: AsyncIterator[bytes] | None = None
        self.size_bytes = size_bytes

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        made = self._make()
        if not isinstance(made, AsyncIterable):
            raise TypeError(f"the source's function returns an async iterable of bytes, not {type(made).__name__}")
        iterator = aiter(made)
        if iterator is self._last:
            raise UnreplayableBodyError("the source's function returned what has been read before, not a new iterable")
        self._last = iterator
        try:
            async with aclosing(_Iterable(iterator, None).pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            # It was made for us, and what it holds is not left to the garbage.
            if isinstance(iterator, AsyncGenerator):
                with anyio.CancelScope(shield=True):
                    await iterator.aclose()

    def part(self, start: int, stop: int) -> "Source | None":  # noqa: ARG002  # it goes forward only
        return None


def _bytes_of(piece: Any, giver: str) -> bytes:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(f"{giver} gives bytes, not {type(piece).__name__}")
    return bytes(piece)


async def _ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a file, which blocks or is async; a pipe may block for ever, and is left alone then."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    answer = await anyio.to_thread.run_sync(
        function, *arguments, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
    )
    return await answer if isinstance(answer, Awaitable) else answer


async def source_of(given: UploadSource, size_bytes: int | None) -> Source:
    """Return what is given as a source.

    Args:
        given: Bytes, a path, an open file, an async iterable of bytes, or a function that returns one each time.
        size_bytes: How many bytes there are, where they themselves do not tell.

    Raises:
        TypeError: It is none of these.
        ValueError: It is empty, or of another size.
        OSError: The file cannot be looked at.
    """
    source = await _recognized(given, size_bytes)
    if source.size_bytes == 0:
        raise ValueError("the source is empty: there is nothing to upload")
    if size_bytes is not None and source.size_bytes != size_bytes:
        raise ValueError(f"the source has {source.size_bytes} bytes, not {size_bytes}")
    return source


async def _recognized(given: Any, size_bytes: int | None) -> Source:
    if isinstance(given, bytes | bytearray | memoryview):
        return _Bytes(given)
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        seen = await anyio.to_thread.run_sync(_looked_at, path)
        return _Path(path, seen, 0, await anyio.to_thread.run_sync(_size_of, path))
    if hasattr(given, "read"):
        start, rest = await _place_of(given)
        return _File(given, start, size_bytes if rest is None else rest)
    if isinstance(given, AsyncIterable):
        known = getattr(given, "size_bytes", None)
        return _Iterable(given, size_bytes if known is None else known)
    if callable(given):
        make: Any = given
        return _Factory(make, size_bytes)
    raise TypeError(
        f"a source is bytes, a path, a file, an async iterable or a function that returns one, not {_kind(given)}"
    )


def _kind(given: object) -> str:
    return type(given).__name__


def _looked_at(path: Path) -> os.stat_result:
    seen = path.stat()
    if stat.S_ISFIFO(seen.st_mode) or stat.S_ISCHR(seen.st_mode) or stat.S_ISSOCK(seen.st_mode):
        raise ValueError(f"{path} is no file with a size; open it, and give the open file")
    with path.open("rb") as file:
        return os.fstat(file.fileno())


def _size_of(path: Path) -> int:
    """Return how many bytes a file has; what a device has, its status does not tell."""
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END)


_END: Final = os.SEEK_END


async def _place_of(file: Any) -> tuple[int | None, int | None]:
    """Return where a file stands and how many bytes follow; where it cannot be turned back, neither is known."""
    if not hasattr(file, "seekable") or not await _ask(file.seekable):
        return None, None
    start = int(await _ask(file.tell))
    end = int(await _ask(file.seek, 0, _END))
    await _ask(file.seek, start)
    return start, max(0, end - start)
