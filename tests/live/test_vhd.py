"""VHDs of QEMU's making, which the real cloud brings along: whole, and broken on purpose."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from disks import damaged, dynamic_vhd, fixed_vhd, with_footer, with_header

from aioimages import TaskFailureCode, VhdError, vhd
from aioimages.emulator.vhd import refusal_code
from aioimages.vhd import DiskType

pytestmark = [pytest.mark.clouds("live"), pytest.mark.usefixtures("chosen_cloud")]

SIZE = 10 * 2**20
LIMIT = 64 * 2**20
KINDS = [
    ("subformat=dynamic", DiskType.DYNAMIC, "qemu"),
    ("subformat=dynamic,force_size=on", DiskType.DYNAMIC, "qem2"),
    ("subformat=fixed", DiskType.FIXED, "qemu"),
    ("subformat=fixed,force_size=on", DiskType.FIXED, "qem2"),
]
DYNAMIC, FIXED = KINDS[0][0], KINDS[2][0]


def qemu_img(*arguments: str | Path) -> str:
    """Run `qemu-img`."""
    return subprocess.run(["qemu-img", *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def size_in_qemu(path: Path) -> Any:
    """Return how large a disk is for a machine of QEMU's."""
    return json.loads(qemu_img("info", "-f", "vpc", "--output", "json", path))["virtual-size"]


def refusal(path: Path, *, limit_bytes: int = LIMIT) -> TaskFailureCode | None:
    """Return the code that a file is refused with, if it is."""
    try:
        vhd.check(vhd.read(path), limit_bytes=limit_bytes)
    except VhdError as error:
        return error.code
    return None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a disk is to be made."""
    return tmp_path / "web.vhd"


@pytest.mark.parametrize(("options", "disk_type", "creator"), KINDS)
def test_created(path: Path, options: str, disk_type: DiskType, creator: str) -> None:
    """What QEMU creates is read as QEMU reads it, and taken."""
    qemu_img("create", "-f", "vpc", "-o", options, path, str(SIZE))
    disk = vhd.read(path)
    assert (disk.disk_type, disk.creator_application, disk.damage) == (disk_type, creator, None)
    assert disk.virtual_size_bytes == size_in_qemu(path) >= SIZE
    assert disk.file_size_bytes == path.stat().st_size
    assert disk.unique_id.int
    assert disk.created_at is not None
    assert abs(datetime.now(UTC) - disk.created_at) < timedelta(minutes=5)
    assert refusal(path) is refusal_code(path.read_bytes(), LIMIT) is None


@pytest.mark.parametrize(("options", "disk_type", "creator"), KINDS)
def test_converted(tmp_path: Path, path: Path, options: str, disk_type: DiskType, creator: str) -> None:
    """What QEMU converts, with data in it, is read and taken too."""
    raw = tmp_path / "web.img"
    raw.write_bytes(bytes(range(256)) * (SIZE // 256))
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", options, raw, path)
    disk = vhd.read(path)
    assert (disk.disk_type, disk.creator_application, disk.damage) == (disk_type, creator, None)
    assert disk.virtual_size_bytes == size_in_qemu(path) >= SIZE
    assert disk.file_size_bytes == path.stat().st_size > SIZE
    assert refusal(path) is refusal_code(path.read_bytes(), LIMIT) is None


@pytest.mark.parametrize("disk", [fixed_vhd(SIZE), dynamic_vhd(SIZE)], ids=["fixed", "dynamic"])
def test_sizes_by_geometry(path: Path, disk: bytes) -> None:
    """The size is the one in the footer, also where QEMU counts cylinders, because it does not know the creator."""
    path.write_bytes(disk)
    cylinders, heads, sectors = vhd.read(path).geometry
    assert size_in_qemu(path) == cylinders * heads * sectors * 512 < SIZE
    assert vhd.read(path).virtual_size_bytes == SIZE


BROKEN: list[tuple[str, str, Callable[[bytes], bytes], int]] = [
    ("fixed, cut off", FIXED, lambda disk: disk[:-100], 396),
    ("fixed, beginning lost", FIXED, lambda disk: disk[512:], 111),
    ("dynamic, cut off", DYNAMIC, lambda disk: disk[:-512], 396),
    ("dynamic, beginning lost", DYNAMIC, lambda disk: disk[512:], 111),
    ("broken footer", DYNAMIC, lambda disk: damaged(disk, -512 + 70), 111),
    ("broken header", DYNAMIC, lambda disk: damaged(disk, 512 + 20), 111),
    ("table beyond the end", DYNAMIC, lambda disk: with_header(disk, 16, b"\0\0\1" + bytes(5)), 111),
    ("unknown type", DYNAMIC, lambda disk: with_footer(disk, 60, bytes([0, 0, 0, 6])), 523),
    ("differencing", DYNAMIC, lambda disk: with_footer(disk, 60, bytes([0, 0, 0, 4])), 721),
    ("no UUID", DYNAMIC, lambda disk: with_footer(disk, 68, bytes(16)), 614),
    ("no UUID, fixed", FIXED, lambda disk: with_footer(disk, 68, bytes(16)), 614),
]


@pytest.mark.parametrize(("options", "break_it", "code"), [pytest.param(*case, id=name) for name, *case in BROKEN])
def test_broken(path: Path, options: str, break_it: Callable[[bytes], bytes], code: int) -> None:
    """What QEMU made and somebody broke is refused with its code, by the embedded cloud too."""
    qemu_img("create", "-f", "vpc", "-o", options, path, str(SIZE))
    path.write_bytes(break_it(path.read_bytes()))
    assert refusal(path) == refusal_code(path.read_bytes(), LIMIT) == code


@pytest.mark.parametrize(
    ("disk_format", "words"),
    [("raw", "in its last 512 bytes$")]
    + [(name, f"and it begins as {name} does$") for name in ("qcow2", "vmdk", "vdi", "vhdx")],
)
def test_other_formats(path: Path, disk_format: str, words: str) -> None:
    """A disk of another format is told, with the format's name where its beginning says it."""
    qemu_img("create", "-f", disk_format, path, str(SIZE))
    with pytest.raises(VhdError, match=words) as caught:
        vhd.read(path)
    assert caught.value.code is TaskFailureCode.NOT_A_VHD


@pytest.mark.parametrize("options", [DYNAMIC, FIXED])
def test_large_disks(path: Path, options: str) -> None:
    """A disk over the default limit is refused however small its file is, and taken where the limit is higher."""
    qemu_img("create", "-f", "vpc", "-o", options, path, "41G")
    assert refusal(path, limit_bytes=vhd.DEFAULT_LIMIT_BYTES) is TaskFailureCode.VIRTUAL_SIZE_TOO_LARGE
    assert refusal(path, limit_bytes=160 * 10**9) is None


def test_rounded_disks(path: Path) -> None:
    """QEMU rounds a disk up to whole cylinders, and so over the limit, unless it is told to keep its size."""
    qemu_img("create", "-f", "vpc", path, "40G")
    assert refusal(path, limit_bytes=vhd.DEFAULT_LIMIT_BYTES) is TaskFailureCode.VIRTUAL_SIZE_TOO_LARGE
    qemu_img("create", "-f", "vpc", "-o", "force_size=on", path, "40G")
    assert refusal(path, limit_bytes=vhd.DEFAULT_LIMIT_BYTES) is None


def test_large_files(tmp_path: Path, path: Path) -> None:
    """A full dynamic disk is larger as a file than for the machine, and may be too large as that only."""
    raw = tmp_path / "web.img"
    raw.write_bytes(b"x" * SIZE)
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", raw, path)
    assert refusal(path, limit_bytes=SIZE) == refusal_code(path.read_bytes(), SIZE) == 609
