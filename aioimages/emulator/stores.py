"""Images v2: where images' data are. Only OpenStack tells."""

from typing import Any, Final

from aiohttp import web

from aioimages.emulator.context import CONTEXT, json_answer, json_object
from aioimages.emulator.images import owned_image, visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import STORES

__all__ = ["ROUTES"]

_OPENSTACK: Final = ("openstack",)


def _may(request: web.Request, action: str) -> None:
    if not request[CONTEXT].account.is_admin:
        raise Refusal(403, f"You are not authorized to complete {action} action.")


def _described(store: str) -> dict[str, Any]:
    return {"id": store, "default": "true"} if store == STORES[0] else {"id": store}


async def list_stores(_: web.Request) -> web.Response:
    """GET /v2/info/stores."""
    return json_answer({"stores": [_described(store) for store in STORES]})


async def list_details(request: web.Request) -> web.Response:
    """GET /v2/info/stores/detail."""
    _may(request, "stores_info_detail")
    folder = "/var/lib/glance"
    more = {"type": "file", "weight": 0}
    stores = [{**_described(store), **more, "properties": {"data_dir": f"{folder}/{store}"}} for store in STORES]
    return json_answer({"stores": stores})


async def usage(_: web.Request) -> web.Response:
    """GET /v2/info/usage."""
    return json_answer({"usage": {}})


async def delete(request: web.Request) -> web.Response:
    """DELETE /v2/stores/{store}/{image_id}."""
    _may(request, "delete_image_location")
    image, store = owned_image(request), request.match_info["store"]
    stores = image.document.get("stores", "").split(",")
    if len(stores) == 1:
        raise Refusal(403, "Cannot delete image data from the only store containing it.")
    if store not in stores:
        raise Refusal(404, f"Image {image.id} is not stored on store {store}.")
    image.document["stores"] = ",".join(other for other in stores if other != store)
    return web.Response(status=204)


async def locations(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/locations."""
    image = visible_image(request)
    _may(request, "fetch_image_location")
    stores = image.document.get("stores", "").split(",")
    return json_answer(
        [{"url": f"file:///var/lib/glance/{store}/{image.id}", "metadata": {"store": store}} for store in stores]
    )


async def add_location(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/locations."""
    owned_image(request)
    await json_object(request)
    raise Refusal(403, "http store must be enabled to use location API by normal user.")


ROUTES: Final = (
    ("GET", "/info/stores", list_stores, _OPENSTACK),
    ("GET", "/info/stores/detail", list_details, _OPENSTACK),
    ("GET", "/info/usage", usage, _OPENSTACK),
    ("DELETE", "/stores/{store}/{image_id}", delete, _OPENSTACK),
    ("GET", "/images/{image_id}/locations", locations, _OPENSTACK),
    ("POST", "/images/{image_id}/locations", add_location, _OPENSTACK),
)
