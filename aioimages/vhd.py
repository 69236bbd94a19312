"""What a VHD is, and whether Cloud Images would take it, told before anything is sent.

from aioimages import vhd

vhd.check(vhd.read("web.vhd"))  # VhdError says what the service would say after the upload

The format is Microsoft's "Virtual Hard Disk Image Format Specification". Every number in it is big-endian.
"""

import enum
import os
import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import attrs

from aioimages._errors import VhdError
from aioimages._formats import disk_format_of
from aioimages._models import TaskFailureCode
from aioimages._text import one_line

__all__ = ["DEFAULT_LIMIT_BYTES", "FIRST_BYTES", "LAST_BYTES", "DiskType", "Vhd", "check", "parse", "read"]

_FOOTER_BYTES: Final = 512
_HEADER_BYTES: Final = 1024
_TABLE_ENTRY_BYTES: Final = 4
_FOOTER: Final = struct.Struct(">8sIIQI4sI4sQQHBBII16s")
_FOOTER_CHECKSUM_AT: Final = 64
_HEADER: Final = struct.Struct(">8sQQIIII16sII512s")
_HEADER_CHECKSUM_AT: Final = 36
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_NAME: Final = 100

FIRST_BYTES: Final = _FOOTER_BYTES + _HEADER_BYTES
"""How much of a disk's beginning `parse` wants: the copy of the footer, and the header of a dynamic disk."""
LAST_BYTES: Final = _FOOTER_BYTES
"""How much of a disk's end `parse` wants: the footer."""
DEFAULT_LIMIT_BYTES: Final = 40 * 2**30
"""The largest disk that Rackspace's documentation allows. Larger ones, up to 160 GB, have been reported since 2019."""


class DiskType(enum.IntEnum):
    """How a VHD keeps its data."""

    FIXED = 2
    """All of them, in their order."""
    DYNAMIC = 3
    """In blocks that are there once something was written to them."""
    DIFFERENCING = 4
    """As a dynamic disk, and only what differs from a parent."""


_DISK_TYPES: Final = {int(disk_type): disk_type for disk_type in DiskType}


@attrs.frozen(kw_only=True)
class Vhd:
    """What a VHD says of itself.

    Attributes:
        disk_type: How it keeps its data: a `DiskType`, or the bare number where it is another.
        virtual_size_bytes: How large it is for the machine that uses it: the footer's current size. QEMU counts
            cylinders, heads and sectors instead on disks of some creators, so it may show another size.
        file_size_bytes: How large the file is.
        unique_id: What tells it from other disks.
        original_size_bytes: How large it was when it was made.
        geometry: Cylinders, heads, and sectors of a track, as old machines see them.
        created_at: When it was made, or `None` where it does not say so.
        creator_application: What made it, in four letters: `qemu`, `win`, `vpc`, `tap`.
        creator_version: Which version of that, such as `5.3`.
        creator_host_os: What it was made on, in four letters.
        block_size_bytes: How large the blocks of a dynamic disk are.
        parent_id: Which disk is the parent of a differencing disk.
        parent_name: What that parent's file was called.
        damage: What is wrong with it behind a sound footer, in a sentence, or `None`.
    """

    disk_type: DiskType | int
    virtual_size_bytes: int
    file_size_bytes: int
    unique_id: uuid.UUID
    original_size_bytes: int = attrs.field(repr=False)
    geometry: tuple[int, int, int] = attrs.field(repr=False)
    created_at: datetime | None = None
    creator_application: str = ""
    creator_version: str = attrs.field(default="", repr=False)
    creator_host_os: str = attrs.field(default="", repr=False)
    block_size_bytes: int | None = attrs.field(default=None, repr=False)
    parent_id: uuid.UUID | None = attrs.field(default=None, repr=False)
    parent_name: str | None = None
    damage: str | None = None


class _Footer(NamedTuple):
    """The fields of a footer, in their order."""

    cookie: bytes
    features: int
    format_version: int
    header_at: int
    created_at: int
    creator_application: bytes
    creator_version: int
    creator_host_os: bytes
    original_size: int
    current_size: int
    cylinders: int
    heads: int
    sectors: int
    disk_type: int
    checksum: int
    unique_id: bytes


class _Header(NamedTuple):
    """The fields of a dynamic disk's header, in their order."""

    cookie: bytes
    next_at: int
    table_at: int
    header_version: int
    table_entries: int
    block_size: int
    checksum: int
    parent_id: bytes
    parent_created_at: int
    reserved: int
    parent_name: bytes


def read(path: str | os.PathLike[str]) -> Vhd:
    """Read what a disk in a file says of itself. It blocks: from async code, call it in a worker thread.

    Raises:
        VhdError: It is no VHD, as `parse` says.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        first = file.read(FIRST_BYTES)
        file_size_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, file_size_bytes - LAST_BYTES))
        last = file.read(LAST_BYTES)
    return parse(first, last, file_size_bytes)


def parse(first: bytes, last: bytes, file_size_bytes: int) -> Vhd:
    """Read what a disk says of itself from its two ends, wherever they come from.

    What is wrong behind a sound footer is no error yet: it is in `Vhd.damage`, and `check` refuses it.

    Args:
        first: Its first `FIRST_BYTES` bytes, or all of them where it has fewer.
        last: Its last `LAST_BYTES` bytes. They may be among the first.
        file_size_bytes: How many bytes it has.

    Raises:
        VhdError: It has no footer (396), or one whose checksum is wrong (111).
    """
    record = last[-LAST_BYTES:]
    footer = _footer_of(record, first, file_size_bytes)
    is_sparse = footer.disk_type in {DiskType.DYNAMIC, DiskType.DIFFERENCING}
    header = _header_of(first[footer.header_at : footer.header_at + _HEADER_BYTES]) if is_sparse else None
    has_parent = header is not None and footer.disk_type == DiskType.DIFFERENCING
    damage = (
        _damage_of_sparse(footer, header, file_size_bytes) or _damage_of_copy(first, record)
        if is_sparse
        else _damage_of_fixed(footer, file_size_bytes)
    )
    return Vhd(
        disk_type=_DISK_TYPES.get(footer.disk_type, footer.disk_type),
        virtual_size_bytes=footer.current_size,
        file_size_bytes=file_size_bytes,
        unique_id=uuid.UUID(bytes=footer.unique_id),
        original_size_bytes=footer.original_size,
        geometry=(footer.cylinders, footer.heads, footer.sectors),
        created_at=_EPOCH + timedelta(seconds=footer.created_at) if footer.created_at else None,
        creator_application=_letters(footer.creator_application),
        creator_version=f"{footer.creator_version >> 16}.{footer.creator_version & 0xFFFF}",
        creator_host_os=_letters(footer.creator_host_os),
        block_size_bytes=header.block_size if header else None,
        parent_id=uuid.UUID(bytes=header.parent_id) if header and has_parent else None,
        parent_name=_name(header.parent_name) if header and has_parent else None,
        damage=damage,
    )


def check(vhd: Vhd, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
    """Refuse a disk that the service would refuse, with its code.

    Args:
        vhd: The disk.
        limit_bytes: How large a disk may be. The default is what Rackspace documents, 40 GiB; 160 GB have been reported
            since 2019.

    Raises:
        VhdError: The first of what is wrong with it: it has a parent (721), is neither fixed nor dynamic (523), has no
            UUID (614), is too large for the machine (413) or as a file (609), or is damaged (111).
        ValueError: The limit is not above zero.
    """
    if limit_bytes < 1:
        raise ValueError(f"limit_bytes is at least 1, not {limit_bytes}")
    for code, found in _objections(vhd, limit_bytes):
        raise _refusal(code, found)


def _objections(vhd: Vhd, limit_bytes: int) -> Iterator[tuple[TaskFailureCode, str]]:
    """Yield everything that is wrong with a disk, in the service's order: its code, and what was found."""
    if vhd.disk_type == DiskType.DIFFERENCING:
        name = one_line(repr(vhd.parent_name), _LONGEST_NAME)
        parent = f"it is {name}" if vhd.parent_name else "the disk is a differencing one"
        yield TaskFailureCode.HAS_PARENT, f"{parent}; merge the two"
    elif vhd.disk_type not in _DISK_TYPES:
        yield TaskFailureCode.UNSUPPORTED_DISK_TYPE, f"its type is {int(vhd.disk_type)}, fixed is 2 and dynamic 3"
    if not vhd.unique_id.int:
        yield TaskFailureCode.ZERO_UUID, "`qemu-img convert` makes a copy that has one"
    if vhd.virtual_size_bytes > limit_bytes:
        yield TaskFailureCode.VIRTUAL_SIZE_TOO_LARGE, f"{vhd.virtual_size_bytes} bytes, the limit is {limit_bytes}"
    if vhd.file_size_bytes > limit_bytes + _FOOTER_BYTES:
        found = f"{vhd.file_size_bytes} bytes, the limit is {limit_bytes} and the footer"
        yield TaskFailureCode.PHYSICAL_SIZE_TOO_LARGE, found
    if vhd.damage:
        yield TaskFailureCode.INVALID_VHD, vhd.damage


def _refusal(code: TaskFailureCode, found: str) -> VhdError:
    return VhdError(f"{int(code)} {code.explanation}: {found}", code=code)


def _footer_of(record: bytes, first: bytes, file_size_bytes: int) -> _Footer:
    """Return the footer that a record is, or raise what says why it is none."""
    if len(record) < _FOOTER_BYTES or not record.startswith(b"conectix"):
        raise _refusal(TaskFailureCode.NOT_A_VHD, _instead_of_footer(first, file_size_bytes))
    footer = _Footer._make(_FOOTER.unpack_from(record))
    checksum = _checksum(record, _FOOTER_CHECKSUM_AT)
    if footer.checksum != checksum:
        found = f"the footer's checksum is {footer.checksum:#010x}, its bytes give {checksum:#010x}"
        raise _refusal(TaskFailureCode.INVALID_VHD, found)
    return footer


def _instead_of_footer(first: bytes, file_size_bytes: int) -> str:
    if file_size_bytes < _FOOTER_BYTES:
        return f"it has {file_size_bytes} bytes, the footer alone has {_FOOTER_BYTES}"
    found = f"there is no footer in its last {_FOOTER_BYTES} bytes"
    match disk_format_of(first):
        case None:
            return found
        case "vhd":
            return f"{found}, though it begins as one: it is cut off, or something follows it"
        case name:
            return f"{found}, and it begins as {name} does"


def _header_of(record: bytes) -> _Header | None:
    """Return the header that a record is, or `None` where it is none or a broken one."""
    if len(record) < _HEADER_BYTES or not record.startswith(b"cxsparse"):
        return None
    header = _Header._make(_HEADER.unpack_from(record))
    return header if header.checksum == _checksum(record, _HEADER_CHECKSUM_AT) else None


def _checksum(record: bytes, place: int) -> int:
    """Return the one's complement of the sum of a record's bytes, without the checksum itself."""
    return ~(sum(record[:place]) + sum(record[place + 4 :])) & 0xFFFFFFFF


def _damage_of_fixed(footer: _Footer, file_size_bytes: int) -> str | None:
    whole = footer.current_size + _FOOTER_BYTES
    if footer.disk_type != DiskType.FIXED or file_size_bytes == whole:
        return None
    return f"the file has {file_size_bytes} bytes, but disk and footer have {whole}"


def _damage_of_sparse(footer: _Footer, header: _Header | None, file_size_bytes: int) -> str | None:
    if header is None:
        return f"the header at byte {footer.header_at} is missing or broken"
    table_end = header.table_at + header.table_entries * _TABLE_ENTRY_BYTES
    if table_end > file_size_bytes - _FOOTER_BYTES:
        return f"the block table ends at byte {table_end}, but the file has {file_size_bytes} with its footer"
    reach = header.table_entries * header.block_size
    if reach < footer.current_size:
        return f"the block table has room for {reach} bytes, but the disk has {footer.current_size}"
    return None


def _damage_of_copy(first: bytes, record: bytes) -> str | None:
    # What follows these fields are bits of state that some programs keep in one of the two only: the sums differ then.
    said, copied = (_FOOTER.unpack_from(end.ljust(_FOOTER_BYTES)) for end in (record, first))
    if _Footer._make(copied)._replace(checksum=0) == _Footer._make(said)._replace(checksum=0):
        return None
    return f"its first {_FOOTER_BYTES} bytes are no copy of the footer"


def _letters(field: bytes) -> str:
    return field.decode("ascii", errors="replace").strip("\0 ")


def _name(field: bytes) -> str | None:
    return field.decode("utf-16-be", errors="replace").partition("\0")[0] or None
