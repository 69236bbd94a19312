"""Small disks in Microsoft's VHD format, good ones and ones that Cloud Images must refuse."""

import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from aioimages import TaskFailureCode

__all__ = ["Disk", "disks"]

_SECTOR_BYTES: Final = 512
_BLOCK_BYTES: Final = 2**21
_NOWHERE: Final = 2**64 - 1
_FIXED: Final = 2
_DYNAMIC: Final = 3
_DIFFERENCING: Final = 4
_UNKNOWN_TYPE: Final = 6
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQIII16sB427x")
_HEADER: Final = struct.Struct(">8sQQIIII16sII512s192s256x")


@attrs.frozen
class Disk:
    """A disk to import, and the code with which it must fail, if any."""

    name: str
    data: bytes = attrs.field(repr=False)
    refusal: TaskFailureCode | None = None


def _checksum(record: bytes) -> int:
    return ~sum(record) & 0xFFFFFFFF


def _footer(size: int, disk_type: int, *, header_at: int = _NOWHERE, identity: bytes) -> bytes:
    def pack(checksum: int) -> bytes:
        cylinders = min(size // _SECTOR_BYTES // (4 * 17), 0xFFFF)
        geometry = cylinders << 16 | 4 << 8 | 17
        return _FOOTER.pack(
            b"conectix", 2, 0x00010000, header_at, 0, b"aioi", 1, b"Wi2k", size, size, geometry, disk_type, checksum,
            identity, 0,
        )  # fmt: skip

    return pack(_checksum(pack(0)))


def _fixed(size: int = 2**16, *, identity: bytes | None = None) -> bytes:
    return bytes(size) + _footer(size, _FIXED, identity=uuid.uuid4().bytes if identity is None else identity)


def _sparse(size: int = 2**30, disk_type: int = _DYNAMIC) -> bytes:
    """Make a disk of any size whose blocks are all empty."""
    blocks = -(-size // _BLOCK_BYTES)

    def pack(checksum: int) -> bytes:
        table_at = _SECTOR_BYTES + _HEADER.size
        return _HEADER.pack(
            b"cxsparse", _NOWHERE, table_at, 0x00010000, blocks, _BLOCK_BYTES, checksum, bytes(16), 0, 0, b"", b"",
        )  # fmt: skip

    footer = _footer(size, disk_type, header_at=_SECTOR_BYTES, identity=uuid.uuid4().bytes)
    table = b"\xff" * (-(-blocks * 4 // _SECTOR_BYTES) * _SECTOR_BYTES)
    return footer + pack(_checksum(pack(0))) + table + footer


_BAD: Final[tuple[tuple[TaskFailureCode, Callable[[], bytes]], ...]] = (
    (TaskFailureCode.NOT_A_VHD, lambda: b"no disk at all" * 100),
    (TaskFailureCode.ZERO_UUID, lambda: _fixed(identity=bytes(16))),
    (TaskFailureCode.UNSUPPORTED_DISK_TYPE, lambda: _sparse(disk_type=_UNKNOWN_TYPE)),
    (TaskFailureCode.HAS_PARENT, lambda: _sparse(disk_type=_DIFFERENCING)),
    (TaskFailureCode.VIRTUAL_SIZE_TOO_LARGE, lambda: _sparse(size=200 * 2**30)),
)


def disks(count: int) -> Iterator[Disk]:
    """Make so many disks: each tenth one is bad, each in another way."""
    for number in range(1, count + 1):
        if number % 10 == 0:
            code, make = _BAD[number // 10 % len(_BAD)]
            yield Disk(f"bad-{number:03}", make(), code)
        else:
            yield Disk(f"disk-{number:03}", _fixed() if number % 2 else _sparse())
