"""Images v2: the imports that Glance does by itself. Only OpenStack has these."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from aioimages.emulator.context import CONTEXT, Context, json_answer, json_object
from aioimages.emulator.data import activate, check_formats, fetched
from aioimages.emulator.images import owned_image, visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import IMPORT_METHODS, STORES, WEB_STORE, StoredImage

__all__ = ["ROUTES"]

_FAILED: Final = "Task failed due to Internal Error"
_OPENSTACK: Final = ("openstack",)
_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})


async def start_import(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/import."""
    context = request[CONTEXT]
    image = owned_image(request)
    asked = await json_object(request)
    method = asked.get("method")
    name = method.get("name") if isinstance(method, dict) else None
    if not isinstance(method, dict) or name not in IMPORT_METHODS:
        raise Refusal(400, f"Unknown import method name '{name}'.")
    if "os_glance_import_task" in image.document:
        raise Refusal(409, "Image has active task")
    if image.document["status"] != IMPORT_METHODS[name]:
        raise Refusal(409, f"Image needs to be in {IMPORT_METHODS[name]} state to use {name} method")
    check_formats(image, 409, "'container_format' needs to be set before import")
    if name == "web-download" and urlsplit(str(method.get("uri", ""))).hostname not in _HOSTS:
        raise Refusal(400, "URI for web-download does not pass filtering.")
    if name == "copy-image" and not context.account.is_admin:
        raise Refusal(403, "You are not authorized to complete copy_image action.")
    stores = list(STORES) if asked.get("all_stores") else asked.get("stores") or [STORES[0]]
    if not set(stores) <= set(STORES):
        raise Refusal(409, f"Unknown store: {', '.join(stores)}")
    if name == "copy-image":
        stores = [store for store in stores if store not in image.document["stores"].split(",")]
    task = _begun(context, image, "api_image_import", {"image_id": image.id, "import_req": asked, "backend": stores})
    context.world.start(_import(context, image, task, method, stores))
    return web.Response(status=202)


def _begun(context: Context, image: StoredImage, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Note a task as an image's newest, which locks the image until it ends, and return it."""
    now = _naive(context)
    task: dict[str, Any] = {
        "id": context.world.new_id(),
        "type": kind,
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
        "input": asked,
        "result": None,
        "message": "",
    }
    image.imports.append(task)
    image.document["os_glance_import_task"] = task["id"]
    return task


async def add_location(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/locations."""
    context = request[CONTEXT]
    image = owned_image(request)
    asked = await json_object(request)
    if image.document["status"] != "queued":
        raise Refusal(409, f"It's not allowed to add locations if image status is {image.document['status']}.")
    url = urlsplit(str(asked.get("url")))
    if url.scheme not in {"http", "https"}:
        raise Refusal(403, "http store must be enabled to use location API by normal user.")
    if url.hostname not in _HOSTS:
        raise Refusal(400, f"URI for add location does not pass filtering: {url.geturl()}")
    task = _begun(context, image, "location_import", {"image_id": image.id, "loc_url": url.geturl()})
    context.world.start(_locate(context, image, task, url.geturl(), asked.get("validation_data") or {}))
    return web.Response(status=202)


async def _locate(
    context: Context, image: StoredImage, task: dict[str, Any], url: str, validation: dict[str, str]
) -> None:
    await asyncio.sleep(context.world.chance.uniform(*context.world.settings.task_seconds))
    data = await fetched(url)
    del image.document["os_glance_import_task"]
    task["updated_at"] = _naive(context)
    if data is None:
        task.update(status="failure", message=_FAILED)
        return
    activate(image, data, [WEB_STORE])
    if validation.get("os_hash_value") in {None, image.document["os_hash_value"]}:
        task.update(status="success", message="")
    else:
        image.document.update(status="queued", size=None, os_hash_value=None, stores=WEB_STORE)
        image.data = None
        task.update(status="failure", message=_FAILED)


def _naive(context: Context) -> str:
    return context.world.clock.moment().replace(tzinfo=None).isoformat(timespec="microseconds")


async def _import(
    context: Context, image: StoredImage, task: dict[str, Any], method: dict[str, Any], stores: list[str]
) -> None:
    is_copy = method["name"] == "copy-image"
    await asyncio.sleep(context.world.chance.uniform(*context.world.settings.task_seconds))
    task["status"] = "processing"
    image.document.update(os_glance_importing_to_stores=",".join(stores), os_glance_failed_import="")
    if not is_copy:
        image.document["status"] = "importing"
    data = await _data(context, image, method)
    image.staged = None
    del image.document["os_glance_import_task"]
    if data is None:
        image.document.update(status="queued", os_glance_failed_import=",".join(stores))
        task.update(status="failure", message=_FAILED)
    else:
        before = image.document["stores"].split(",") if is_copy else []
        activate(image, data, [*before, *stores])
        task.update(status="success", message=f"Copied {len(data) // 2**20} MiB", result={"image_id": image.id})
    image.document["os_glance_importing_to_stores"] = ""
    task["updated_at"] = _naive(context)


async def _data(context: Context, image: StoredImage, method: dict[str, Any]) -> bytes | None:
    match method["name"]:
        case "glance-direct":
            return image.staged
        case "web-download":
            return await fetched(method["uri"])
        case "glance-download":
            region = context.world.regions.get(str(method.get("glance_region")))
            source = region.images.get(str(method.get("glance_image_id"))) if region else None
            return source.data if source and source.is_visible_to(context.account) else None
        case _:
            return image.data


async def list_imports(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/tasks."""
    return json_answer({"tasks": visible_image(request).imports})


async def list_methods(_: web.Request) -> web.Response:
    """GET /v2/info/import."""
    described = {"description": "Import methods available.", "type": "array", "value": list(IMPORT_METHODS)}
    return json_answer({"import-methods": described})


ROUTES: Final = (
    ("POST", "/images/{image_id}/import", start_import, _OPENSTACK),
    ("POST", "/images/{image_id}/locations", add_location, _OPENSTACK),
    ("GET", "/images/{image_id}/tasks", list_imports, _OPENSTACK),
    ("GET", "/info/import", list_methods, _OPENSTACK),
)
