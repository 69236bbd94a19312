"""What data are checked with."""

import hashlib
import hmac
from typing import Final

import attrs

from aioimages._errors import ChecksumMismatchError
from aioimages._models import Image
from aioimages._transfer.pump import Batch

__all__ = ["DEFAULT_ALGORITHM", "Digest", "Expected", "expected_of", "known"]

# What Glance uses where its operator chose no other.
DEFAULT_ALGORITHM: Final = "sha512"
# Digests of a fixed length that are fit to find damage; the operator of a cloud may name any that Python has.
_FITTING: Final = frozenset(
    {
        "blake2b",
        "blake2s",
        "md5",
        "sha1",
        "sha224",
        "sha256",
        "sha384",
        "sha512",
        "sha512_256",
        "sha3_224",
        "sha3_256",
        "sha3_384",
        "sha3_512",
    },
)


@attrs.frozen
class Expected:
    """The digest that data must have."""

    algorithm: str
    value: str


def known(algorithm: str) -> bool:
    """Say whether data can be checked with an algorithm here."""
    return algorithm in _FITTING and algorithm in hashlib.algorithms_available


class Digest:
    """A digest in the making."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm, usedforsecurity=False)

    @property
    def value(self) -> str:
        """The digest of what was taken in so far."""
        return self._hash.hexdigest()

    def update(self, batch: Batch) -> None:
        """Take in data. It takes long: leave it to a worker thread."""
        for piece in batch:
            self._hash.update(piece)

    def check(self, expected: Expected, what: str) -> None:
        """Raise `ChecksumMismatchError` unless it is as expected."""
        if not hmac.compare_digest(self.value, expected.value.lower()):
            raise ChecksumMismatchError(
                f"{what}: their {self.algorithm} is {self.value[:16]}…, the service says {expected.value[:16]}…",
                expected=expected.value,
                actual=self.value,
            )


def expected_of(image: Image) -> Expected | None:
    """Return what the service says that an image's data are, or `None` where it says nothing.

    Raises:
        ChecksumMismatchError: They are said in a way that cannot be checked here.
    """
    if image.os_hash_algo and image.os_hash_value:
        if not known(image.os_hash_algo):
            raise ChecksumMismatchError(
                f"the data of image {image.id} are to be checked with {image.os_hash_algo[:40]!r}, which this Python "
                "lacks; give verify=False to take them unchecked",
                expected=image.os_hash_value,
                actual="",
            )
        return Expected(image.os_hash_algo, image.os_hash_value)
    return Expected("md5", image.checksum) if image.checksum else None
