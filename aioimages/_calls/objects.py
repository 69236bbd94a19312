"""Cloud Files: containers and objects (Swift, "Object Storage API v1")."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from aioimages import _codec, _times
from aioimages._call import Body, Call, Replay, Reply, is_unicode
from aioimages._models import Container, Page, Segment, StoredObject

__all__ = [
    "container_name",
    "copy",
    "create_container",
    "delete",
    "delete_container",
    "description",
    "get",
    "get_container",
    "list_containers",
    "list_objects",
    "manifest",
    "object_name",
    "part",
    "put",
    "put_manifest",
    "read",
]

_LONGEST_CONTAINER_BYTES: Final = 256
_LONGEST_OBJECT_BYTES: Final = 1024
_METADATA: Final = "x-object-meta-"


def container_name(name: Any) -> str:
    """Return the name of a container; otherwise raise."""
    _check_name("container", name, _LONGEST_CONTAINER_BYTES)
    if "/" in name:
        raise ValueError(f"a container's name has no slash, unlike {name!r}")
    return str(name)


def object_name(name: Any) -> str:
    """Return the name of an object, which may have slashes; otherwise raise."""
    _check_name("object", name, _LONGEST_OBJECT_BYTES)
    return str(name)


def _check_name(kind: str, name: Any, longest: int) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of an {kind} is a str, not {type(name).__name__}")
    if not name or not is_unicode(name) or len(name.encode()) > longest:
        raise ValueError(f"the name of the {kind} has 1 to {longest} bytes of UTF-8, unlike {name[:50]!r}")
    if re.search(r"[\x00-\x1f\x7f]", name) or {".", ".."} & set(name.split("/")):
        raise ValueError(f"the name of the {kind} is no place of its own: {name!r}")


def _path(container: str, name: str | None = None) -> str:
    checked = quote(container_name(container), safe="")
    return checked if name is None else f"{checked}/{quote(object_name(name))}"


def _query(prefix: str | None) -> tuple[tuple[str, str], ...]:
    if prefix is not None and (not isinstance(prefix, str) or not is_unicode(prefix)):
        raise TypeError(f"prefix is a str, not {prefix!r}")
    return (("format", "json"), *((("prefix", prefix),) if prefix else ()))


def list_containers(prefix: str | None) -> Call[Page[Container]]:
    """GET /v1/{account}."""
    read = _codec.items(Container, lambda container: container.name)
    return Call(method="GET", path="", query=_query(prefix), ok=frozenset({200, 204}), read=read)


def create_container(container: str) -> Call[None]:
    """PUT /v1/{account}/{container}."""
    return Call(method="PUT", path=_path(container), ok=frozenset({201, 202}), read=_codec.nothing)


def get_container(container: str) -> Call[Container]:
    """HEAD /v1/{account}/{container}."""

    def raw(reply: Reply) -> dict[str, Any]:
        return {
            "name": container,
            "count": _number(reply.headers.get("x-container-object-count")),
            "bytes": _number(reply.headers.get("x-container-bytes-used")),
            "last_modified": _moment(reply.headers.get("last-modified")),
        }

    read = _codec.facts(Container, raw)
    return Call(method="HEAD", path=_path(container), ok=frozenset({200, 204}), read=read)


def delete_container(container: str) -> Call[None]:
    """DELETE /v1/{account}/{container}."""
    return Call(method="DELETE", path=_path(container), ok=frozenset({204}), read=_codec.nothing, landed={404: None})


def list_objects(container: str, prefix: str | None) -> Call[Page[StoredObject]]:
    """GET /v1/{account}/{container}."""
    read = _codec.items(StoredObject, lambda found: found.name)
    return Call(method="GET", path=_path(container), query=_query(prefix), ok=frozenset({200, 204}), read=read)


def get(container: str, name: str) -> Call[StoredObject]:
    """HEAD /v1/{account}/{container}/{object}."""

    def raw(reply: Reply) -> dict[str, Any]:
        headers = reply.headers
        is_dynamic = "x-object-manifest" in headers
        # Whoever answers a HEAD without what every object has is not the service.
        etag = headers.get("etag", "" if is_dynamic else None)
        return {
            "name": name,
            "bytes": _number(headers.get("content-length")),
            "hash": etag if etag is None else etag.strip('"'),
            "content_type": headers.get("content-type"),
            "last_modified": _moment(headers.get("last-modified")),
            "is_large": headers.get("x-static-large-object", "").lower() == "true",
            "is_dynamic": is_dynamic,
            "delete_at": _moment(headers.get("x-delete-at")),
            "metadata": {
                key.lower().removeprefix(_METADATA): value
                for key, value in headers.items()
                if key.lower().startswith(_METADATA)
            },
        }

    return Call(method="HEAD", path=_path(container, name), read=_codec.facts(StoredObject, raw))


def _number(text: str | None) -> int | str | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else text


def _moment(text: str | None) -> str | None:
    """Return a header's time in the form of JSON's: it is a date of HTTP, or seconds since 1970."""
    if text is None:
        return None
    found = _times.since_1970(int(text)) if re.fullmatch(r"[0-9]{1,11}", text) else _times.http_date(text)
    return found.isoformat() if found else text


def part(container: str, name: str, start: int, stop: int | None, *, etag: str | None = None) -> Call[None]:
    """GET /v1/{account}/{container}/{object}.

    Args:
        container: The object's container.
        name: The object.
        start: The first byte.
        stop: The byte after the last one; otherwise all there are.
        etag: What the object must be.
    """
    headers = {"Accept": "*/*"}
    if start or stop is not None:
        headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
    if etag is not None and re.fullmatch(r"[!#-~]+", etag):
        headers["If-Match"] = f'"{etag}"'
    return Call(
        method="GET", path=_path(container, name), headers=headers, ok=frozenset({200, 206}), read=_codec.nothing
    )


def read(container: str, name: str, start: int, stop: int) -> Call[bytes]:
    """GET /v1/{account}/{container}/{object} of a few bytes."""
    call = part(container, name, start, stop)
    return Call(method=call.method, path=call.path, headers=call.headers, ok=frozenset({206}), read=_read_body)


def _read_body(reply: Reply) -> bytes:
    return reply.body


def _read_etag(reply: Reply) -> str:
    return reply.headers.get("etag", "").strip('"')


def description(
    delete_after: int | None, content_type: str | None, metadata: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the headers that say what is to be said of an object; otherwise raise."""
    headers = {}
    for name, value in (metadata or {}).items():
        if not isinstance(name, str) or not re.fullmatch(r"[!#-'*+.^_`|~\w-]+", name, re.ASCII):
            raise ValueError(f"{name!r} is no name of a header: it has letters, digits and - _ . only")
        headers[f"X-Object-Meta-{name}"] = value
    if delete_after is not None:
        headers["X-Delete-After"] = str(delete_after)
    if content_type is not None:
        headers["Content-Type"] = content_type
    for name, value in headers.items():
        if not isinstance(value, str) or not re.fullmatch(r"[!-~]+(?: [!-~]+)*", value):
            raise ValueError(f"{name} is visible ASCII, unlike {value!r}")
    return headers


def put(
    container: str,
    name: str,
    body: Body,
    *,
    delete_after: int | None,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
) -> Call[str]:
    """PUT /v1/{account}/{container}/{object}; the answer has the MD5 of what arrived."""
    return Call(
        method="PUT",
        path=_path(container, name),
        headers=description(delete_after, content_type, metadata),
        body=body,
        ok=frozenset({201}),
        read=_read_etag,
        replay=Replay.LOOK_FIRST,
    )


def put_manifest(
    container: str,
    name: str,
    segments: Sequence[Segment],
    *,
    delete_after: int | None,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
) -> Call[str]:
    """PUT /v1/{account}/{container}/{object}?multipart-manifest=put (Swift, "Static large objects")."""
    document = [{"path": segment.name, "etag": segment.etag, "size_bytes": segment.size_bytes} for segment in segments]
    return Call(
        method="PUT",
        path=_path(container, name),
        query=(("multipart-manifest", "put"),),
        headers=description(delete_after, content_type or "application/octet-stream", metadata),
        body=_codec.dump(document),
        ok=frozenset({201}),
        read=_read_etag,
    )


def manifest(container: str, name: str) -> Call[list[Segment]]:
    """GET /v1/{account}/{container}/{object}?multipart-manifest=get."""
    return Call(
        method="GET",
        path=_path(container, name),
        query=(("multipart-manifest", "get"),),
        read=_codec.under(list[Segment]),
    )


def delete(container: str, name: str, *, with_segments: bool) -> Call[None]:
    """DELETE /v1/{account}/{container}/{object}, of a large object with its segments."""
    return Call(
        method="DELETE",
        path=_path(container, name),
        query=(("multipart-manifest", "delete"),) if with_segments else (),
        ok=frozenset({200 if with_segments else 204}),
        read=_read_deletion if with_segments else _codec.nothing,
        landed={404: None},
    )


def _read_deletion(reply: Reply) -> None:
    """Look whether all segments went: the service answers 200 when some did not."""
    said = _codec.document(reply)
    if said.get("Errors") or not str(said.get("Response Status", "200")).startswith("200"):
        raise _codec.undecodable(reply, f"not all segments were deleted: {said.get('Response Status')}")


def copy(container: str, name: str, to_container: str, to_name: str) -> Call[str]:
    """PUT /v1/{account}/{container}/{object} with X-Copy-From: the service copies by itself."""
    return Call(
        method="PUT",
        path=_path(to_container, to_name),
        headers={"X-Copy-From": f"/{_path(container, name)}", "Content-Length": "0"},
        ok=frozenset({201}),
        read=_read_etag,
    )
