"""Objects of Cloud Files to the service: in one piece, or in segments at the same time."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final

import attrs

from aioimages._call import Body, Call
from aioimages._calls import objects as calls
from aioimages._errors import AioImagesError, ChecksumMismatchError
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
_CLEANING_SECONDS: Final = 10.0


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
        etag: str
        if size is not None and size <= self.segment_bytes:
            segments = [await self._put(self.name, self.source, "upload", self.progress)]
            etag = segments[0].etag
        else:
            segments, etag = await self._in_segments()
        await self._drop_segments(keep=segments)
        return StoredObject(
            name=self.name,
            size_bytes=sum(segment.size_bytes for segment in segments),
            etag=etag,
            content_type=self.description.content_type,
            is_large=segments[0].name != self._path(self.name),
        )

    def _path(self, name: str) -> str:
        return f"/{self.container}/{name}"

    @property
    def _prefix(self) -> str:
        return f"{self.name}.segments/"

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
                delete_after=self.description.delete_after,
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

    async def _in_segments(self) -> tuple[list[Segment], str]:
        etag: str
        total = _Total(Meter(self.progress, "upload", f"{self.container}/{self.name}", self.source.size_bytes))
        there = await self._segments_there() if self.resume else []
        try:
            segments = await self._send_segments(there, total)
            etag = await self.session.run(
                calls.put_manifest(self.container, self.name, segments, **attrs.asdict(self.description))
            )
            whole = Digest("md5")
            whole.add("".join(segment.etag for segment in segments).encode())
            whole.check(Expected("md5", etag), f"object {self.container}/{self.name} is not made of what was sent")
        except BaseException as error:
            if not self.resume and (problem := await undo(self._clean_up, seconds=_CLEANING_SECONDS)):
                error.add_note(f"segments of object {self.container}/{self.name} are left behind: {problem}")
            raise
        finally:
            total.meter.end()
        return segments, etag

    async def _clean_up(self) -> None:
        for segment in await self._segments_there():
            if self._run in segment.name:
                await self._delete(segment)

    async def _send_segments(self, there: Sequence[Segment], total: "_Total") -> list[Segment]:
        size = self.source.size_bytes
        if size is None or self.source.part(0, 1) is None:
            return [
                await self._put(self._segment_name(number), source, "segment", total)
                async for number, source in _cut(self.source, self.segment_bytes)
            ]
        starts = list(enumerate(range(0, size, self.segment_bytes)))
        segments: list[Segment | None] = [None] * len(starts)
        turns = iter(starts)

        async def work() -> None:
            for number, start in turns:
                part = self.source.part(start, min(start + self.segment_bytes, size))
                if part is not None:
                    segments[number] = await self._segment(number, part, there, total)

        async with task_group() as group:
            for _ in range(min(self.at_once, len(starts))):
                group.start_soon(work)
        return [segment for segment in segments if segment is not None]

    def _segment_name(self, number: int) -> str:
        return f"{self._prefix}{self._run}/{number:06}"

    async def _segment(self, number: int, part: Source, there: Sequence[Segment], total: "_Total") -> Segment:
        """Send a segment, unless an earlier upload has done so: its digest tells."""
        ending = f"/{number:06}"
        alike = {
            segment.etag: segment
            for segment in there
            if segment.name.endswith(ending) and segment.size_bytes == part.size_bytes
        }
        if alike:
            digest = await digest_of(part, "md5")
            if digest in alike:
                total.skip(part.size_bytes or 0)
                return alike[digest]
        return await self._put(self._segment_name(number), part, "segment", total)

    async def _segments_there(self) -> list[Segment]:
        listing: Listing[StoredObject] = Listing(
            self.session.run, calls.list_objects(self.container, self._prefix), key=lambda found: found.name
        )
        return [
            Segment(name=self._path(found.name), size_bytes=found.size_bytes, etag=found.etag)
            async for found in listing
        ]

    async def _drop_segments(self, *, keep: Sequence[Segment]) -> None:
        """Delete the segments of what was there before."""
        kept = {segment.name for segment in keep}
        for segment in await self._segments_there():
            if segment.name not in kept:
                await self._delete(segment)

    async def _delete(self, segment: Segment) -> None:
        name = segment.name.removeprefix(f"/{self.container}/")
        await self.session.run(calls.delete(self.container, name, with_segments=False))


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
