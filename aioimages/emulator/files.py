"""Cloud Files (Swift), as far as imports and exports need it."""

import hashlib
from typing import Final

from aiohttp import web

from aioimages.emulator.context import CONTEXT, Context, json_answer
from aioimages.emulator.refusal import Refusal

__all__ = ["ROUTES"]

_LISTED: Final = 10_000


def _container(request: web.Request) -> dict[str, bytes]:
    context: Context = request[CONTEXT]
    objects = context.region.containers.get((context.account.tenant_id, request.match_info["container"]))
    if objects is None:
        raise Refusal(404, "The resource could not be found.")
    return objects


def _object(request: web.Request) -> bytes:
    data = _container(request).get(request.match_info["name"])
    if data is None:
        raise Refusal(404, "The resource could not be found.")
    return data


def _etag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


async def put_container(request: web.Request) -> web.Response:
    """PUT /v1/{account}/{container}."""
    context = request[CONTEXT]
    key = (context.account.tenant_id, request.match_info["container"])
    status = 202 if key in context.region.containers else 201
    context.region.containers.setdefault(key, {})
    return web.Response(status=status)


async def get_container(request: web.Request) -> web.Response:
    """GET /v1/{account}/{container}."""
    prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
    objects = _container(request)
    names = [name for name in sorted(objects) if name.startswith(prefix) and name > marker]
    return json_answer(
        [{"name": name, "bytes": len(objects[name]), "hash": _etag(objects[name])} for name in names[:_LISTED]],
    )


async def delete_container(request: web.Request) -> web.Response:
    """DELETE /v1/{account}/{container}."""
    context = request[CONTEXT]
    if _container(request):
        raise Refusal(409, "There was a conflict when trying to complete your request.")
    del context.region.containers[context.account.tenant_id, request.match_info["container"]]
    return web.Response(status=204)


async def put_object(request: web.Request) -> web.Response:
    """PUT /v1/{account}/{container}/{object}."""
    data = await request.read()
    if request.headers.get("ETag", _etag(data)).strip('"') != _etag(data):
        raise Refusal(422, "Unable to process the contained instructions")
    _container(request)[request.match_info["name"]] = data
    return web.Response(status=201, headers={"Etag": _etag(data)})


async def get_object(request: web.Request) -> web.Response:
    """GET and HEAD /v1/{account}/{container}/{object}."""
    data = _object(request)
    headers = {"Etag": _etag(data), "Accept-Ranges": "bytes"}
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=data, headers=headers)
    start, stop, _ = wanted.indices(len(data))
    if start >= len(data):
        raise Refusal(416, "Requested Range Not Satisfiable")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:stop], headers=headers)


async def delete_object(request: web.Request) -> web.Response:
    """DELETE /v1/{account}/{container}/{object}."""
    _object(request)
    del _container(request)[request.match_info["name"]]
    return web.Response(status=204)


ROUTES: Final = (
    ("PUT", "/{container}", put_container),
    ("GET", "/{container}", get_container),
    ("DELETE", "/{container}", delete_container),
    ("PUT", "/{container}/{name:.+}", put_object),
    ("GET", "/{container}/{name:.+}", get_object),
    ("DELETE", "/{container}/{name:.+}", delete_object),
)
