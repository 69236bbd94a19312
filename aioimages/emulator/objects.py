"""What Cloud Files remembers: containers, objects, and large objects, which are made of others."""

import hashlib
import json
import math
import mimetypes
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any, Final

import attrs

from aioimages.emulator.clock import Clock, moment
from aioimages.emulator.refusal import refused

__all__ = [
    "BINARY",
    "Container",
    "Segment",
    "Shelf",
    "StoredObject",
    "http_date",
    "large_object",
    "moment_text",
    "type_of",
]

BINARY: Final = "application/octet-stream"


def _md5(data: bytes) -> str:
    """Return a digest as Swift writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def moment_text(seconds: float) -> str:
    """Return a time as Swift's JSON has it: with microseconds and without a zone."""
    return moment(seconds).replace(tzinfo=None).isoformat(timespec="microseconds")


def http_date(seconds: float) -> str:
    """Return a time as Swift's headers have it: never before the moment."""
    return formatdate(math.ceil(seconds), usegmt=True)


def type_of(name: str) -> str:
    """Return the content type of an object of which nobody said it."""
    return mimetypes.guess_type(name)[0] or BINARY


@attrs.frozen(kw_only=True)
class Segment:
    """A part of a large object; it may be a large object itself."""

    path: str
    etag: str
    size: int
    content_type: str
    modified_at: float
    is_large: bool = False

    def entry(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        entry = {
            "name": self.path,
            "bytes": self.size,
            "hash": self.etag,
            "content_type": self.content_type,
            "last_modified": moment_text(self.modified_at),
        }
        return {**entry, "sub_slo": True} if self.is_large else entry


@attrs.frozen(kw_only=True)
class StoredObject:
    """An object.

    Attributes:
        data: Its bytes, which are the manifest where it is a large object.
        segments: The parts of a large object.
        metadata: Headers that come back with it.
        delete_at: The second from which it is gone.
        digest: The MD5 of the data.
    """

    data: bytes = attrs.field(repr=False)
    content_type: str
    modified_at: float
    metadata: Mapping[str, str] = attrs.field(factory=dict)
    delete_at: int | None = None
    segments: tuple[Segment, ...] | None = None
    digest: str = attrs.Factory(lambda self: _md5(self.data), takes_self=True)

    @property
    def size(self) -> int:
        """How many bytes a reader gets."""
        return len(self.data) if self.segments is None else sum(segment.size for segment in self.segments)

    @property
    def large_etag(self) -> str | None:
        """The digest of the digests of a large object's parts."""
        return None if self.segments is None else _md5("".join(segment.etag for segment in self.segments).encode())

    @property
    def etag(self) -> str:
        """What it is told apart by; quotes say that it is not the digest of what a reader gets."""
        return self.digest if self.segments is None else f'"{self.large_etag}"'

    def headers(self) -> dict[str, str]:
        """Return the headers that tell of it."""
        facts = {
            "Content-Type": self.content_type,
            "Etag": self.etag,
            "Last-Modified": http_date(self.modified_at),
            "X-Timestamp": f"{self.modified_at:.5f}",
            "Accept-Ranges": "bytes",
            **self.metadata,
        }
        if self.delete_at is not None:
            facts["X-Delete-At"] = str(self.delete_at)
        if self.segments is not None:
            facts.update({"X-Static-Large-Object": "True", "X-Manifest-Etag": self.digest})
        return facts


def large_object(segments: tuple[Segment, ...], **facts: Any) -> StoredObject:
    """Make an object of others."""
    manifest = json.dumps([segment.entry() for segment in segments]).encode()
    return StoredObject(data=manifest, segments=segments, **facts)


@attrs.define(eq=False)
class Container:
    """A container."""

    created_at: float
    metadata: dict[str, str] = attrs.field(factory=dict)
    objects: dict[str, StoredObject] = attrs.field(factory=dict)

    @property
    def size(self) -> int:
        """How many bytes are in it: of a large object the manifest's."""
        return sum(len(stored.data) for stored in self.objects.values())

    def headers(self) -> dict[str, str]:
        """Return the headers that tell of it."""
        return {
            "X-Container-Object-Count": str(len(self.objects)),
            "X-Container-Bytes-Used": str(self.size),
            "X-Timestamp": f"{self.created_at:.5f}",
            "Last-Modified": http_date(self.created_at),
            **self.metadata,
        }


class Shelf:
    """The containers of one account in one region. What has expired is not there."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._containers: dict[str, Container] = {}

    def containers(self) -> dict[str, Container]:
        """Return all containers by name."""
        return {name: self.swept(name) for name in sorted(self._containers)}

    def make(self, name: str) -> bool:
        """Make a container, and say whether it was not there."""
        is_new = name not in self._containers
        self._containers.setdefault(name, Container(self.clock.now()))
        return is_new

    def container(self, name: str) -> Container:
        """Return a container."""
        if name not in self._containers:
            raise refused(404)
        return self._containers[name]

    def swept(self, name: str) -> Container:
        """Return a container without what has expired in it."""
        container, now = self.container(name), self.clock.now()
        for expired in [key for key, stored in container.objects.items() if _is_over(stored, now)]:
            del container.objects[expired]
        return container

    def remove(self, name: str) -> None:
        """Take an empty container away."""
        if self.swept(name).objects:
            raise refused(409)
        del self._containers[name]

    def find(self, path: str) -> StoredObject | None:
        """Return what is at `container/object`."""
        container, _, name = path.lstrip("/").partition("/")
        stored = self._containers[container].objects.get(name) if container in self._containers else None
        return None if stored is None or _is_over(stored, self.clock.now()) else stored

    def get(self, path: str) -> StoredObject:
        """Return what must be at `container/object`."""
        stored = self.find(path)
        if stored is None:
            raise refused(404)
        return stored

    def put(self, path: str, stored: StoredObject) -> None:
        """Keep an object at `container/object`."""
        container, _, name = path.lstrip("/").partition("/")
        self.container(container).objects[name] = stored

    def put_data(self, path: str, data: bytes) -> None:
        """Keep data of which nothing more is said."""
        self.put(path, StoredObject(data=data, content_type=type_of(path), modified_at=self.clock.now()))

    def delete(self, path: str) -> None:
        """Take away what must be at `container/object`."""
        self.get(path)
        container, _, name = path.lstrip("/").partition("/")
        del self._containers[container].objects[name]

    def content(self, path: str) -> bytes:
        """Return all that a reader gets."""
        stored = self.get(path)
        return b"".join(self.pieces(stored, range(stored.size)))

    def pieces(self, stored: StoredObject, wanted: range) -> Iterator[bytes]:
        """Yield what a reader gets of a range, as far as the parts are there and are what they were."""
        if stored.segments is None:
            yield stored.data[wanted.start : wanted.stop]
            return
        at = 0
        for segment in stored.segments:
            part = range(max(wanted.start - at, 0), min(wanted.stop - at, segment.size))
            at += segment.size
            if part:
                yield from self.pieces(self._part(segment), part)

    def _part(self, segment: Segment) -> StoredObject:
        stored = self.find(segment.path)
        if stored is None or stored.etag.strip('"') != segment.etag:
            raise refused(409)
        return stored


def _is_over(stored: StoredObject, now: float) -> bool:
    return stored.delete_at is not None and stored.delete_at <= now
