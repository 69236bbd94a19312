"""What fuzzing begins with: answers and disks as they should be, written by code, and the words that they have."""

import json
import struct
from collections.abc import Iterator
from typing import Any, Final

import attrs
from disks import differencing_vhd, dynamic_vhd, fixed_vhd, with_footer, with_header
from entries import CALLS, disk_input

from aioimages import _models

__all__ = ["codec_seeds", "disk_seeds", "words"]

_IMAGE: Final[dict[str, Any]] = {
    "id": "i",
    "name": "web",
    "status": "queued",
    "visibility": "private",
    "size": 5,
    "virtual_size": None,
    "disk_format": "raw",
    "container_format": "bare",
    "protected": False,
    "os_hidden": True,
    "tags": ["a", "b"],
    "owner": "o",
    "min_disk": 1,
    "min_ram": 2,
    "checksum": "c",
    "os_hash_algo": "sha512",
    "os_hash_value": "h",
    "created_at": "2026-03-04T05:06:07Z",
    "updated_at": "2026-03-04T05:06:07.123456+02:00",
    "stores": "fast,cheap",
    "os_glance_importing_to_stores": "",
    "os_glance_failed_import": None,
    "locations": [{"url": "file:///x", "metadata": {}}],
    "self": "/v2/images/i",
    "p": "q",
    "com.rackspace__1__x": "1",
}
_MEMBER: Final = {
    "image_id": "i", "member_id": "m", "status": "pending", "created_at": "2026-03-04T05:06:07Z", "schema": "/v2/s",
}  # fmt: skip
_TASK: Final[dict[str, Any]] = {
    "id": "t",
    "type": "import",
    "status": "success",
    "input": {"import_from": "c/o.vhd", "image_properties": {"name": "web"}},
    "result": {"image_id": "i", "export_location": "c/o.vhd"},
    "message": "None",
    "owner": "o",
    "expires_at": "2026-03-04 05:06:07 UTC",
    "created_at": "2026-03-04",
    "request_id": "req-1",
}
_NEXT: Final = "/v2/images?limit=2&marker=b%2Fc"
_OBJECT: Final = {
    "name": "o", "bytes": 5, "hash": "d41d8", "content_type": "text/plain", "last_modified": "2026-03-04T05:06:07.1",
}  # fmt: skip
_RACKSPACE: Final[dict[str, Any]] = {
    "access": {
        "token": {"id": "x", "expires": "2026-11-25T05:06:07.000-06:00", "tenant": {"id": "123"}},
        "user": {"RAX-AUTH:defaultRegion": "DFW"},
        "serviceCatalog": [
            {
                "type": "image",
                "endpoints": [{"region": "DFW", "publicURL": "https://a/v2", "internalURL": None, "adminURL": "b"}],
            }
        ],
    }
}
_KEYSTONE: Final[dict[str, Any]] = {
    "token": {
        "expires_at": "2026-11-25T05:06:07.000000Z",
        "issued_at": "2026-11-25T05:06:07.000000Z",
        "project": {"id": "p"},
        "catalog": [
            {
                "type": "image",
                "endpoints": [
                    {"interface": "public", "region_id": "R", "url": "https://a"},
                    {"interface": "internalURL", "region": "R", "url": "b"},
                ],
            }
        ],
    }
}
_SERVERS: Final = {
    "servers": [{"id": "s", "name": "web", "status": "ACTIVE"}],
    "servers_links": [{"rel": "next", "href": "https://x/servers?marker=s"}],
}
_DOCUMENTS: Final[tuple[Any, ...]] = (
    _IMAGE,
    {"images": [_IMAGE, _IMAGE], "next": _NEXT, "first": "/v2/images", "schema": "/v2/schemas/images"},
    {"images": [], "next": None},
    _MEMBER,
    {"members": [_MEMBER], "next": "?marker=m"},
    _TASK,
    {"tasks": [_TASK, {"id": "u", "status": "pending"}], "next": "https://cloud.example:9292/v2/tasks?marker=t"},
    {"name": "image", "properties": {}},
    _RACKSPACE,
    _KEYSTONE,
    {"versions": [{"id": "v2.15", "status": "CURRENT", "links": []}, {"id": "v2.0"}]},
    {"import-methods": {"value": ["glance-direct", "web-download"]}},
    {"stores": [{"id": "fast", "default": "true", "read-only": True, "weight": 1, "properties": {}}, {"id": "cheap"}]},
    {"usage": {"image_size_total": {"usage": 1, "limit": 2}}},
    [{"url": "file:///x", "metadata": {"a": 1}}, {"url": "file:///y"}],
    _SERVERS,
    {"image_id": "i"},
    [{"name": "c", "count": 1, "bytes": 2, "last_modified": "2026-03-04T05:06:07"}],
    [_OBJECT, {"name": "p", "bytes": 0, "hash": "d"}],
    [{"name": "/c/s", "bytes": 5, "hash": "d41d8"}],
    {"Response Status": "200 OK", "Errors": [], "Number Deleted": 2},
    {"message": "Not here.<br /><br />\n", "code": "404 Not Found", "title": "Not Found"},
    {"itemNotFound": {"code": 404, "message": "Not here.", "details": "x"}},
    {"overLimit": {"code": 413, "message": "OverLimit", "retryAfter": 9, "retryAt": "2026-11-24T05:06:37Z"}},
)
_PAGES: Final = (
    b"<html><head><title>404</title></head><body><h1>404</h1>Not <b>here</b>.<br></body></html>",
    b"<html><style>body {}</style><script>x()</script><body>Not &lt;here&gt;.</body></html>",
    b"404 Not Found\n\nNot here.\n",
    b"",
)
_HEADS: Final = (
    b"x-subject-token: token\r\ndate: Tue, 24 Nov 2026 05:06:07 GMT\r\ncontent-type: application/json",
    b"location: https://cloud.example:9292/v2/images/i\r\nretry-after: 7\r\nwww-authenticate: OS-MF sessionId='x'",
    b"location: http://elsewhere.example/images/i\r\nretry-after: Tue, 24 Nov 2026 05:06:17 GMT\r\nx-trans-id: tx1",
    b'etag: "d41d8"\r\ncontent-length: 5\r\nx-object-manifest: c/s\r\nx-delete-at: 1700000000\r\nx-object-meta-a: b',
    b"x-container-object-count: 1\r\nx-container-bytes-used: 5\r\nlast-modified: Tue, 24 Nov 2026 05:06:07 GMT",
)


def codec_seeds() -> Iterator[bytes]:
    """Yield each document as an answer to each call, and each head and page as an answer and as a refusal."""
    bodies = [json.dumps(document, separators=(",", ":")).encode() for document in _DOCUMENTS]
    for number in range(len(CALLS)):
        yield from (bytes((number, 0)) + body for body in bodies)
        yield from (bytes((number, 0)) + _HEADS[0] + b"\r\n\r\n" + body for body in bodies)
        for head in _HEADS[1:]:
            yield bytes((number, 0)) + head + b"\r\n\r\n" + bodies[number % len(bodies)]
            yield bytes((number, 192 + number % 64)) + head + b"\r\n\r\n" + _PAGES[number % len(_PAGES)]
        yield from (bytes((number, 192 + place)) + body for place, body in enumerate(bodies[-3:]))


def disk_seeds() -> Iterator[bytes]:
    """Yield disks of every type, and some that are none."""
    small = dynamic_vhd(2**16)
    for content in (
        fixed_vhd(512),
        fixed_vhd(0),
        fixed_vhd(512, kind=7),
        small,
        dynamic_vhd(2**16, data=b"data" * 32),
        differencing_vhd(2**16),
        with_footer(small, 16, struct.pack(">Q", 1024)),
        with_header(small, 28, b"\xff" * 4),
        b"QFI\xfb" + bytes(600),
        b"",
    ):
        yield disk_input(content)
        yield disk_input(content, 2**40)


def words() -> Iterator[str]:
    """Yield the words of the wire, and values that are odd."""
    documents = list(_DOCUMENTS)
    found: set[str] = set()
    while documents:
        document = documents.pop()
        if isinstance(document, dict):
            found |= document.keys()
            documents += document.values()
        elif isinstance(document, list):
            documents += document
        elif isinstance(document, str):
            found.add(document)
    for cls in (_models.Image, _models.Task, _models.Store, _models.Member):
        found |= {field.metadata.get(_models.WIRE, field.name) for field in attrs.fields(cls)}
    yield from sorted(filter(None, found))
    yield from (
        "null",
        "true",
        "1e999",
        "-1",
        "NaN",
        "99999999999999999999",
        "\\ud800",
        "24:00:00",
        "+23:59",
        "[[[[[[[[",
    )
