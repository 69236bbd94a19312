"""Cloud Files: what an account and a container list."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from aioimages.emulator.file_request import FileRequest
from aioimages.emulator.objects import Container, StoredObject, moment_text
from aioimages.emulator.refusal import Refusal

__all__ = ["list_containers", "list_objects"]

_MOST: Final = 10_000


def _limit(asked: FileRequest) -> int:
    said = asked.request.query.get("limit", "")
    limit = int(said) if said.isdecimal() else _MOST
    if limit > _MOST:
        raise Refusal(412, f"Maximum limit is {_MOST}")
    return limit


def _listed(asked: FileRequest, names: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield what a query wants of sorted names, and the beginnings that stand for several, of which that is said."""
    query = asked.request.query
    prefix, marker, end, delimiter = (query.get(key, "") for key in ("prefix", "marker", "end_marker", "delimiter"))
    seen = None
    for name in names:
        if not name.startswith(prefix) or (end and name >= end):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        shown = f"{prefix}{head}{delimiter}" if found else name
        if shown > marker and shown != seen:
            yield shown, bool(found)
        seen = shown


def _answer(asked: FileRequest, entries: list[dict[str, Any]], facts: Mapping[str, str]) -> web.Response:
    """Answer in JSON where it is asked for, and else with a name a line."""
    headers = {"Accept-Ranges": "bytes", **facts}
    if asked.request.query.get("format", "json" if asked.accepts_json else "plain") == "json":
        headers["Content-Type"] = "application/json; charset=utf-8"
        return web.Response(body=orjson.dumps(entries), headers=headers)
    headers["Content-Type"] = "text/plain; charset=utf-8"
    lines = "".join(f"{entry.get('name', entry.get('subdir'))}\n" for entry in entries)
    return web.Response(status=200 if lines else 204, body=lines.encode() or None, headers=headers)


def _container_entry(name: str, container: Container) -> dict[str, Any]:
    return {
        "name": name,
        "count": len(container.objects),
        "bytes": container.size,
        "last_modified": moment_text(container.created_at),
    }


def _object_entry(name: str, stored: StoredObject) -> dict[str, Any]:
    entry = {
        "name": name,
        "bytes": stored.size,
        "hash": stored.digest,
        "content_type": stored.content_type,
        "last_modified": moment_text(stored.modified_at),
    }
    return entry if stored.segments is None else {**entry, "slo_etag": stored.etag}


async def list_containers(asked: FileRequest) -> web.Response:
    """GET /v1/{account}."""
    containers = asked.shelf.containers()
    facts = {
        "X-Account-Container-Count": str(len(containers)),
        "X-Account-Object-Count": str(sum(len(container.objects) for container in containers.values())),
        "X-Account-Bytes-Used": str(sum(container.size for container in containers.values())),
    }
    shown = list(_listed(asked, list(containers)))[: _limit(asked)]
    entries = [{"subdir": name} if several else _container_entry(name, containers[name]) for name, several in shown]
    return _answer(asked, entries, facts)


async def list_objects(asked: FileRequest) -> web.Response:
    """GET /v1/{account}/{container}."""
    limit, container = _limit(asked), asked.shelf.swept(asked.container)
    shown = list(_listed(asked, sorted(container.objects)))[:limit]
    entries = [{"subdir": name} if several else _object_entry(name, container.objects[name]) for name, several in shown]
    return _answer(asked, entries, container.headers())
