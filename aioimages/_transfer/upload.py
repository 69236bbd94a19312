"""Image data to the service: every byte once, or an error that says so."""

import logging
import warnings
from collections.abc import Callable
from typing import Final

import anyio

from aioimages._call import Body, Call
from aioimages._calls import images
from aioimages._errors import (
    AioImagesError,
    AmbiguousOutcomeError,
    ChecksumMismatchError,
    ConflictError,
    TransferError,
    TransferInterruptedError,
)
from aioimages._exchange import is_passing
from aioimages._formats import disk_format_of
from aioimages._models import Image
from aioimages._policy import PollPolicy
from aioimages._progress import Progress
from aioimages._session import Session
from aioimages._transfer.digest import DEFAULT_ALGORITHM, Digest, told_of
from aioimages._transfer.sending import Sender
from aioimages._transfer.source import Source

__all__ = ["FormatWarning", "Uploader"]

_log: Final = logging.getLogger("aioimages")
# How long the service may take to see that an upload has broken off.
_SETTLING_SECONDS: Final = 60.0
_SETTLING: Final = PollPolicy(first=0.05, growth=2.0, ceiling=2.0)


class FormatWarning(UserWarning):
    """A disk's first bytes say that it is of another format than its image."""


class Uploader:
    """Sends one image's data, as often as that takes, and sees that they arrived.

    Args:
        session: What to send them through.
        image_id: The image.
        source: The data.
        call: Makes the call that sends a body.
        phase: `upload`, or `stage`: then the data are kept for an import, and nobody says what arrived.
        progress: Who wants to know how far it is.
    """

    def __init__(
        self,
        session: Session,
        image_id: str,
        source: Source,
        *,
        call: Callable[[Body], Call[None]],
        phase: str,
        progress: Progress | None,
    ) -> None:
        self._session = session
        self._image_id = image_id
        self._call = call
        self._phase = phase
        self._disk_format: str | None = None
        self._sender = Sender(
            session=session,
            source=source,
            phase=phase,
            key=image_id,
            progress=progress,
            digest=Digest(DEFAULT_ALGORITHM),
            see_first=self._warn_of_another_format,
        )

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
        retrier = self._session.retrying(self._pause_after, self._sender.trail)
        try:
            arrived: Image = await retrier(self._attempt)
        finally:
            self._sender.meter.end()
        return arrived

    def _pause_after(self, error: BaseException) -> float | None:
        # The service may refuse a further try because it is not done with an earlier one.
        meets_itself = isinstance(error, ConflictError) and self._sender.tries > 1
        return 0.0 if meets_itself else self._sender.pause_after(error)

    async def _attempt(self) -> Image:
        try:
            await self._sender.send(self._call)
        except AioImagesError as error:
            if self._pause_after(error) is None and not is_passing(error):
                raise
            image = await self._settled(error)
            if image.status != "queued":
                return await self._arrived(image, error)
            self._sender.refuse_to_repeat(error, "the image is still queued, and ")
            raise
        # It has arrived, so whatever happens now is no reason to send it again.
        return await self._arrived(await self._settled(None), None)

    def _warn_of_another_format(self, first: bytes) -> None:
        found = disk_format_of(first)
        if found is not None and self._disk_format not in {found, None}:
            warnings.warn(
                f"the data for image {self._image_id} look like {found}, and its disk_format is {self._disk_format}",
                FormatWarning,
                stacklevel=2,
            )

    async def _look(self) -> Image:
        return await self._session.run(images.get(self._image_id))

    async def _settled(self, problem: AioImagesError | None) -> Image:
        """Return the image when the service has seen that the data, or the connection, are at an end."""
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
                f"the {self._phase} of image {self._image_id} may or may not have arrived: {problem or error}"
            ) from problem or error
        if image.status == "saving":
            raise TransferInterruptedError(f"image {self._image_id} is still saving after {_SETTLING_SECONDS:g} s")
        return image

    async def _arrived(self, image: Image, problem: AioImagesError | None) -> Image:
        """Return the image if it has what was sent; otherwise raise."""
        if self._phase == "stage":
            if image.status == "uploading" and problem is None and self._sender.is_whole:
                return image
            raise AmbiguousOutcomeError(
                f"image {image.id} is {image.status}: what was staged may or may not be whole", candidates=(image,)
            )
        if image.status != "active":
            raise TransferError(f"image {image.id} is {image.status} after its upload, not active")
        if not self._sender.is_whole and self._sender.tries > 1 and self._sender.source.is_replayable:
            # It has what an earlier try has sent.
            await self._sender.read_again(self._sender.digest.algorithm)
        await self.compare(image)
        return image

    async def compare(self, image: Image) -> None:
        """See that an image has what was sent.

        Raises:
            ChecksumMismatchError: It has not.
        """
        sender = self._sender
        if not sender.is_whole or image.size != sender.sent_bytes:
            raise ChecksumMismatchError(
                f"image {image.id} has {image.size} bytes of data, and {sender.sent_bytes} were sent"
                + ("" if sender.is_whole else " before it broke off"),
                expected=str(sender.source.size_bytes or sender.sent_bytes),
                actual=str(image.size),
            )
        expected = told_of(image)
        if expected is None or expected.algorithm != sender.digest.algorithm:
            if expected is None or not sender.source.is_replayable:
                algorithm = image.os_hash_algo or "nothing that this Python has"
                _log.warning("image %s is hashed with %s: only its size was compared", image.id, algorithm)
                return
            await sender.read_again(expected.algorithm)
        sender.digest.check(expected, f"image {image.id} has other data than were sent")
