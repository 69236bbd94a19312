"""Small disks for imports, in Microsoft's VHD format and in none, made from its specification."""

import struct

__all__ = ["NOT_A_DISK", "RAW_DISK", "dynamic_vhd", "fixed_vhd"]

FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
NOWHERE = 0xFFFF_FFFF_FFFF_FFFF
BLOCK_BYTES = 2 * 1024 * 1024
SOME_UUID = bytes(range(1, 17))

RAW_DISK = b"\x00raw disk" * 4096
NOT_A_DISK = b"this is no disk " * 128


def _sealed(record: bytes, at: int) -> bytes:
    """Write a record's checksum into it: the complement of the sum of its bytes."""
    checksum = struct.pack(">I", ~sum(record) & 0xFFFF_FFFF)
    return record[:at] + checksum + record[at + 4 :]


def _footer(size: int, kind: int, uuid: bytes, header_at: int) -> bytes:
    footer = FOOTER.pack(
        b"conectix", 2, 0x0001_0000, header_at, 0x2A00_0000, b"test", 0x0001_0000, b"Wi2k",
        size, size, max(1, size // 512 // 68), 4, 17, kind, 0, uuid, 0,
    )  # fmt: skip
    return _sealed(footer, 64)


def fixed_vhd(size: int = 4096, *, uuid: bytes = SOME_UUID, kind: int = 2) -> bytes:
    """Make a fixed disk: its bytes, and the footer."""
    return bytes(size) + _footer(size, kind, uuid, NOWHERE)


def dynamic_vhd(size: int = 2**30, *, uuid: bytes = SOME_UUID, kind: int = 3) -> bytes:
    """Make a dynamic disk without any data in it: footer, header, empty table, footer."""
    footer = _footer(size, kind, uuid, 512)
    blocks = -(-size // BLOCK_BYTES)
    header = HEADER.pack(b"cxsparse", NOWHERE, 1536, 0x0001_0000, blocks, BLOCK_BYTES, 0, bytes(16), 0, 0, b"", b"")
    table = b"\xff" * (-(-blocks * 4 // 512) * 512)
    return footer + _sealed(header, 36) + table + footer
