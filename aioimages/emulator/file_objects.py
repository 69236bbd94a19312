"""Cloud Files: objects."""

from typing import Any, Final
from urllib.parse import quote

import attrs
from aiohttp import web

from aioimages.emulator.context import CONTEXT
from aioimages.emulator.cutting import cut_short
from aioimages.emulator.file_request import FileRequest, check_size
from aioimages.emulator.large_objects import delete_all, read_manifest, segments_of
from aioimages.emulator.objects import StoredObject, http_date, large_object, type_of
from aioimages.emulator.refusal import Refusal, refused

__all__ = ["OBJECT"]

_MANIFEST_BYTES: Final = 8 * 2**20


def _as_manifest(stored: StoredObject) -> StoredObject:
    """Return a large object's manifest as if it were all that there is."""
    metadata = {**stored.metadata, "X-Static-Large-Object": "True"}
    return attrs.evolve(stored, segments=None, metadata=metadata, content_type="application/json; charset=utf-8")


async def get_object(asked: FileRequest) -> web.StreamResponse:
    """GET and HEAD /v1/{account}/{container}/{object}."""
    stored = asked.shelf.get(asked.path)
    if stored.segments is not None and asked.manifest == "get":
        stored = _as_manifest(stored)
    facts, size = stored.headers(), stored.size
    _check_conditions(asked, stored, facts)
    if asked.request.method == "HEAD":
        return web.Response(headers={**facts, "Content-Length": str(size)})
    wanted = asked.wanted(size)
    if wanted is None:
        return await _given(asked, stored, range(size), web.StreamResponse(headers=facts))
    if not wanted:
        raise refused(416, headers={**facts, "Content-Range": f"bytes */{size}"})
    facts["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return await _given(asked, stored, wanted, web.StreamResponse(status=206, headers=facts))


def _check_conditions(asked: FileRequest, stored: StoredObject, facts: dict[str, str]) -> None:
    """Refuse a request that wants another object than this one, or has it already."""
    etag = stored.etag.strip('"')
    if asked.etag("If-Match") not in {None, "*", etag}:
        raise Refusal(412, "", headers=facts)
    if asked.etag("If-None-Match") in {"*", etag}:
        raise Refusal(304, "", headers=facts)


async def _given(
    asked: FileRequest, stored: StoredObject, wanted: range, answer: web.StreamResponse
) -> web.StreamResponse:
    """Give a range out; where a part has gone or changed after the first, the answer breaks off there."""
    body = bytearray()
    try:
        for piece in asked.shelf.pieces(stored, wanted):
            body += piece
    except Refusal:
        if not body:
            raise
        return await cut_short(asked.request, answer, bytes(body), length=len(wanted))
    return web.Response(status=answer.status, headers=answer.headers, body=bytes(body))


async def put_object(asked: FileRequest) -> web.StreamResponse:
    """PUT /v1/{account}/{container}/{object}."""
    if asked.header("X-Copy-From") is not None:
        return _copied(asked, asked.other_path("X-Copy-From"), asked.path)
    asked.shelf.container(asked.container)
    _check_absence(asked)
    facts: dict[str, Any] = {
        "content_type": asked.header("Content-Type") or type_of(asked.name),
        "metadata": asked.metadata(),
        "delete_at": asked.delete_at(),
    }
    is_manifest = asked.manifest == "put"
    body = await asked.body(_MANIFEST_BYTES if is_manifest else asked.limit_bytes)
    facts["modified_at"] = asked.shelf.clock.now()
    if is_manifest:
        stored = large_object(segments_of(asked, asked.path, read_manifest(body)), **facts)
    else:
        stored = StoredObject(data=body, **facts)
    return _kept(asked, asked.path, stored)


def _check_absence(asked: FileRequest) -> None:
    said = asked.header("If-None-Match")
    if said not in {None, "*"}:
        raise Refusal(400, "If-None-Match only supports *")
    if said is not None and asked.shelf.find(asked.path) is not None:
        raise refused(412)


def _kept(asked: FileRequest, path: str, stored: StoredObject, **headers: str) -> web.Response:
    if asked.etag() not in {None, stored.etag.strip('"')}:
        raise refused(422)
    asked.shelf.put(path, stored)
    named = {"Etag": stored.etag, "Last-Modified": http_date(stored.modified_at), **headers}
    return web.Response(status=201, headers=named, content_type="text/html")


async def copy_object(asked: FileRequest) -> web.StreamResponse:
    """COPY /v1/{account}/{container}/{object}."""
    return _copied(asked, asked.path, asked.other_path("Destination"))


def _copied(asked: FileRequest, source: str, target: str) -> web.Response:
    """Keep a copy, which has the source's metadata and those that the request adds."""
    if asked.request.content_length:
        raise Refusal(400, "Copy requests require a zero byte body")
    stored = asked.shelf.get(source)
    is_fresh = asked.header("X-Fresh-Metadata") == "true"
    facts = {
        "content_type": asked.header("Content-Type") or stored.content_type,
        "metadata": {**({} if is_fresh else stored.metadata), **asked.metadata()},
        "delete_at": asked.delete_at() or (None if is_fresh else stored.delete_at),
        "modified_at": asked.shelf.clock.now(),
    }
    headers = {
        "X-Copied-From": quote(source.lstrip("/")),
        "X-Copied-From-Account": asked.request[CONTEXT].region.files_account(asked.request[CONTEXT].account),
        "X-Copied-From-Last-Modified": http_date(stored.modified_at),
    }
    return _kept(asked, target, _copy(asked, stored, target, facts), **headers)


def _copy(asked: FileRequest, stored: StoredObject, target: str, facts: dict[str, Any]) -> StoredObject:
    """Return the copy: of a large object an ordinary one, unless its manifest is wanted."""
    if stored.segments is not None and asked.manifest == "get":
        entries = [{"path": part.path, "etag": part.etag, "size_bytes": part.size} for part in stored.segments]
        return large_object(segments_of(asked, target, entries), **facts)
    check_size(stored.size, asked.limit_bytes)
    try:
        data = b"".join(asked.shelf.pieces(stored, range(stored.size)))
    except Refusal:
        raise refused(499) from None
    return StoredObject(data=data, **facts)


async def post_object(asked: FileRequest) -> web.Response:
    """POST /v1/{account}/{container}/{object}: all that is said of an object is replaced."""
    stored = asked.shelf.get(asked.path)
    changed = attrs.evolve(
        stored,
        content_type=asked.header("Content-Type") or stored.content_type,
        metadata=asked.metadata(),
        delete_at=asked.delete_at(),
        modified_at=asked.shelf.clock.now(),
    )
    asked.shelf.put(asked.path, changed)
    return web.Response(status=202, content_type="text/html")


async def delete_object(asked: FileRequest) -> web.Response:
    """DELETE /v1/{account}/{container}/{object}."""
    if asked.manifest == "delete":
        return await delete_all(asked)
    asked.shelf.delete(asked.path)
    return web.Response(status=204)


OBJECT = {
    "PUT": put_object,
    "GET": get_object,
    "HEAD": get_object,
    "POST": post_object,
    "COPY": copy_object,
    "DELETE": delete_object,
}
