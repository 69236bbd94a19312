"""Image data to the service: every byte once, or an error that says so."""

import logging
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import anyio
import attrs
from anyio.streams.memory import MemoryObjectSendStream

from aioimages._call import Body, Call
from aioimages._calls import images
from aioimages._errors import (
    AioImagesError,
    AmbiguousOutcomeError,
    ChecksumMismatchError,
    ConflictError,
    SourceChangedError,
    TransferError,
    TransferInterruptedError,
    UnauthorizedError,
    UnreplayableBodyError,
)
from aioimages._exchange import is_passing, pause_after
from aioimages._formats import FIRST_BYTES, disk_format_of
from aioimages._groups import task_group
from aioimages._models import Image
from aioimages._policy import PollPolicy
from aioimages._progress import Meter, Progress
from aioimages._session import Session
from aioimages._transfer.digest import DEFAULT_ALGORITHM, Digest, Expected, known
from aioimages._transfer.pump import Batch, batches, in_thread, one_by_one, pump
from aioimages._transfer.source import Source

__all__ = ["FormatWarning", "Uploader"]

_log: Final = logging.getLogger("aioimages")
# How long the service may take to see that an upload has broken off.
_SETTLING_SECONDS: Final = 60.0
_SETTLING: Final = PollPolicy(first=0.05, growth=2.0, ceiling=2.0)


class FormatWarning(UserWarning):
    """A disk's first bytes say that it is of another format than its image."""


@attrs.define(kw_only=True)
class Uploader:
    """Sends one image's data, as often as that takes, and sees that they arrived.

    Attributes:
        session: What to send them through.
        image_id: The image.
        source: The data.
        call: Makes the call that sends a body.
        phase: `upload`, or `stage`: then the data are kept for an import, and nobody says what arrived.
        progress: Who wants to know how far it is.
    """

    session: Session
    image_id: str
    source: Source
    call: Callable[[Body], Call[None]]
    phase: str
    progress: Progress | None
    _sent: Digest = attrs.field(init=False, factory=lambda: Digest(DEFAULT_ALGORITHM))
    _sent_bytes: int = attrs.field(init=False, default=0)
    _tries: int = attrs.field(init=False, default=0)
    _refusals: int = attrs.field(init=False, default=0)
    _is_begun: bool = attrs.field(init=False, default=False)
    _is_whole: bool = attrs.field(init=False, default=False)
    _disk_format: str | None = attrs.field(init=False, default=None)

    async def run(self) -> Image:
        """Send the data, and return the image as it is then.

        Raises:
            ConflictError: The image has data already.
            UnreplayableBodyError: It broke off, and the source cannot be read twice.
            ChecksumMismatchError: The service has other data than were sent.
            SourceChangedError: The source changed while it was read.
            AmbiguousOutcomeError: It broke off, and what became of the data cannot be found out.
        """
        image = await self._look()
        if image.status != "queued":
            raise ConflictError(
                f"image {image.id} is {image.status}, and only a queued one takes data",
                status=409,
                method="PUT",
                url=images.image_path(image.id, "file"),
            )
        self._disk_format = image.disk_format
        retrier = self.session.retry.retrying(
            self._pause_after,
            deadline=float("inf"),
            clock=anyio.current_time,
            sleep=anyio.sleep,
        )
        return await retrier(self._attempt)

    def _pause_after(self, error: BaseException) -> float | None:
        if isinstance(error, UnauthorizedError):
            # The session has another token by now; it was refused too if this is the second time.
            return 0.0 if self.session.renewable and self._refusals == 1 else None
        return 0.0 if self._meets_itself(error) else pause_after(error)

    def _meets_itself(self, error: BaseException) -> bool:
        """Say whether the service refuses a further try because it is not done with an earlier one."""
        return isinstance(error, ConflictError) and self._tries > 1

    async def _attempt(self) -> Image:
        try:
            await self._send()
        except AioImagesError as error:
            self._refusals = self._refusals + 1 if isinstance(error, UnauthorizedError) else 0
            if not (is_passing(error) or isinstance(error, UnauthorizedError) or self._meets_itself(error)):
                raise
            image = await self._settled(error)
            if image.status != "queued":
                return await self._arrived(image, error)
            if self._is_begun and not self.source.is_replayable:
                raise UnreplayableBodyError(
                    f"the {self.phase} of image {self.image_id} broke off after {self._sent_bytes} bytes; the image is "
                    f"still queued, and the source cannot be read again: {error}"
                ) from error
            raise
        return await self._arrived(await self._look(), None)

    async def _send(self) -> None:
        self._tries += 1
        self._sent, self._sent_bytes, self._is_whole = Digest(DEFAULT_ALGORITHM), 0, False
        meter = Meter(self.progress, self.phase, self.image_id, self.source.size_bytes)
        send, receive = anyio.create_memory_object_stream[Batch](1)
        opened = anyio.Event()
        problem: AioImagesError | None = None

        async def body() -> AsyncGenerator[bytes, None]:
            opened.set()
            async for batch in receive:
                for piece in batch:
                    self._sent_bytes += len(piece)
                    # Whoever sends a known number of bytes asks for no more.
                    self._is_whole = self._sent_bytes == self.source.size_bytes
                    meter.reach(self._sent_bytes)
                    yield piece
            self._is_whole = True

        try:
            async with task_group() as group:
                group.start_soon(self._feed, opened, send)
                try:
                    await self.session.run(self.call(Body(body, self.source.size_bytes)))
                except AioImagesError as error:
                    problem = error
                if not self._is_whole:
                    group.cancel_scope.cancel()
        finally:
            send.close()
            receive.close()
            meter.end()
        if problem is not None:
            raise problem

    async def _feed(self, opened: anyio.Event, send: MemoryObjectSendStream[Batch]) -> None:
        """Read the source, once there is a connection, for the body and for the digest at the same time.

        Where that fails, the body must not end as if it were whole: it is cut off with the connection.
        """
        await opened.wait()
        self._is_begun = True
        await pump(self._batches(), in_thread(self._sent.update), one_by_one(send.send))
        send.close()

    async def _batches(self) -> AsyncGenerator[Batch, None]:
        """Read the source. The last batch is held back until it is known that it is the last, and all is well."""
        held: Batch = []
        total, size = 0, self.source.size_bytes
        is_too_long = False
        async with aclosing(batches(self.source.pieces())) as source:
            async for batch in source:
                if held:
                    yield held
                else:
                    self._warn_of_another_format(b"".join(batch)[:FIRST_BYTES])
                held = batch
                total += sum(map(len, batch))
                is_too_long = size is not None and total > size
                if is_too_long:
                    break
        if not total:
            raise ValueError("the source is empty: there is nothing to upload")
        if size not in {None, total}:
            raise SourceChangedError(
                f"the source should give {size} bytes, and gives {'more' if is_too_long else total}"
            )
        yield held

    def _warn_of_another_format(self, first: bytes) -> None:
        found = disk_format_of(first)
        if found is not None and self._disk_format not in {found, None}:
            warnings.warn(
                f"the data for image {self.image_id} look like {found}, and its disk_format is {self._disk_format}",
                FormatWarning,
                stacklevel=2,
            )

    async def _look(self) -> Image:
        return await self.session.run(images.get(self.image_id))

    async def _settled(self, problem: AioImagesError) -> Image:
        """Return the image when the service has seen that the connection is gone."""
        start = anyio.current_time()
        poller = _SETTLING.polling(
            lambda image: image.status != "saving",
            deadline=start + _SETTLING_SECONDS,
            clock=anyio.current_time,
            sleep=anyio.sleep,
        )
        try:
            image: Image = await poller(self._look)
        except AioImagesError as error:
            if not is_passing(error):
                raise
            raise AmbiguousOutcomeError(
                f"the {self.phase} of image {self.image_id} may or may not have arrived: {problem}"
            ) from problem
        if image.status == "saving":
            raise TransferInterruptedError(f"image {self.image_id} is still saving what broke off: {problem}")
        return image

    async def _arrived(self, image: Image, problem: AioImagesError | None) -> Image:
        """Return the image if it has what was sent; otherwise raise."""
        if self.phase == "stage":
            if image.status == "uploading" and problem is None:
                return image
            raise AmbiguousOutcomeError(
                f"image {image.id} is {image.status}: what was staged may or may not be whole", candidates=(image,)
            )
        if image.status != "active":
            raise TransferError(f"image {image.id} is {image.status} after its upload, not active")
        if not self._is_whole and self._tries > 1 and self.source.is_replayable:
            # It has what an earlier try has sent.
            await self._read_again(self._sent.algorithm)
        if not self._is_whole or image.size != self._sent_bytes:
            raise ChecksumMismatchError(
                f"image {image.id} has {image.size} bytes of data, and {self._sent_bytes} were sent"
                + ("" if self._is_whole else " before it broke off"),
                expected=str(self.source.size_bytes or self._sent_bytes),
                actual=str(image.size),
            )
        await self._compare(image)
        return image

    async def _read_again(self, algorithm: str) -> None:
        """Digest the source once more, as if it were sent."""
        self._sent, self._sent_bytes = Digest(algorithm), 0

        async def count(batch: Batch) -> None:
            self._sent_bytes += sum(map(len, batch))

        await pump(self._batches(), in_thread(self._sent.update), one_by_one(count))
        self._is_whole = True

    async def _compare(self, image: Image) -> None:
        if image.os_hash_algo != self._sent.algorithm:
            if not (image.os_hash_algo and known(image.os_hash_algo) and self.source.is_replayable):
                _log.warning("image %s is hashed with %s: only its size was compared", image.id, image.os_hash_algo)
                return
            await self._read_again(image.os_hash_algo)
        self._sent.check(
            Expected(self._sent.algorithm, image.os_hash_value or ""),
            f"image {image.id} has other data than were sent",
        )
