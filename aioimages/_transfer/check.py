"""Whether data are what the service says that they are."""

from aioimages._errors import ChecksumMismatchError
from aioimages._models import Download, Image
from aioimages._transfer.digest import Digest, Expected, expected_of
from aioimages._transfer.pump import Batch
from aioimages._transfer.reader import Reader

__all__ = ["Check"]


class Check:
    """Counts and digests an image's data as they pass, and judges them at their end.

    Attributes:
        size_bytes: How many have passed.
        resumed_bytes: How many of them were there before.
    """

    def __init__(self, image: Image, *, verify: bool) -> None:
        self.size_bytes = 0
        self.resumed_bytes = 0
        self._image = image
        self._verify = verify
        self._expected = expected_of(image) if verify else None
        self._digest = Digest(self._expected.algorithm) if self._expected else None

    def follow(self, reader: Reader) -> None:
        """Where the image says nothing, take what comes with the data, once it is there."""
        if self._verify and self._expected is None and not self.size_bytes and reader.content_md5:
            self._expected = Expected("md5", reader.content_md5)
            self._digest = Digest("md5")

    def take(self, batch: Batch) -> None:
        """Take in data. It takes long: leave it to a worker thread."""
        if self._digest is not None:
            self._digest.update(batch)
        self.size_bytes += sum(map(len, batch))

    def result(self) -> Download:
        """Return what came of it.

        Raises:
            ChecksumMismatchError: The data are not what the service says.
        """
        if self._image.size is not None and self._image.size != self.size_bytes:
            raise ChecksumMismatchError(
                f"image {self._image.id} has {self._image.size} bytes of data, not {self.size_bytes}",
                expected=str(self._image.size),
                actual=str(self.size_bytes),
            )
        if self._digest is not None and self._expected is not None:
            self._digest.check(self._expected, f"the data of image {self._image.id} came damaged")
        return Download(
            image_id=self._image.id,
            size_bytes=self.size_bytes,
            hash_algo=self._expected.algorithm if self._expected else None,
            hash_value=self._expected.value if self._expected else None,
            verified=self._expected is not None,
            resumed_bytes=self.resumed_bytes,
        )
