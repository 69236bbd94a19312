"""Images v2: where images' data are. Only OpenStack tells."""

from typing import Any, Final

from aiohttp import web

from aioimages.emulator.context import CONTEXT, json_answer
from aioimages.emulator.images import owned_image, visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import STORES, WEB_STORE

__all__ = ["ROUTES"]

_OPENSTACK: Final = ("openstack",)


def _may(request: web.Request, action: str) -> None:
    if not request[CONTEXT].account.is_admin:
        raise Refusal(403, f"You are not authorized to complete {action} action.")


def _described() -> list[dict[str, Any]]:
    stores: list[dict[str, Any]] = [{"id": store} for store in (*STORES, WEB_STORE)]
    stores[0]["default"] = "true"
    stores[-1]["read-only"] = "true"
    return stores


async def list_stores(_: web.Request) -> web.Response:
    """GET /v2/info/stores."""
    return json_answer({"stores": _described()})


async def list_details(request: web.Request) -> web.Response:
    """GET /v2/info/stores/detail."""
    _may(request, "stores_info_detail")
    stores = _described()
    for store in stores:
        store.update(type="file", weight=0, properties={"data_dir": f"/var/lib/glance/{store['id']}"})
    stores[-1].update(type="http", properties={})
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


ROUTES: Final = (
    ("GET", "/info/stores", list_stores, _OPENSTACK),
    ("GET", "/info/stores/detail", list_details, _OPENSTACK),
    ("GET", "/info/usage", usage, _OPENSTACK),
    ("DELETE", "/stores/{store}/{image_id}", delete, _OPENSTACK),
    ("GET", "/images/{image_id}/locations", locations, _OPENSTACK),
)
