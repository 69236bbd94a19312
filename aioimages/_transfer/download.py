"""Data to where they are wanted, checked on the way."""

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread
import attrs

from aioimages._attempts import Trail
from aioimages._errors import (
    AioImagesError,
    BadRequestError,
    ChecksumMismatchError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    ProtocolError,
    SourceChangedError,
    StatusError,
    TransportTimeoutError,
)
from aioimages._exchange import pause_after
from aioimages._http import Stream
from aioimages._models import Download
from aioimages._policy import count, seconds
from aioimages._progress import Meter, Progress
from aioimages._session import Session
from aioimages._transfer.check import Check
from aioimages._transfer.partial import PartialFile
from aioimages._transfer.parts import pieces_of_parts
from aioimages._transfer.pump import Batch, Taker, batches, in_thread, one_by_one, pump, to_its_end
from aioimages._transfer.reader import Reader
from aioimages._transfer.remote import Remote

__all__ = ["AsyncWritable", "DataStream", "Destination", "Downloader", "Writable"]

_PROBE_BYTES: Final = 1


class Writable(Protocol):
    """A file that is open for writing bytes."""

    def write(self, data: bytes, /) -> Any:
        """Write them; it is done in a worker thread."""


class AsyncWritable(Protocol):
    """A file that is open for writing bytes, of a library such as anyio or aiofiles."""

    async def write(self, data: bytes, /) -> Any:
        """Write them."""


Destination = str | os.PathLike[str] | Writable | AsyncWritable


class DataStream:
    """Data, piece by piece: `async for piece in stream`. They are checked when the last piece has passed.

    Attributes:
        key: Of what: the image's id, or the object's `container/name`.
        size_bytes: How many bytes there are, where the service says it.
        result: What came of it, once the last piece has passed.
    """

    def __init__(
        self,
        remote: Remote,
        pieces: AsyncGenerator[bytes, None],
        check: Check,
        guard: AbstractAsyncContextManager[None],
    ) -> None:
        self.key = remote.key
        self.size_bytes = remote.size
        self.result: Download | None = None
        self._check = check
        self._guard = guard
        # One for all who iterate, so that each goes on where the one before stopped.
        self._iterator = self._checked(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterator

    async def close(self) -> None:
        """Fetch no more."""
        await self._iterator.aclose()

    async def _checked(self, source: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        hashing: asyncio.Future[Any] | None = None
        async with self._guard:
            try:
                async with aclosing(batches(source)) as gathered:
                    async for batch in gathered:
                        if hashing is not None:
                            await hashing
                        hashing = asyncio.ensure_future(to_its_end(partial(self._check.take, batch)))
                        for piece in batch:
                            yield piece
            finally:
                # A cancellation, too, waits for the thread.
                if hashing is not None:
                    await asyncio.gather(hashing, return_exceptions=True)
            self.result = self._check.result()


@attrs.frozen(kw_only=True)
class Downloader:
    """Fetches data.

    Attributes:
        session: What to fetch them through.
        name: What they are called in errors.
        find: Finds out what there is to fetch.
        parts: How many parts to fetch at a time.
        progress: Who wants to know how far it is.
    """

    session: Session
    name: str
    find: Callable[[], Awaitable[Remote]]
    parts: int = attrs.field(validator=lambda _, __, value: count("parts", value, least=1))
    progress: Progress | None

    def stream_or_fetch(
        self, destination: Destination | None, *, resume: bool, timeout: float | None
    ) -> Coroutine[Any, Any, Download] | AbstractAsyncContextManager[DataStream]:
        """Begin to do what is wanted, which depends on whether there is a destination."""
        if destination is not None:
            return self.to(destination, resume=resume, timeout=timeout)
        if resume or timeout is not None or self.progress is not None:
            raise ValueError("resume, timeout and progress need a destination")
        return self.stream()

    async def to(self, destination: Destination, *, resume: bool, timeout: float | None) -> Download:
        """Write them to a path or an open file, in time.

        Raises:
            TypeError: The destination is neither.
            ValueError: There is nothing to resume in an open file.
            TransportTimeoutError: The time is over.
        """
        limit = seconds("timeout", timeout)
        is_path = isinstance(destination, str | os.PathLike)
        if not is_path and (not hasattr(destination, "write") or hasattr(destination, "drain")):
            raise TypeError(f"destination is a path or a file, not {type(destination).__name__}")
        if not is_path and resume:
            raise ValueError("resume needs a path: an open file does not tell what it has")
        with self.session.lifetime.span(), anyio.move_on_after(limit):
            if isinstance(destination, str | os.PathLike):
                return await self._to_path(destination, resume=resume)
            return await self._to_file(destination)
        raise TransportTimeoutError(f"the data of {self.name} did not come within {limit:g} s")

    async def _to_path(self, target: str | os.PathLike[str], *, resume: bool) -> Download:
        """Write them to a file, which either has all of them or stays as it was."""
        remote = await self.find()
        file = PartialFile(target, remote.key, resume=resume)
        try:
            await to_its_end(file.open)
            try:
                done = await self._pour(remote, in_thread(file.write), file)
            except ChecksumMismatchError:
                if not file.size_bytes:
                    raise
                # What was there before was not of these data.
                await to_its_end(file.clear)
                done = await self._pour(remote, in_thread(file.write), file)
            await to_its_end(file.publish)
        finally:
            with anyio.CancelScope(shield=True):
                await to_its_end(file.give_up)
        return done

    async def _to_file(self, file: Writable | AsyncWritable) -> Download:
        """Write them to an open file, from where it stands. Should they turn out damaged, they are there already."""
        write = one_by_one(partial(_write_async, file)) if inspect.iscoroutinefunction(file.write) else None
        return await self._pour(await self.find(), write or in_thread(partial(_write, file)), None)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[DataStream]:
        """Give them to the block, piece by piece."""
        remote = await self.find()
        check = Check(remote)
        stream = DataStream(remote, self._pieces(remote, check), check, self._or_changed(remote))
        try:
            yield stream
        finally:
            await stream.close()

    async def _pour(self, remote: Remote, write: Taker, there: PartialFile | None) -> Download:
        check = Check(remote)
        if there is not None and there.size_bytes:
            await self._check_prefix(remote, check, there)
        meter = Meter(self.progress, "download", remote.key, remote.size)
        meter.reach(check.size_bytes)

        async def count(batch: Batch) -> None:
            meter.advance(sum(map(len, batch)))

        try:
            async with self._or_changed(remote):
                pieces = self._pieces(remote, check)
                await pump(batches(pieces), in_thread(check.take), write, one_by_one(count))
                return check.result()
        finally:
            meter.end()

    @asynccontextmanager
    async def _or_changed(self, remote: Remote) -> AsyncIterator[None]:
        """Where data are not what they should be, find out whether they are others by now, and say so."""
        try:
            yield
        except (ChecksumMismatchError, ProtocolError) as error:
            if await self._has_changed(remote):
                raise SourceChangedError(f"{remote.name} changed while it was read: {error}") from error
            raise

    async def _has_changed(self, remote: Remote) -> bool:
        try:
            now = await self.find()
        except (ForbiddenError, GoneError, NotFoundError):
            return True
        except AioImagesError:
            return False
        return (now.size, now.expected) != (remote.size, remote.expected)

    async def _check_prefix(self, remote: Remote, check: Check, there: PartialFile) -> None:
        if remote.size is not None and there.size_bytes > remote.size:
            await to_its_end(there.clear)
            return
        meter = Meter(self.progress, "check", remote.key, there.size_bytes)
        try:
            while piece := await to_its_end(there.read):
                await anyio.to_thread.run_sync(check.take, [piece])
                meter.reach(check.size_bytes)
        finally:
            meter.end()
        check.resumed_bytes = check.size_bytes

    async def _pieces(self, remote: Remote, check: Check) -> AsyncGenerator[bytes, None]:
        start, total = check.size_bytes, remote.size
        if total is not None and start == total > 0:
            return
        if self.parts > 1 and total is not None and await self._has_ranges(remote):
            source = pieces_of_parts(partial(_reader, self.session, remote), start, total, self.parts)
            async with aclosing(source):
                async for piece in source:
                    start += len(piece)
                    yield piece
            if start == total:
                return
        reader = Reader(self.session, remote, start=start)
        async with aclosing(reader.pieces()) as pieces:
            async for piece in pieces:
                check.follow(reader)
                yield piece

    async def _has_ranges(self, remote: Remote) -> bool:
        """Ask whether the store of the data gives parts: not every one does."""
        trail = Trail()
        retrier = self.session.retrying(pause_after, trail)
        try:
            stream: Stream = await retrier(self.session.open, remote.part(0, _PROBE_BYTES), trail)
        except BadRequestError:
            return False
        except StatusError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return False
        async with stream:
            return stream.status == HTTPStatus.PARTIAL_CONTENT


def _reader(session: Session, remote: Remote, start: int, stop: int) -> Reader:
    return Reader(session, remote, start=start, stop=stop)


async def _write_async(file: Any, batch: Batch) -> None:
    for piece in batch:
        left = piece
        while left:
            left = left[_taken(await file.write(left), left) :]


def _write(file: Any, batch: Batch) -> None:
    for piece in batch:
        left = piece
        while left:
            left = left[_taken(file.write(left), left) :]


def _taken(answer: Any, given: bytes) -> int:
    """Return how many bytes a file has taken, by what its `write` returned: many return nothing, and take all."""
    if answer is None:
        return len(given)
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError("the file's write returns an awaitable: make it an async function")
    if not isinstance(answer, int) or not 0 < answer <= len(given):
        raise OSError(f"the file's write took {answer!r} of {len(given)} bytes")
    return answer
