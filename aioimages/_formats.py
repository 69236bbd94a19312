"""What a disk's first bytes say that it is."""

from typing import Final

__all__ = ["FIRST_BYTES", "disk_format_of"]

# Where, what, and of which format.
_MAGICS: Final = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (0x40, b"\x7f\x10\xda\xbe", "vdi"),
    (0x8001, b"CD001", "iso"),
)
FIRST_BYTES: Final = max(offset + len(magic) for offset, magic, _ in _MAGICS)


def disk_format_of(first: bytes) -> str | None:
    """Return the format that a disk's first bytes tell, or `None`: then it may be raw, or a fixed VHD.

    Args:
        first: At least `FIRST_BYTES` bytes, where there are so many.
    """
    return next((name for offset, magic, name in _MAGICS if first[offset:].startswith(magic)), None)
