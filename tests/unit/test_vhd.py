"""The reader of VHDs."""

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from disks import (
    NOT_A_DISK,
    PARENT_UUID,
    RAW_DISK,
    SOME_UUID,
    damaged,
    differencing_vhd,
    dynamic_vhd,
    fixed_vhd,
    with_footer,
    with_header,
)
from hypothesis import given
from hypothesis import strategies as some

from aioimages import TaskFailureCode, VhdError, vhd
from aioimages.demo.disks import Disk
from aioimages.demo.disks import disks as demo_disks
from aioimages.emulator.vhd import refusal_code, virtual_size
from aioimages.vhd import FIRST_BYTES, LAST_BYTES, DiskType, Vhd

Case = tuple[str, bytes, int | None, str]
Edit = Callable[[bytes, int, bytes], bytes]

LIMIT = 2**18
SMALL = 2**16
SPARSE = dynamic_vhd(SMALL)


def ends(disk: bytes) -> tuple[bytes, bytes, int]:
    """Return what is asked of a remote object: its two ends, and how large it is."""
    return disk[:FIRST_BYTES], disk[-LAST_BYTES:], len(disk)


def parsed(disk: bytes) -> Vhd:
    """Read a disk from its two ends."""
    return vhd.parse(*ends(disk))


def refusal(first: bytes, last: bytes, file_size_bytes: int, *, limit_bytes: int = LIMIT) -> VhdError | None:
    """Return the error that a disk is refused with, if it is."""
    try:
        vhd.check(vhd.parse(first, last, file_size_bytes), limit_bytes=limit_bytes)
    except VhdError as error:
        return error
    return None


# What is made, its code, and what the message must say beside the code's explanation.
JUDGED: list[Case] = [
    ("fixed", fixed_vhd(), None, ""),
    ("fixed and empty", fixed_vhd(0), None, ""),
    ("dynamic", SPARSE, None, ""),
    ("dynamic with data", dynamic_vhd(SMALL, data=bytes(4096)), None, ""),
    ("fixed, as large as can be", fixed_vhd(LIMIT), None, ""),
    ("dynamic, as large as can be", dynamic_vhd(LIMIT), None, ""),
    ("state bits in the footer only", SPARSE[:-512] + with_footer(SPARSE, 84, b"\1")[-512:], None, ""),
    ("nothing", b"", 396, "it has 0 bytes, the footer alone has 512"),
    ("less than a footer", fixed_vhd()[-511:], 396, "it has 511 bytes"),
    ("no disk", NOT_A_DISK, 396, "there is no footer in its last 512 bytes"),
    ("raw", RAW_DISK, 396, "there is no footer"),
    ("qcow2", b"QFI\xfb" + RAW_DISK, 396, "and it begins as qcow2 does"),
    ("fixed, cut off", fixed_vhd()[:-1], 396, "there is no footer"),
    ("dynamic, cut off", SPARSE[:-512], 396, "though it begins as one: it is cut off"),
    ("dynamic, with something behind", SPARSE + bytes(512), 396, "or something follows it"),
    ("broken footer", damaged(fixed_vhd(), -100), 111, "the footer's checksum is 0x"),
    ("broken checksum", damaged(fixed_vhd(), 64 - 512), 111, "the footer's checksum is 0x"),
    ("fixed, beginning lost", fixed_vhd()[1:], 111, "the file has 4607 bytes, but disk and footer have 4608"),
    ("fixed, something before", bytes(512) + fixed_vhd(), 111, "the file has 5120 bytes"),
    ("dynamic, beginning lost", SPARSE[512:], 111, "the header at byte 512 is missing or broken"),
    ("dynamic, only a footer", SPARSE[-512:], 111, "the header at byte 512 is missing"),
    ("no header", damaged(SPARSE, 512), 111, "the header at byte 512 is missing or broken"),
    ("broken header", damaged(SPARSE, 600), 111, "the header at byte 512 is missing or broken"),
    ("header nowhere", with_footer(SPARSE, 16, b"\xff" * 8), 111, "the header at byte 18446744073709551615"),
    ("table beyond the end", dynamic_vhd(SMALL, table_at=2**40), 111, "the block table ends at byte 1099511627780"),
    ("table too long", with_header(SPARSE, 28, b"\xff" * 4), 111, "the block table ends at byte 17179870716"),
    ("too large a disk, fixed", fixed_vhd(LIMIT + 512), 413, "262656 bytes, the limit is 262144"),
    ("too large a disk, dynamic", dynamic_vhd(LIMIT + 512), 413, "262656 bytes, the limit is 262144"),
    ("neither fixed nor dynamic", fixed_vhd(kind=7), 523, "its type is 7, fixed is 2 and dynamic 3"),
    ("no type", dynamic_vhd(SMALL, kind=0), 523, "its type is 0"),
    (
        "too large a file",
        dynamic_vhd(SMALL, data=bytes(LIMIT)),
        609,
        "264704 bytes, the limit is 262144 and the footer",
    ),
    ("no UUID, fixed", fixed_vhd(uuid=bytes(16)), 614, "`qemu-img convert` makes a copy that has one"),
    ("no UUID, dynamic", dynamic_vhd(SMALL, uuid=bytes(16)), 614, "`qemu-img convert`"),
    ("differencing", differencing_vhd(parent="base\n.vhd"), 721, r"it is 'base\n.vhd'; merge the two"),
    ("differencing, broken", damaged(differencing_vhd(), 600), 721, "the disk is a differencing one; merge the two"),
]
# Damage where the embedded cloud does not look.
CLOSER: list[Case] = [
    ("another disk's copy", dynamic_vhd(SMALL - 512)[:512] + SPARSE[512:], 111, "no copy of the footer"),
    ("no copy of the footer", bytes(512) + SPARSE[512:], 111, "its first 512 bytes are no copy"),
    ("table over the footer", dynamic_vhd(SMALL, table_at=2048), 111, "the block table ends at byte 2052"),
    ("too small a table", dynamic_vhd(SMALL, blocks=0), 111, "room for 0 bytes, but the disk has 65536"),
]


def _cases(table: list[Case]) -> pytest.MarkDecorator:
    cases = [pytest.param(disk, code, words, id=name) for name, disk, code, words in table]
    return pytest.mark.parametrize(("disk", "code", "words"), cases)


@_cases(JUDGED + CLOSER)
def test_codes(disk: bytes, code: int | None, words: str) -> None:
    """Each disk is taken, or refused in one line with the service's code, its sentence, and what was found."""
    error = refusal(*ends(disk))
    if code is None:
        assert error is None
        return
    assert error is not None
    assert error.code == code
    assert str(error).startswith(f"{code} {error.code.explanation}: ")
    assert words in str(error)
    assert "\n" not in str(error)


@_cases(JUDGED)
def test_the_embedded_cloud_agrees(disk: bytes, code: int | None, words: str) -> None:  # noqa: ARG001  # the table's
    """The embedded cloud, with code of its own, gives the same answer."""
    assert refusal_code(disk, LIMIT) == code


def test_every_code() -> None:
    """There is a disk for every code that the service has."""
    assert {code for _, _, code, _ in JUDGED if code} == {int(code) for code in TaskFailureCode}


@pytest.mark.parametrize("disk", list(demo_disks(50)), ids=lambda disk: disk.name)
def test_disks_of_the_demo(disk: Disk) -> None:
    """What the demo imports is told as it will be there."""
    error = refusal(*ends(disk.data), limit_bytes=vhd.DEFAULT_LIMIT_BYTES)
    assert (error and error.code) == disk.refusal


def test_facts_of_a_fixed_disk() -> None:
    """A fixed disk says what it is, how large, and who made it, when and on what."""
    assert parsed(fixed_vhd(2**20)) == Vhd(
        disk_type=DiskType.FIXED,
        virtual_size_bytes=2**20,
        file_size_bytes=2**20 + 512,
        unique_id=uuid.UUID(bytes=SOME_UUID),
        original_size_bytes=2**20,
        geometry=(30, 4, 17),
        created_at=datetime(2022, 4, 30, 14, 11, 12, tzinfo=UTC),
        creator_application="test",
        creator_version="1.0",
        creator_host_os="Wi2k",
    )


def test_facts_of_a_dynamic_disk() -> None:
    """A dynamic disk has blocks, and is larger for the machine than as a file."""
    disk = parsed(dynamic_vhd(2**30))
    assert (disk.disk_type, disk.virtual_size_bytes, disk.file_size_bytes) == (DiskType.DYNAMIC, 2**30, 4096)
    assert (disk.block_size_bytes, disk.parent_id, disk.parent_name, disk.damage) == (2**21, None, None, None)


def test_facts_of_a_differencing_disk() -> None:
    """A differencing disk knows its parent."""
    disk = parsed(differencing_vhd(parent="bäse.vhd"))
    assert (disk.disk_type, disk.parent_name) == (DiskType.DIFFERENCING, "bäse.vhd")
    assert disk.parent_id == uuid.UUID(bytes=PARENT_UUID)


def test_other_facts() -> None:
    """A disk that was resized has its present size, an unknown type stays a number, and no time is none."""
    disk = parsed(with_footer(with_footer(fixed_vhd(4096, kind=7), 24, bytes(4)), 40, struct.pack(">Q", 512)))
    assert (disk.disk_type, disk.created_at) == (7, None)
    assert (disk.virtual_size_bytes, disk.original_size_bytes) == (4096, 512)
    latest = parsed(with_footer(fixed_vhd(), 24, b"\xff" * 4))
    assert latest.created_at == datetime(2136, 2, 7, 6, 28, 15, tzinfo=UTC)


@pytest.mark.parametrize("disk", [fixed_vhd(), SPARSE, differencing_vhd(), fixed_vhd(0)])
def test_files(tmp_path: Path, disk: bytes) -> None:
    """A file is read as its two ends are."""
    path = tmp_path / "web.vhd"
    path.write_bytes(disk)
    assert vhd.read(path) == vhd.read(str(path)) == parsed(disk)


@pytest.mark.parametrize("content", [b"", b"x", NOT_A_DISK])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    """A file that is no disk is told, however short it is, and a missing one is the system's own error."""
    path = tmp_path / "web.vhd"
    with pytest.raises(FileNotFoundError):
        vhd.read(path)
    path.write_bytes(content)
    with pytest.raises(VhdError, match="396 the file is not a valid VHD"):
        vhd.read(path)


def test_longer_ends() -> None:
    """More than the ends that are needed may be given."""
    assert vhd.parse(SPARSE, SPARSE, len(SPARSE)) == parsed(SPARSE)


def test_default_limit() -> None:
    """Without another limit, a disk has at most 40 GiB."""
    vhd.check(parsed(dynamic_vhd(40 * 2**30)))
    with pytest.raises(VhdError, match=r"413 .*: 42949673472 bytes, the limit is 42949672960"):
        vhd.check(parsed(dynamic_vhd(40 * 2**30 + 512)))


@pytest.mark.parametrize("limit_bytes", [0, -1])
def test_limits_that_cannot_be(limit_bytes: int) -> None:
    """A limit that refuses every disk is a mistake of the program's."""
    with pytest.raises(ValueError, match=f"limit_bytes is at least 1, not {limit_bytes}"):
        vhd.check(parsed(fixed_vhd()), limit_bytes=limit_bytes)


@given(
    some.binary(max_size=2100) | some.sampled_from([fixed_vhd(), SPARSE]),
    some.binary(max_size=600) | some.sampled_from([fixed_vhd()[-512:], SPARSE[-512:], differencing_vhd()[-512:]]),
    some.integers(-1, 2**70),
)
def test_any_bytes(first: bytes, last: bytes, file_size_bytes: int) -> None:
    """Whatever the bytes are, they are read, or refused with an error of ours in one line."""
    error = refusal(first, last, file_size_bytes)
    assert error is None or (str(error).startswith(str(int(error.code))) and str(error).isprintable())


# Offsets of the footer's fields, and of the header's.
EDITS = some.one_of(
    some.tuples(some.just(with_footer), some.sampled_from([0, 16, 24, 28, 40, 48, 56, 60, 68, 84])),
    some.tuples(some.just(with_header), some.sampled_from([0, 8, 16, 24, 28, 32, 40, 64])),
)
VALUES = some.binary(min_size=1, max_size=16) | some.builds(
    int.to_bytes, some.sampled_from([0, 2, 3, 4, 5, 512, LIMIT, LIMIT + 512]), some.sampled_from([4, 8])
)


@given(
    some.sampled_from([fixed_vhd(), fixed_vhd(LIMIT), SPARSE, differencing_vhd()]),
    some.lists(some.tuples(EDITS, VALUES), max_size=4),
    some.integers(0, 600),
)
def test_edited_disks(disk: bytes, edits: list[tuple[tuple[Edit, int], bytes]], cut: int) -> None:
    """However a disk is changed, both judges give one answer, but for damage (111) that the reader alone looks for."""
    for (edit, place), value in edits:
        disk = edit(disk, place, value)
    disk = disk[: len(disk) - cut] if cut > 300 else disk
    error = refusal(*ends(disk))
    judged = refusal_code(disk, LIMIT)
    assert judged == (error and error.code) or (judged, error and error.code) == (None, 111)
    if error is None:
        assert parsed(disk).virtual_size_bytes == virtual_size(disk)


def test_parent_with_a_long_name() -> None:
    """A parent's name that fills its field with odd characters is cut in the message, and whole in the facts."""
    disk = differencing_vhd(parent="\uffff" * 256)
    error = refusal(*ends(disk))
    assert error is not None
    assert str(error).endswith("…; merge the two")
    assert len(str(error)) < 200
    assert parsed(disk).parent_name == "\uffff" * 256
