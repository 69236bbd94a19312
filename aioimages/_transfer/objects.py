"""Objects of Cloud Files to the service: in one piece, or in segments at the same time."""

import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from aioimages._call import Body, Call
from aioimages._calls import objects as calls
from aioimages._errors import AioImagesError, ChecksumMismatchError, NotFoundError
from aioimages._groups import task_group
from aioimages._listing import Listing
from aioimages._models import Segment, StoredObject
from aioimages._progress import Meter, Progress, ProgressEvent
from aioimages._session import Session
from aioimages._transfer.digest import Digest, Expected
from aioimages._transfer.sending import Sender, digest_of
from aioimages._transfer.source import Source
from aioimages._undoing import undo

__all__ = ["Description", "ObjectUploader"]

# A program that is cancelled is not held up for longer.
_CLEANING_SECONDS: Final = 30.0
_DELETIONS: Final = 16
# What the service allows in one object.
_MOST_SEGMENTS: Final = 1000
# How long sending all segments may take, where they are to be deleted by themselves.
_UPLOAD_SECONDS: Final = 86400


@attrs.frozen(kw_only=True)
class Description:
    """What is said of an object beside its data."""

    delete_after: int | None
    content_type: str | None
    metadata: Mapping[str, str] | None


@attrs.frozen(kw_only=True)
class ObjectUploader:
    """Sends one object, and sees that it arrived whole.

    Attributes:
        session: What to send it through.
        container: Its container.
        name: Its name.
        source: Its data.
        segment_bytes: How long a segment is; what is longer is sent in several.
        at_once: How many segments to send at the same time.
        resume: Whether to leave segments that have arrived, should the upload fail, and to look for those of an
            earlier one.
        description: What is said of it.
        progress: Who wants to know how far it is.
    """

    session: Session
    container: str
    name: str
    source: Source
    segment_bytes: int
    at_once: int
    resume: bool
    description: Description
    progress: Progress | None
    _run: str = attrs.field(init=False, factory=lambda: secrets.token_hex(4))

    async def run(self) -> StoredObject:
        """Send the data, and return the object.

        Raises:
            ChecksumMismatchError: The service has other data than were sent.
            UnreplayableBodyError: The connection broke, and the source cannot be read twice.
            SourceChangedError: The source changed while it was read.
        """
        size = self.source.size_bytes
        before = await self._segments_before()
        etag: str
        if size is not None and size <= self.segment_bytes:
            segments = [await self._put(self.name, self.source, "upload", self.progress)]
            etag, is_large = segments[0].etag, False
        else:
            if size is not None and size > self.segment_bytes * _MOST_SEGMENTS:
                raise ValueError(f"segment_bytes makes more than {_MOST_SEGMENTS} segments of {size} bytes")
            there = await self._segments_there() if self.resume else []
            segments, etag = await self._in_segments(there)
            before, is_large = [*before, *there], True
        await self._drop({segment.name for segment in before} - {segment.name for segment in segments})
        return StoredObject(
            name=self.name,
            size_bytes=sum(segment.size_bytes for segment in segments),
            etag=etag,
            content_type=self.description.content_type,
            is_large=is_large,
        )

    async def _segments_before(self) -> Sequence[Segment]:
        """Return the segments of the object whose place this one takes: they belong to nothing then."""
        with suppress(NotFoundError):
            if (await self.session.run(calls.get(self.container, self.name))).is_large:
                return await self.session.run(calls.manifest(self.container, self.name))
        return ()

    def _path(self, name: str) -> str:
        return f"/{self.container}/{name}"

    @property
    def _prefix(self) -> str:
        return f"{self.name}.segments/"

    def _seconds_of(self, name: str) -> int | None:
        """Return how long an object of ours is to live; segments live on until the last of them has been sent."""
        seconds = self.description.delete_after
        return seconds if seconds is None or name == self.name else seconds + _UPLOAD_SECONDS

    async def _put(self, name: str, source: Source, phase: str, progress: Progress | None) -> Segment:
        """Send one object as often as that takes: to do so twice is to do it once."""
        sender = Sender(
            session=self.session,
            source=source,
            phase=phase,
            key=f"{self.container}/{name}",
            progress=progress,
            digest=Digest("md5"),
        )

        def call(body: Body) -> Call[str]:
            return calls.put(
                self.container,
                name,
                body,
                delete_after=self._seconds_of(name),
                content_type=self.description.content_type if name == self.name else None,
                metadata=self.description.metadata if name == self.name else None,
            )

        etag = await sender.send_until_final(call)
        try:
            sender.digest.check(Expected("md5", etag), f"object {self.container}/{name} has other data than were sent")
        except ChecksumMismatchError:
            with suppress(AioImagesError):
                await self.session.run(calls.delete(self.container, name, with_segments=False))
            raise
        return Segment(name=self._path(name), size_bytes=sender.sent_bytes, etag=etag)

    async def _in_segments(self, there: Sequence[Segment]) -> tuple[list[Segment], str]:
        total = _Total(Meter(self.progress, "upload", f"{self.container}/{self.name}", self.source.size_bytes))
        sent: list[str] = []
        try:
            segments = await self._send_segments(there, total, sent)
        except BaseException as error:
            if not self.resume and (problem := await undo(lambda: self._drop(sent), seconds=_CLEANING_SECONDS)):
                error.add_note(f"segments of object {self.container}/{self.name} are left behind: {problem}")
            raise
        finally:
            total.meter.end()
        whole = Digest("md5")
        whole.add("".join(segment.etag for segment in segments).encode())
        return segments, await self._publish(segments, whole, sent)

    async def _publish(self, segments: Sequence[Segment], whole: Digest, sent: Sequence[str]) -> str:
        """Make an object of the segments. Where that may have been done, they are not to be deleted."""
        try:
            etag: str = await self.session.run(
                calls.put_manifest(
                    self.container,
                    self.name,
                    segments,
                    delete_after=self.description.delete_after,
                    content_type=self.description.content_type,
                    metadata=self.description.metadata,
                )
            )
            whole.check(Expected("md5", etag), f"object {self.container}/{self.name} is not made of what was sent")
        except BaseException as error:
            published: list[bool] = []

            async def look() -> None:
                with suppress(NotFoundError):
                    found = await self.session.run(calls.get(self.container, self.name))
                    published.append(found.etag == whole.value)
                if not self.resume and published != [True]:
                    await self._drop(sent)

            if problem := await undo(look, seconds=_CLEANING_SECONDS):
                error.add_note(f"object {self.container}/{self.name} or its segments are left behind: {problem}")
            if published == [True] and isinstance(error, AioImagesError):
                return whole.value
            raise
        return etag

    async def _drop(self, paths: Iterable[str]) -> None:
        """Delete objects by their paths, several at a time; what is not there is deleted already."""
        left = iter(list(paths))

        async def work() -> None:
            for path in left:
                container, _, name = path.removeprefix("/").partition("/")
                with suppress(NotFoundError):
                    await self.session.run(calls.delete(container, name, with_segments=False))

        async with task_group() as group:
            for _ in range(_DELETIONS):
                group.start_soon(work)

    async def _send_segments(self, there: Sequence[Segment], total: "_Total", sent: list[str]) -> list[Segment]:
        size = self.source.size_bytes
        if size is None or self.source.part(0, 1) is None:
            return await self._send_one_by_one(total, sent)
        starts = range(0, size, self.segment_bytes)
        segments: dict[int, Segment] = {}
        turns = iter(enumerate(starts))

        async def work() -> None:
            for number, start in turns:
                part = self.source.part(start, min(start + self.segment_bytes, size))
                if part is None:
                    raise TypeError("a source that has parts has all of them")
                segments[number] = await self._segment(number, part, there, total, sent)

        async with task_group() as group:
            for _ in range(min(self.at_once, len(starts))):
                group.start_soon(work)
        return [segments[number] for number in range(len(starts))]

    async def _send_one_by_one(self, total: "_Total", sent: list[str]) -> list[Segment]:
        segments = []
        async with aclosing(_cut(self.source, self.segment_bytes)) as parts:
            async for number, part in parts:
                if number == _MOST_SEGMENTS:
                    raise ValueError(f"segment_bytes makes more than {_MOST_SEGMENTS} segments of the source")
                segments.append(await self._segment(number, part, (), total, sent))
        return segments

    def _segment_name(self, number: int) -> str:
        return f"{self._prefix}{self._run}/{number:06}"

    async def _segment(
        self, number: int, part: Source, there: Sequence[Segment], total: "_Total", sent: list[str]
    ) -> Segment:
        """Send a segment, unless an earlier upload has done so: its digest tells."""
        ending = f"/{number:06}"
        alike = {
            segment.etag: segment
            for segment in there
            if segment.name.endswith(ending) and segment.size_bytes == part.size_bytes
        }
        found = alike.get(await digest_of(part, "md5")) if alike else None
        if found is not None and await self._lasts(found):
            total.skip(found.size_bytes)
            return found
        name = self._segment_name(number)
        sent.append(self._path(name))
        return await self._put(name, part, "segment", total)

    async def _lasts(self, segment: Segment) -> bool:
        """Say whether a segment of an earlier upload lives as long as the object is to."""
        name = segment.name.removeprefix(f"/{self.container}/")
        with suppress(NotFoundError):
            ends = (await self.session.run(calls.get(self.container, name))).delete_at
            mine = self.description.delete_after
            return ends is None or (mine is not None and ends > datetime.now(UTC) + timedelta(seconds=mine))
        return False

    async def _segments_there(self) -> list[Segment]:
        """Return the segments that earlier uploads of this object have left."""
        listing: Listing[StoredObject] = Listing(
            self.session.run, calls.list_objects(self.container, self._prefix), key=lambda found: found.name
        )
        return [
            Segment(name=self._path(found.name), size_bytes=found.size_bytes, etag=found.etag)
            async for found in listing
            if re.fullmatch(r"[0-9a-f]{8}/[0-9]{6}", found.name.removeprefix(self._prefix))
        ]


class _Total:
    """The progress of an object, of that of its segments."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._done: dict[str, int] = {}
        self._skipped_bytes = 0

    def skip(self, size: int) -> None:
        self._skipped_bytes += size
        self.meter.reach(self._skipped_bytes + sum(self._done.values()))

    def update(self, event: ProgressEvent) -> None:
        self._done[event.key] = event.done
        self.meter.reach(self._skipped_bytes + sum(self._done.values()))


async def _cut(source: Source, size: int) -> AsyncGenerator[tuple[int, Source], None]:
    """Cut a source that goes forward only into sources of such a size, one after the other."""
    async with aclosing(source.pieces()) as pieces:
        left = await anext(pieces, b"")
        number = 0
        while left or not number:
            run = _Run(pieces, left, size)
            yield number, run
            left = run.left or await anext(pieces, b"")
            number += 1


class _Run:
    """Some bytes of a source that goes forward only."""

    is_replayable = False
    size_bytes: int | None = None

    def __init__(self, pieces: AsyncGenerator[bytes, None], begun: bytes, size: int) -> None:
        self.left = begun
        self._pieces = pieces
        self._wanted = size

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Iterate over them; what is beyond stays in `left`."""
        piece: bytes = self.left
        while piece:
            taken, self.left = piece[: self._wanted], piece[self._wanted :]
            self._wanted -= len(taken)
            yield taken
            if not self._wanted:
                return
            piece = await anext(self._pieces, b"")
            self.left = b""

    def part(self, start: int, stop: int) -> Source | None:  # noqa: ARG002  # it goes forward only
        """Return nothing."""
        return None
