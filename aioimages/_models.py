"""What the service knows, as frozen facts: no model performs I/O or holds a client."""

import enum
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

import attrs

from aioimages._secrets import Secret, shown

__all__ = [
    "CatalogEndpoint",
    "Container",
    "Download",
    "DownloadRequest",
    "ExportRequest",
    "Image",
    "ImportRequest",
    "Location",
    "Member",
    "Outcome",
    "Page",
    "Report",
    "Segment",
    "Server",
    "Store",
    "StoredObject",
    "Task",
    "TaskFailureCode",
    "TaskState",
    "Token",
    "Usage",
]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

WIRE = "wire"  # the key in a field's metadata


# The models of answers go without slots: that makes them 2.6 times cheaper to build, and listings build thousands.


def _quiet(default: Any = None, *, wire: str | None = None) -> Any:
    """Make an optional field that the `repr` leaves out: it is long, rarely asked for, or may carry a signed URL.

    `wire` is what the service calls it where that is not a good Python name.
    """
    return attrs.field(default=default, repr=False, metadata={WIRE: wire} if wire else {})


@attrs.frozen(slots=False, kw_only=True)
class Image:
    """A virtual-machine image (Images v2, "Image entity").

    Attributes that the server left out are `None`, or the empty value of their kind. Sizes are in bytes, `min_disk` is
    in GB and `min_ram` in MB. `status` and `visibility` are the server's words, also where they are new to the library.
    `stores` names the stores with its data; during an import `os_glance_importing_to_stores` names those that are still
    to get them, and afterwards `os_glance_failed_import` those that did not. Every key that is not an attribute here
    (`os_distro`, `com.rackspace__1__build_core`, yours) is in `properties`.
    """

    id: str
    name: str | None = None
    status: str
    visibility: str | None = None
    size: int | None = None
    disk_format: str | None = None
    container_format: str | None = None
    protected: bool = _quiet(default=False)
    hidden: bool = _quiet(default=False, wire="os_hidden")
    tags: tuple[str, ...] = _quiet(default=())
    owner: str | None = _quiet()
    min_disk: int | None = _quiet()
    min_ram: int | None = _quiet()
    virtual_size: int | None = _quiet()
    checksum: str | None = _quiet()
    os_hash_algo: str | None = _quiet()
    os_hash_value: str | None = _quiet()
    created_at: datetime | None = _quiet()
    updated_at: datetime | None = _quiet()
    stores: tuple[str, ...] = _quiet(default=())
    os_glance_importing_to_stores: tuple[str, ...] = _quiet(default=())
    os_glance_failed_import: tuple[str, ...] = _quiet(default=())
    os_glance_import_task: str | None = _quiet()
    locations: tuple[Any, ...] = attrs.field(default=(), repr=False, hash=False)
    direct_url: str | None = _quiet()
    file: str | None = _quiet()
    self_url: str | None = _quiet(wire="self")
    schema: str | None = _quiet()
    properties: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False, metadata={WIRE: ""})


@attrs.frozen(slots=False, kw_only=True)
class Store:
    """Where a service keeps image data (Images v2, "Stores"); `type`, `weight`, `properties` come with details only."""

    id: str
    description: str | None = None
    default: bool = False
    read_only: bool = attrs.field(default=False, metadata={WIRE: "read-only"})
    type: str | None = None
    weight: int | None = None
    properties: Mapping[str, Any] | None = attrs.field(default=None, repr=False, hash=False)


@attrs.frozen(slots=False, kw_only=True)
class Usage:
    """How much of a quota is used (Images v2, "Quota usage"): in MiB where the quota's name ends in `total`."""

    usage: int
    limit: int


@attrs.frozen(slots=False, kw_only=True)
class Location:
    """Where a store finds an image's data (Images v2, "Locations"). Its URL may hold secrets, so no `repr` shows it."""

    url: str = attrs.field(repr=False)
    metadata: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


@attrs.frozen(kw_only=True)
class Download:
    """What came of a download.

    Attributes:
        key: Of what: the image's id, or the object's `container/name`.
        size_bytes: How many bytes the data have.
        hash_algo: What they were checked with, or `None` where they were not.
        hash_value: The digest, in hexadecimal.
        verified: Whether size and digest are what the service says they are.
        resumed_bytes: How many of them were there before.
    """

    key: str
    size_bytes: int
    hash_algo: str | None
    hash_value: str | None
    verified: bool
    resumed_bytes: int = 0


@attrs.frozen(slots=False, kw_only=True)
class Server:
    """A virtual machine of Cloud Servers, as far as images need it."""

    id: str
    name: str | None = None
    status: str | None = None


@attrs.frozen(slots=False, kw_only=True)
class Container:
    """A container of Cloud Files: how many objects it has, and how long they are together."""

    name: str
    count: int
    size_bytes: int = attrs.field(metadata={WIRE: "bytes"})
    last_modified: datetime | None = _quiet()


@attrs.frozen(slots=False, kw_only=True)
class StoredObject:
    """An object of Cloud Files.

    `etag` is the MD5 of its data, and of a large object that of its segments' digests. `is_large` says whether it is a
    large object; `is_dynamic`, whether it is one whose segments are found by their names: nothing tells the digest of
    its data then, and they are not deleted with it. `delete_at` is when the service deletes it by itself. Entries of a
    listing carry neither of these two nor `metadata`: get the object to see them.
    """

    name: str
    size_bytes: int = attrs.field(metadata={WIRE: "bytes"})
    etag: str = attrs.field(metadata={WIRE: "hash"})
    content_type: str | None = None
    last_modified: datetime | None = _quiet()
    is_large: bool = False
    is_dynamic: bool = False
    delete_at: datetime | None = _quiet()
    metadata: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)


@attrs.frozen(slots=False, kw_only=True)
class Segment:
    """One segment of a large object, by the path of its object (`/container/name`)."""

    name: str
    size_bytes: int = attrs.field(metadata={WIRE: "bytes"})
    etag: str = attrs.field(metadata={WIRE: "hash"})


@attrs.frozen(slots=False, kw_only=True)
class Member:
    """An account that an image is shared with (Images v2, "Image members").

    `status` is `pending`, `accepted` or `rejected`.
    """

    image_id: str
    member_id: str
    status: str
    created_at: datetime | None = _quiet()
    updated_at: datetime | None = _quiet()
    schema: str | None = _quiet()


@attrs.frozen(slots=False, kw_only=True)
class Task:
    """An import or export that the service works on (Images v2, "Tasks").

    `status` is `pending`, `processing`, `success` or `failure`; the last two are final. Entries of a listing carry no
    `input`, `result` or `message`: get the task to see them. `image_id` is the image that an import made, and `None`
    for an export and before the end. `message` is `None` where the service has nothing to say.
    """

    id: str
    type: str | None = None
    status: str
    # Any in place of None: after an import it is there, and programs need not say so once more to type checkers.
    image_id: str | Any = None
    message: str | None = attrs.field(default=None, repr=shown)
    input: Mapping[str, Any] | None = attrs.field(default=None, repr=False, hash=False)
    result: Mapping[str, Any] | None = attrs.field(default=None, repr=False, hash=False)
    owner: str | None = _quiet()
    created_at: datetime | None = _quiet()
    updated_at: datetime | None = _quiet()
    expires_at: datetime | None = _quiet()
    request_id: str | None = _quiet()
    user_id: str | None = _quiet()
    self_url: str | None = _quiet(wire="self")
    schema: str | None = _quiet()

    @property
    def is_final(self) -> bool:
        """Whether the service is done with it, well or badly."""
        return self.status in {"success", "failure"}

    @property
    def export_location(self) -> str | None:
        """Where an export put the disk: `container/object.vhd` in Cloud Files."""
        location = (self.result or {}).get("export_location")
        return location if isinstance(location, str) else None


@attrs.frozen(slots=False, kw_only=True)
class TaskState:
    """What a task is, and no more: a crowd of them is listed again and again."""

    id: str
    type: str | None = None
    status: str


class TaskFailureCode(enum.IntEnum):
    """Why Cloud Images refused a disk, with its explanation (Rackspace, "Task to import image: error codes")."""

    explanation: str

    def __new__(cls, value: int, explanation: str) -> Self:
        """Make a member of a number and its sentence."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.explanation = explanation
        return code

    INVALID_VHD = 111, "an unspecified problem in the VHD failed the validation"
    NOT_A_VHD = 396, "the file is not a valid VHD"
    VIRTUAL_SIZE_TOO_LARGE = 413, "the disk's virtual size is over the service's limit"
    UNSUPPORTED_DISK_TYPE = 523, "the disk is neither fixed nor dynamic"
    PHYSICAL_SIZE_TOO_LARGE = 609, "the file is over the service's size limit"
    ZERO_UUID = 614, "the VHD's internal UUID is all zeros"
    HAS_PARENT = 721, "the VHD has a parent disk"


@attrs.frozen(kw_only=True)
class Outcome(Generic[K, V]):
    """What became of one item of many: a value, or the error that it met."""

    key: K
    value: V | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value and no error."""
        return self.error is None

    def unwrap(self) -> V:
        """Return the value, or raise the error that stands in its place."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # V may itself include None


@attrs.frozen
class ImportRequest:
    """One disk to import in bulk: the arguments of `client.tasks.import_image`."""

    import_from: str = attrs.field(repr=False)
    name: str
    properties: Mapping[str, str] | None = attrs.field(default=None, kw_only=True, hash=False)
    import_from_format: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ExportRequest:
    """One image to export in bulk: the arguments of `client.tasks.export_image`."""

    image_id: str
    container: str


@attrs.frozen
class DownloadRequest:
    """One image whose data are to be fetched in bulk, and the path of the file that they go to."""

    image_id: str
    path: str | os.PathLike[str]


@attrs.frozen(kw_only=True)
class Report:
    """How far a run over many items is, or how it has ended. As text it is one line for a person.

    Attributes:
        total: How many items there are, or `None` where they are taken as they come.
        done: How many have succeeded.
        failed: How many have failed.
        resumed: How many of these two an earlier run with the same journal had finished.
        open: How many are still to be done; where they are taken as they come, how many are being worked on.
        failures: How often each reason was met: the name of the `TaskFailureCode` where there is one, or else of the
            error's class.
        seconds: How long the run has taken, or took.
        transferred_bytes: How many bytes of image data came in this run; those of downloads that are whole count.
        requests: How many requests the client sent meanwhile, whatever for.
    """

    total: int | None
    done: int
    failed: int
    resumed: int
    open: int
    failures: Mapping[str, int] = attrs.field(hash=False)
    seconds: float
    transferred_bytes: int
    requests: int

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.failures.items())
        parts = [
            f"{self.done:,} done" if self.total is None else f"{self.done:,} of {self.total:,} done",
            f"{self.failed:,} failed ({reasons})" if reasons else "none failed",
            f"{self.open:,} open" if self.open else "",
            f"{self.resumed:,} by an earlier run" if self.resumed else "",
            f"{self.transferred_bytes / 1e6:,.1f} MB" if self.transferred_bytes else "",
            f"{self.requests:,} request{'' if self.requests == 1 else 's'} in {self.seconds:,.1f} s",
        ]
        return ", ".join(filter(None, parts))


@attrs.frozen
class Page(Generic[T]):
    """One answer of a listing.

    Attributes:
        count: How many items it has.
        parts: The items, some at a time: they are made as they are asked for, lest others wait for all of them.
        next_marker: The marker of the next page, where there is one.
    """

    count: int
    parts: Iterable[Sequence[T]]
    next_marker: str | None


@attrs.frozen
class CatalogEndpoint:
    """One line of the service catalog: where a service is to be reached in a region."""

    service_type: str
    region: str | None
    interface: str
    url: str


@attrs.frozen(kw_only=True)
class Token:
    """What a sign-in gave. Its `repr` does not show the token."""

    value: str = attrs.field(repr=False, converter=Secret)
    expires_at: datetime | None = None
    issued_at: datetime | None = None
    project_id: str | None = None
    default_region: str | None = None
    catalog: tuple[CatalogEndpoint, ...] = attrs.field(default=(), repr=False)
