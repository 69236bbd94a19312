"""Images v2: an image's data. Only OpenStack has these."""

import hashlib
from collections.abc import Sequence
from typing import Final

import aiohttp
from aiohttp import web

from aioimages.emulator.context import CONTEXT
from aioimages.emulator.images import owned_image, visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import STORES, WEB_STORE, StoredImage

__all__ = ["ROUTES", "activate", "check_formats", "fetched"]

_FETCH_SECONDS: Final = 20
_OPENSTACK: Final = ("openstack",)


def activate(image: StoredImage, data: bytes, stores: Sequence[str] = STORES[:1], *, algorithm: str = "sha512") -> None:
    """Give an image its data."""
    image.data = data
    image.document.update(
        status="active",
        size=len(data),
        checksum=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        os_hash_algo=algorithm,
        os_hash_value=hashlib.new(algorithm, data, usedforsecurity=False).hexdigest(),
        stores=",".join(stores),
    )


async def fetched(url: str) -> bytes | None:
    """Return what is at a URL, or `None` where nothing is to be had."""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return await response.read() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def check_formats(image: StoredImage, status: int, message: str) -> None:
    """Refuse to take data for an image that does not say what they are."""
    if not image.document["disk_format"] or not image.document["container_format"]:
        raise Refusal(status, message)


async def put_file(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/file."""
    image = owned_image(request)
    if request.content_type != "application/octet-stream":
        raise Refusal(415, "The content type is not supported.")
    store = request.headers.get("X-Image-Meta-Store", STORES[0])
    if store == WEB_STORE:
        raise Refusal(410, "Error in store configuration. Adding images to store is disabled.")
    if store not in STORES:
        raise Refusal(400, f"Store {store} for image {image.id} not found: is not enabled")
    if image.document["status"] != "queued":
        raise Refusal(409, f"Image status transition from {image.document['status']} to saving is not allowed")
    check_formats(image, 400, "Properties disk_format, container_format must be set prior to saving data.")
    data = await _received(request, image, "saving")
    if image.id not in request[CONTEXT].region.images:
        raise Refusal(410, f"Image {image.id} could not be found after upload.")
    activate(image, data, [store], algorithm=request[CONTEXT].world.settings.hash_algorithm)
    image.document["virtual_size"] = len(data)
    return web.Response(status=204)


async def _received(request: web.Request, image: StoredImage, status: str) -> bytes:
    """Return a request's data, with the image in a status meanwhile. What else is changed meanwhile is forgotten."""
    before = {**image.document, "tags": list(image.document["tags"])}
    image.document["status"] = status
    try:
        data = await request.read()
        _check_size(request, data)
    finally:
        image.document = before
    return data


def _check_size(request: web.Request, data: bytes) -> None:
    expected = request.headers.get("X-OpenStack-Image-Size")
    if expected is not None and expected != str(len(data)):
        raise Refusal(400, f"Size mismatch: expected {expected} bytes, got {len(data)} bytes")


async def get_file(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/file."""
    image = visible_image(request)
    if image.document["status"] == "deactivated" and not request[CONTEXT].account.is_admin:
        raise Refusal(403, "The requested image has been deactivated. Image data download is forbidden.")
    preferred = request.query.get("prefer")
    if preferred is not None and not set(preferred.split(",")) <= {*STORES, WEB_STORE}:
        raise Refusal(400, f"Prefer: {preferred}: unknown store")
    if image.data is None:
        return web.Response(status=204)
    headers = {"Content-MD5": image.document["checksum"]} if image.document["checksum"] else {}
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=image.data, headers=headers, content_type="application/octet-stream")
    if image.document["stores"] == WEB_STORE:
        raise Refusal(400, "Getting images randomly from this store is not supported.")
    start, stop, _ = wanted.indices(len(image.data))
    if start >= len(image.data):
        raise Refusal(416, "The requested range is not satisfiable.")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(image.data)}"
    body = image.data[start:stop]
    return web.Response(status=206, body=body, headers=headers, content_type="application/octet-stream")


async def stage(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/stage."""
    image = owned_image(request)
    if image.document["status"] != "queued":
        raise Refusal(409, f"Image status transition from {image.document['status']} to uploading is not allowed")
    image.staged = await _received(request, image, "uploading")
    image.document["status"] = "uploading"
    return web.Response(status=204)


ROUTES: Final = (
    ("PUT", "/images/{image_id}/file", put_file, _OPENSTACK),
    ("GET", "/images/{image_id}/file", get_file, _OPENSTACK),
    ("PUT", "/images/{image_id}/stage", stage, _OPENSTACK),
)
