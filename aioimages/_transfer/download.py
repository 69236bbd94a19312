"""Image data to where they are wanted, checked on the way."""

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol

import anyio
import anyio.to_thread
import attrs
from anyio.abc import TaskGroup

from aioimages._calls import data, images
from aioimages._errors import BadRequestError, ChecksumMismatchError, StatusError
from aioimages._exchange import pause_after
from aioimages._groups import task_group
from aioimages._http import Stream
from aioimages._models import Download, Image
from aioimages._progress import Meter, Progress
from aioimages._session import Session
from aioimages._transfer.check import Check
from aioimages._transfer.partial import PartialFile
from aioimages._transfer.parts import pieces_of_parts
from aioimages._transfer.pump import Batch, Taker, batches, in_thread, one_by_one, pump, to_its_end
from aioimages._transfer.reader import Reader

__all__ = ["AsyncWritable", "DataStream", "Downloader", "Writable"]

_PROBE_BYTES: Final = 1


class Writable(Protocol):
    """A file that is open for writing bytes."""

    def write(self, data: bytes, /) -> Any:
        """Write them; it is done in a worker thread."""


class AsyncWritable(Protocol):
    """A file that is open for writing bytes, of a library such as anyio or aiofiles."""

    async def write(self, data: bytes, /) -> Any:
        """Write them."""


class DataStream:
    """An image's data, piece by piece: `async for piece in stream`. They are checked when the last piece has passed.

    Attributes:
        image: The image.
        size_bytes: How many bytes there are, where the service says it.
        result: What came of it, once the last piece has passed.
    """

    def __init__(self, image: Image, pieces: AsyncGenerator[bytes, None], check: Check) -> None:
        self.image = image
        self.size_bytes = image.size
        self.result: Download | None = None
        self._pieces = pieces
        self._check = check

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        hashing: asyncio.Future[Any] | None = None
        try:
            async with aclosing(batches(self._pieces)) as source:
                async for batch in source:
                    if hashing is not None:
                        await hashing
                    hashing = asyncio.ensure_future(anyio.to_thread.run_sync(self._check.take, batch))
                    for piece in batch:
                        yield piece
        finally:
            if hashing is not None:
                await asyncio.wait([hashing])
        self.result = self._check.result()


@attrs.frozen(kw_only=True)
class Downloader:
    """Fetches one image's data."""

    session: Session
    image_id: str
    verify: bool
    prefer: tuple[str, ...]
    parts: int
    progress: Progress | None

    async def to_path(self, target: str | os.PathLike[str], *, resume: bool) -> Download:
        """Write them to a file, which either has all of them or stays as it was."""
        image = await self._image()
        partial = PartialFile(target, image.id, resume=resume)
        try:
            await to_its_end(partial.open)
            try:
                done = await self._pour(image, in_thread(partial.write), partial)
            except ChecksumMismatchError:
                if not partial.size_bytes:
                    raise
                # What was there before was not of these data.
                await to_its_end(partial.clear)
                done = await self._pour(image, in_thread(partial.write), partial)
            await to_its_end(partial.publish)
        finally:
            with anyio.CancelScope(shield=True):
                await to_its_end(partial.give_up)
        return done

    async def to_file(self, file: Writable | AsyncWritable) -> Download:
        """Write them to an open file, from where it stands. Should they turn out damaged, they are there already."""

        async def write_async(batch: Batch) -> None:
            for piece in batch:
                await file.write(piece)

        def write(batch: Batch) -> None:
            for piece in batch:
                file.write(piece)

        is_async = inspect.iscoroutinefunction(file.write)
        return await self._pour(await self._image(), one_by_one(write_async) if is_async else in_thread(write), None)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[DataStream]:
        """Give them to the block, piece by piece."""
        image = await self._image()
        check = Check(image, verify=self.verify)
        async with task_group() as group, aclosing(self._pieces(group, image, check)) as pieces:
            yield DataStream(image, pieces, check)
            group.cancel_scope.cancel()

    async def _image(self) -> Image:
        return await self.session.run(images.get(self.image_id))

    async def _pour(self, image: Image, write: Taker, there: PartialFile | None) -> Download:
        check = Check(image, verify=self.verify)
        if there is not None and there.size_bytes:
            await self._check_prefix(image, check, there)
        meter = Meter(self.progress, "download", image.id, image.size)
        meter.reach(check.size_bytes)

        async def count(batch: Batch) -> None:
            meter.advance(sum(map(len, batch)))

        try:
            async with task_group() as group, aclosing(self._pieces(group, image, check)) as pieces:
                await pump(batches(pieces), in_thread(check.take), write, one_by_one(count))
            return check.result()
        finally:
            meter.end()

    async def _check_prefix(self, image: Image, check: Check, there: PartialFile) -> None:
        if image.size is not None and there.size_bytes > image.size:
            await to_its_end(there.clear)
            return
        meter = Meter(self.progress, "check", image.id, there.size_bytes)
        while piece := await to_its_end(there.read):
            await anyio.to_thread.run_sync(check.take, [piece])
            meter.reach(check.size_bytes)
        meter.end()
        check.resumed_bytes = check.size_bytes

    async def _pieces(self, group: TaskGroup, image: Image, check: Check) -> AsyncGenerator[bytes, None]:
        start, total = check.size_bytes, image.size
        if total is not None and start == total > 0:
            return
        if self.parts > 1 and total is not None and await self._has_ranges():
            source = pieces_of_parts(group, self._reader_of_part(total), start=start, total=total, parts=self.parts)
            async with aclosing(source):
                async for piece in source:
                    yield piece
            return
        reader = Reader(self.session, image.id, total=total, start=start, prefer=self.prefer)
        async with aclosing(reader.pieces()) as pieces:
            async for piece in pieces:
                check.follow(reader)
                yield piece

    def _reader_of_part(self, total: int) -> Callable[[int, int], Reader]:
        return lambda start, stop: Reader(
            self.session, self.image_id, total=total, start=start, stop=stop, prefer=self.prefer
        )

    async def _has_ranges(self) -> bool:
        """Ask the image's store whether it gives parts: not every one does."""
        probe = data.download(self.session.dialect, self.image_id, stop=_PROBE_BYTES, prefer=self.prefer)
        retrier = self.session.retry.retrying(
            pause_after, deadline=float("inf"), clock=anyio.current_time, sleep=anyio.sleep
        )
        try:
            stream: Stream = await retrier(self.session.open, probe)
        except BadRequestError:
            return False
        except StatusError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return False
        async with stream:
            return stream.status == HTTPStatus.PARTIAL_CONTENT
