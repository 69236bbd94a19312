"""Data in pieces of any length: what is digested, and what comes into a file."""

import hashlib
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import ChecksumMismatchError
from aioimages._transfer.digest import Expected, ExpectedSegments, known
from aioimages._transfer.partial import PartialFile

DATA = some.binary(max_size=200)
ALGORITHMS = some.sampled_from(["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut data at places, wherever they are."""
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(ends)]


def md5(data: bytes) -> str:
    """Return a digest."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


PLACES = some.lists(some.integers(0, 1000), max_size=8)


@given(ALGORITHMS, DATA, PLACES, some.booleans())
def test_whole(algorithm: str, data: bytes, places: list[int], is_upper: bool) -> None:  # noqa: FBT001  # drawn
    """Data have the digest that they have as a whole, however they come, and a changed byte is found."""
    value = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    verifier = Expected(algorithm, value.upper() if is_upper else value).verifier()
    verifier.update(cut(data, places))
    verifier.check("the data")
    verifier.update([b"x"])
    with pytest.raises(ChecksumMismatchError, match=f"the data: their {algorithm} is"):
        verifier.check("the data")


@given(some.text(max_size=40))
def test_algorithms(name: str) -> None:
    """Whatever algorithm a service names, it is one that finds damage, or it is not known here."""
    if known(name):
        assert len(hashlib.new(name, b"", usedforsecurity=False).hexdigest()) >= 32


@given(some.lists(some.binary(min_size=1, max_size=30), max_size=6), PLACES, some.integers(0, 1000))
def test_segments(segments: list[bytes], places: list[int], place: int) -> None:
    """The segments of a large object are checked one by one, however the data come, and the damaged one is named."""
    expected = ExpectedSegments("whole", tuple((len(segment), md5(segment)) for segment in segments))
    data = b"".join(segments)
    verifier = expected.verifier()
    verifier.update(cut(data, places))
    verifier.check("the data")
    if not data:
        return
    place %= len(data)
    damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    verifier = expected.verifier()
    verifier.update(cut(damaged, places))
    lengths = [sum(len(segment) for segment in segments[: number + 1]) for number in range(len(segments))]
    number = next(number for number, length in enumerate(lengths, 1) if place < length)
    with pytest.raises(ChecksumMismatchError, match=rf"the data: segment {number}: their md5 is"):
        verifier.check("the data")


STEPS = some.lists(
    some.one_of(
        some.tuples(some.just("write"), some.lists(DATA, max_size=3)),
        some.tuples(some.sampled_from(["clear", "reopen", "give up"]), some.just([])),
    ),
    max_size=8,
)


@given(STEPS, some.booleans(), some.none() | DATA)
def test_files(steps: list[tuple[str, list[bytes]]], resume: bool, before: bytes | None) -> None:  # noqa: FBT001  # drawn
    """The file at its place is what it was until it is whole, and then exactly what was written."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "web.img"
        if before is not None:
            target.write_bytes(before)
        file = PartialFile(target, "i/1", resume=resume)
        file.open()
        written = b""
        for step, pieces in steps:
            match step:
                case "write":
                    file.write(pieces)
                    written += b"".join(pieces)
                case "clear":
                    file.clear()
                    written = b""
                case _:
                    file.give_up()
                    assert any(".part" in path.name for path in Path(folder).iterdir()) is resume
                    file = PartialFile(target, "i/1", resume=resume)
                    file.open()
                    written = written if resume else b""
                    assert file.size_bytes == len(written)
                    there = b""
                    while piece := file.read():
                        there += piece
                    assert there == written
            assert (target.read_bytes() if target.exists() else None) == before
        file.publish()
        file.give_up()
        assert target.read_bytes() == written
        assert [path.name for path in Path(folder).iterdir()] == ["web.img"]
