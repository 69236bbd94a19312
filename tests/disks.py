"""Small disks for imports, in Microsoft's VHD format and in none, made from its specification."""

import struct

__all__ = [
    "NOT_A_DISK",
    "PARENT_UUID",
    "RAW_DISK",
    "SOME_UUID",
    "damaged",
    "differencing_vhd",
    "dynamic_vhd",
    "fixed_vhd",
    "with_footer",
    "with_header",
]

FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
BLOCK_BYTES = 2 * 1024 * 1024
SOME_UUID = bytes(range(1, 17))
PARENT_UUID = bytes(range(17, 33))

RAW_DISK = b"\x00raw disk" * 4096
NOT_A_DISK = b"this is no disk " * 128


def _sealed(record: bytes, at: int) -> bytes:
    """Write a record's checksum into it: the complement of the sum of its bytes."""
    checksum = struct.pack(">I", ~sum(record) & 0xFFFF_FFFF)
    return record[:at] + checksum + record[at + 4 :]


def _footer(size: int, kind: int, uuid: bytes, header_at: int) -> bytes:
    footer = FOOTER.pack(
        b"conectix", 2, 0x0001_0000, header_at, 0x2A00_0000, b"test", 0x0001_0000, b"Wi2k",
        size, size, min(max(1, size // 512 // 68), 0xFFFF), 4, 17, kind, 0, uuid, 0,
    )  # fmt: skip
    return _sealed(footer, 64)


def fixed_vhd(size: int = 4096, *, uuid: bytes = SOME_UUID, kind: int = 2) -> bytes:
    """Make a fixed disk: its bytes, and the footer."""
    return bytes(size) + _footer(size, kind, uuid, NOWHERE)


def dynamic_vhd(
    size: int = 2**30,
    *,
    uuid: bytes = SOME_UUID,
    kind: int = 3,
    parent: str = "",
    blocks: int | None = None,
    table_at: int = 1536,
    data: bytes = b"",
) -> bytes:
    """Make a dynamic disk whose blocks are all empty: footer, header, table, whatever else is to lie there, footer."""
    footer = _footer(size, kind, uuid, 512)
    blocks = -(-size // BLOCK_BYTES) if blocks is None else blocks
    parent_id = PARENT_UUID if parent else bytes(16)
    header = HEADER.pack(
        b"cxsparse", NOWHERE, table_at, 0x0001_0000, blocks, BLOCK_BYTES, 0, parent_id, 0, 0,
        parent.encode("utf-16-be"), b"",
    )  # fmt: skip
    table = b"\xff" * (-(-blocks * 4 // 512) * 512)
    return footer + _sealed(header, 36) + table + data + footer


def differencing_vhd(size: int = 2**20, *, parent: str = "base.vhd") -> bytes:
    """Make a disk that holds only what differs from its parent."""
    return dynamic_vhd(size, kind=4, parent=parent)


def damaged(disk: bytes, place: int) -> bytes:
    """Turn one byte of a disk over."""
    place %= len(disk)
    return disk[:place] + bytes([disk[place] ^ 0xFF]) + disk[place + 1 :]


def with_footer(disk: bytes, place: int, value: bytes) -> bytes:
    """Write a value into a disk's footer, and into its copy where there is one."""
    footer = _patched(disk[-512:], place, value, 64)
    return (footer + disk[512:-512] if disk.startswith(b"conectix") else disk[:-512]) + footer


def with_header(disk: bytes, place: int, value: bytes) -> bytes:
    """Write a value into a dynamic disk's header."""
    return disk[:512] + _patched(disk[512:1536], place, value, 36) + disk[1536:]


def _patched(record: bytes, place: int, value: bytes, checksum_at: int) -> bytes:
    """Write a value into a record, and its checksum anew."""
    record = record[:place] + value + record[place + len(value) :]
    return _sealed(record[:checksum_at] + bytes(4) + record[checksum_at + 4 :], checksum_at)
