"""What data are checked with."""

import hashlib
import hmac
import logging
from contextlib import suppress
from typing import Final, Protocol

import attrs

from aioimages._errors import ChecksumMismatchError
from aioimages._models import Image
from aioimages._transfer.pump import Batch

__all__ = ["DEFAULT_ALGORITHM", "Digest", "Expected", "ExpectedSegments", "Verifier", "expected_of", "known", "told_of"]

_log: Final = logging.getLogger("aioimages")

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


class Verifier(Protocol):
    """Takes in data, and judges them at their end."""

    def update(self, batch: Batch) -> None:
        """Take in data. It takes long: leave it to a worker thread."""

    def check(self, what: str) -> None:
        """Raise `ChecksumMismatchError`, with what they are called, unless they are as expected."""


@attrs.frozen
class Expected:
    """The digest that data must have."""

    algorithm: str
    value: str

    def verifier(self) -> Verifier:
        """Begin to look at data."""
        return _Whole(self)


@attrs.frozen
class ExpectedSegments:
    """The digests that the segments of a large object must have.

    Attributes:
        value: The digest of the segments' digests.
        segments: Of each segment its length in bytes and its MD5.
    """

    value: str
    segments: tuple[tuple[int, str], ...]
    algorithm: str = "md5"

    def verifier(self) -> Verifier:
        """Begin to look at data."""
        return _Segments(self)


def known(algorithm: str) -> bool:
    """Say whether data can be checked with an algorithm here."""
    with suppress(ValueError):
        return algorithm in _FITTING and bool(hashlib.new(algorithm, usedforsecurity=False))
    return False


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
            self.add(piece)

    def add(self, piece: bytes | memoryview) -> None:
        """Take in one piece."""
        self._hash.update(piece)

    def check(self, expected: Expected, what: str) -> None:
        """Raise `ChecksumMismatchError` unless it is as expected."""
        if not hmac.compare_digest(self.value.encode(), expected.value.lower().encode(errors="replace")):
            raise ChecksumMismatchError(
                f"{what}: their {self.algorithm} is {self.value[:16]}…, the service says {expected.value[:16]}…",
                expected=expected.value,
                actual=self.value,
            )


class _Whole:
    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._digest = Digest(expected.algorithm)

    def update(self, batch: Batch) -> None:
        self._digest.update(batch)

    def check(self, what: str) -> None:
        self._digest.check(self._expected, what)


class _Segments:
    """Looks at one segment after the other; the first one that is damaged is told at the end, as all are."""

    def __init__(self, expected: ExpectedSegments) -> None:
        self._upcoming = iter(expected.segments)
        self._expected = Expected("md5", "")
        self._digest = Digest("md5")
        self._left_bytes = 0
        self._number = 0
        self._problem: ChecksumMismatchError | None = None
        self._next()

    def _next(self) -> None:
        size, value = next(self._upcoming, (0, ""))
        self._left_bytes, self._expected, self._digest = size, Expected("md5", value), Digest("md5")
        self._number += 1

    def update(self, batch: Batch) -> None:
        for piece in batch:
            left = memoryview(piece)
            while left and self._left_bytes:
                mine, left = left[: self._left_bytes], left[self._left_bytes :]
                self._digest.add(mine)
                self._left_bytes -= len(mine)
                if not self._left_bytes:
                    self._end()

    def _end(self) -> None:
        try:
            self._digest.check(self._expected, f"segment {self._number}")
        except ChecksumMismatchError as error:
            self._problem = self._problem or error
        self._next()

    def check(self, what: str) -> None:
        if self._problem is not None:
            problem = self._problem
            raise ChecksumMismatchError(f"{what}: {problem}", expected=problem.expected, actual=problem.actual)


def told_of(image: Image) -> Expected | None:
    """Return the best digest of an image's data that the service tells, of those that can be made here."""
    if image.os_hash_algo and image.os_hash_value and known(image.os_hash_algo):
        return Expected(image.os_hash_algo, image.os_hash_value)
    return Expected("md5", image.checksum) if image.checksum and known("md5") else None


def expected_of(image: Image, *, is_strict: bool) -> Expected | None:
    """Return the digest that an image's data must have, or `None` where the service tells none.

    Raises:
        ChecksumMismatchError: None of those that it tells can be made here; or, where it is strict, none is told that
            cannot be forged.
    """
    told = told_of(image)
    named = image.os_hash_algo if image.os_hash_value else None
    if is_strict and (told is None or told.algorithm == "md5"):
        best = told.algorithm if told else named or "nothing"
        raise _cannot_check(image, f"cannot be checked strictly: what the service tells of them is {best[:40]!r}")
    if named and told is None:
        raise _cannot_check(image, f"are to be checked with {named[:40]!r}, which this Python lacks")
    if named and told and told.algorithm != named:
        _log.warning("image %s is hashed with %.40r, which this Python lacks: its MD5 is compared", image.id, named)
    return told


def _cannot_check(image: Image, why: str) -> ChecksumMismatchError:
    return ChecksumMismatchError(
        f"the data of image {image.id} {why}; give verify=False to take them unchecked",
        expected=image.os_hash_value or image.checksum or "",
        actual="",
    )
