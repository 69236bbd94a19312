"""What Cloud Images says of a disk: Microsoft's published format, judged by the bytes themselves."""

import struct
from typing import Final

__all__ = ["fixed_disk", "refusal_code", "virtual_size"]

_FOOTER_BYTES: Final = 512
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQIII16s")
_HEADER: Final = struct.Struct(">8sQQIIII")
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4


def _has_checksum(record: bytes, place: int) -> bool:
    """Say whether a record's checksum, at a place of its own, is the complement of the sum of its other bytes."""
    said = int.from_bytes(record[place : place + 4], "big")
    return said == ~(sum(record) - sum(record[place : place + 4])) & 0xFFFFFFFF


def refusal_code(data: bytes, limit_bytes: int) -> int | None:
    """Return the code with which the service refuses a disk, or `None` where it takes it."""
    footer = data[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or footer[:8] != b"conectix":
        return 396
    header_at, size, disk_type, unique_id = (_FOOTER.unpack_from(footer)[index] for index in (3, 9, 11, 13))
    is_sound = len(data) == size + _FOOTER_BYTES if disk_type == _FIXED else _is_sparse(data, header_at)
    objections = {
        111: not _has_checksum(footer, 64),
        721: disk_type == _DIFFERENCING,
        523: disk_type not in {_FIXED, _DYNAMIC},
        614: unique_id == bytes(16),
        413: size > limit_bytes,
        609: len(data) > limit_bytes + _FOOTER_BYTES,
    }
    return next((code for code, holds in objections.items() if holds), None if is_sound else 111)


def _is_sparse(data: bytes, header_at: int) -> bool:
    header = data[header_at : header_at + 1024]
    if len(header) < 1024 or header[:8] != b"cxsparse" or not _has_checksum(header, 36):
        return False
    table_at, entries = (_HEADER.unpack_from(header)[index] for index in (2, 4))
    return bool(table_at + 4 * entries <= len(data))


def virtual_size(data: bytes) -> int:
    """Return how large a disk is for the machine that uses it."""
    return int(_FOOTER.unpack_from(data[-_FOOTER_BYTES:])[9])


def fixed_disk(size: int = 4096) -> bytes:
    """Return an empty fixed disk that the service takes."""
    fields = (b"conectix", 2, 0x10000, 2**64 - 1, 0, b"emul", 0x10000, b"Wi2k", size, size, 0, _FIXED)
    footer = bytearray(_FOOTER.pack(*fields, 0, b"emulator's disk!").ljust(_FOOTER_BYTES, b"\0"))
    footer[64:68] = (~sum(footer) & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(size) + bytes(footer)
