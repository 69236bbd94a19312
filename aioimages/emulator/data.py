"""Images v2: an image's data, and Glance's own imports. Only OpenStack has these."""

import asyncio
import hashlib
from typing import Any, Final

import aiohttp
from aiohttp import web

from aioimages.emulator.context import CONTEXT, Context, json_answer, json_object
from aioimages.emulator.images import owned_image, visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import StoredImage

__all__ = ["ROUTES", "activate", "fetched"]

_FETCH_SECONDS: Final = 20
_FAILED: Final = "Task failed due to Internal Error"
_OPENSTACK: Final = ("openstack",)


def activate(image: StoredImage, data: bytes) -> None:
    """Give an image its data."""
    image.data = data
    image.document.update(
        status="active",
        size=len(data),
        checksum=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        os_hash_algo="sha512",
        os_hash_value=hashlib.sha512(data).hexdigest(),
        stores="fast",
    )


async def fetched(url: str) -> bytes | None:
    """Return what is at a URL, or `None` where nothing is to be had."""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return await response.read() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def _check_formats(image: StoredImage, status: int, message: str) -> None:
    if not image.document["disk_format"] or not image.document["container_format"]:
        raise Refusal(status, message)


async def put_file(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/file."""
    image = owned_image(request)
    if request.content_type != "application/octet-stream":
        raise Refusal(415, "The content type is not supported.")
    if image.document["status"] != "queued":
        raise Refusal(409, f"Image status transition from {image.document['status']} to saving is not allowed")
    _check_formats(image, 400, "Properties disk_format, container_format must be set prior to saving data.")
    data = await request.read()
    expected = request.headers.get("X-OpenStack-Image-Size")
    if expected is not None and expected != str(len(data)):
        raise Refusal(400, f"Size mismatch: expected {expected} bytes, got {len(data)} bytes")
    activate(image, data)
    image.document["virtual_size"] = len(data)
    return web.Response(status=204)


async def get_file(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/file."""
    image = visible_image(request)
    if image.document["status"] == "deactivated" and not request[CONTEXT].account.is_admin:
        raise Refusal(403, "The requested image has been deactivated. Image data download is forbidden.")
    if image.data is None:
        return web.Response(status=204)
    headers = {"Content-MD5": image.document["checksum"]}
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=image.data, headers=headers, content_type="application/octet-stream")
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
    image.staged = await request.read()
    image.document["status"] = "uploading"
    return web.Response(status=204)


async def start_import(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/import."""
    context = request[CONTEXT]
    image = owned_image(request)
    method = (await json_object(request)).get("method")
    name = method.get("name") if isinstance(method, dict) else None
    needed = {"web-download": "queued", "glance-direct": "uploading"}
    if not isinstance(method, dict) or name not in needed:
        raise Refusal(400, f"Unknown import method name '{name}'.")
    if "os_glance_import_task" in image.document:
        raise Refusal(409, "Image has active task")
    if image.document["status"] != needed[name]:
        raise Refusal(409, f"Image needs to be in {needed[name]} state to use {name} method")
    _check_formats(image, 409, "'container_format' needs to be set before import")
    if name == "web-download" and not str(method.get("uri", "")).startswith("http"):
        raise Refusal(400, "URI for web-download does not pass filtering.")
    task = _import_task(context, image, method)
    image.imports.append(task)
    image.document["os_glance_import_task"] = task["id"]
    context.world.start(_import(context, image, task, method))
    return web.Response(status=202)


def _import_task(context: Context, image: StoredImage, method: dict[str, Any]) -> dict[str, Any]:
    now = _naive(context)
    return {
        "id": context.world.new_id(),
        "type": "api_image_import",
        "status": "pending",
        "owner": image.document["owner"],
        "expires_at": None,
        "created_at": now,
        "updated_at": now,
        "deleted_at": None,
        "deleted": False,
        "image_id": image.id,
        "request_id": context.request_id,
        "user_id": context.account.user_id,
        "input": {"image_id": image.id, "import_req": {"method": method}, "backend": ["fast"]},
        "result": None,
        "message": "",
    }


def _naive(context: Context) -> str:
    return context.world.clock.moment().replace(tzinfo=None).isoformat(timespec="microseconds")


async def _import(context: Context, image: StoredImage, task: dict[str, Any], method: dict[str, Any]) -> None:
    settings = context.world.settings
    await asyncio.sleep(context.world.chance.uniform(*settings.task_seconds))
    task["status"] = "processing"
    image.document.update(status="importing", os_glance_importing_to_stores="fast", os_glance_failed_import="")
    data = image.staged if method["name"] == "glance-direct" else await fetched(method["uri"])
    image.staged = None
    del image.document["os_glance_import_task"]
    if data is None:
        image.document.update(status="queued", os_glance_failed_import="fast")
        task.update(status="failure", message=_FAILED)
    else:
        activate(image, data)
        task.update(status="success", message=f"Copied {len(data) // 2**20} MiB", result={"image_id": image.id})
    image.document["os_glance_importing_to_stores"] = ""
    task["updated_at"] = _naive(context)


async def list_imports(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/tasks."""
    return json_answer({"tasks": visible_image(request).imports})


ROUTES: Final = (
    ("PUT", "/images/{image_id}/file", put_file, _OPENSTACK),
    ("GET", "/images/{image_id}/file", get_file, _OPENSTACK),
    ("PUT", "/images/{image_id}/stage", stage, _OPENSTACK),
    ("POST", "/images/{image_id}/import", start_import, _OPENSTACK),
    ("GET", "/images/{image_id}/tasks", list_imports, _OPENSTACK),
)
