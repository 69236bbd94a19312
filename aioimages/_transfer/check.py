"""Whether data are what the service says that they are."""

from aioimages._errors import ChecksumMismatchError
from aioimages._models import Download
from aioimages._transfer.digest import Expected
from aioimages._transfer.pump import Batch
from aioimages._transfer.reader import Reader
from aioimages._transfer.remote import Remote

__all__ = ["Check"]


class Check:
    """Counts and digests data as they pass, and judges them at their end.

    Attributes:
        size_bytes: How many have passed.
        resumed_bytes: How many of them were there before.
    """

    def __init__(self, remote: Remote) -> None:
        self.size_bytes = 0
        self.resumed_bytes = 0
        self._remote = remote
        self._expected = remote.expected
        self._verifier = self._expected.verifier() if self._expected else None

    def follow(self, reader: Reader) -> None:
        """Where nothing is known of them, take what comes with the data, once it is there."""
        if self._remote.takes_md5 and self._expected is None and not self.size_bytes and reader.content_md5:
            self._expected = Expected("md5", reader.content_md5)
            self._verifier = self._expected.verifier()

    def take(self, batch: Batch) -> None:
        """Take in data. It takes long: leave it to a worker thread."""
        if self._verifier is not None:
            self._verifier.update(batch)
        self.size_bytes += sum(map(len, batch))

    def result(self) -> Download:
        """Return what came of it.

        Raises:
            ChecksumMismatchError: The data are not what the service says.
        """
        remote = self._remote
        if remote.size is not None and remote.size != self.size_bytes:
            raise ChecksumMismatchError(
                f"{remote.name} has {remote.size} bytes of data, not {self.size_bytes}",
                expected=str(remote.size),
                actual=str(self.size_bytes),
            )
        if self._verifier is not None:
            self._verifier.check(f"the data of {remote.name} came damaged")
        return Download(
            key=remote.key,
            size_bytes=self.size_bytes,
            hash_algo=self._expected.algorithm if self._expected else None,
            hash_value=self._expected.value if self._expected else None,
            verified=self._expected is not None,
            resumed_bytes=self.resumed_bytes,
        )
