"""Images v2: images, their tags and their actions."""

import re
import uuid
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from aiohttp import web

from aioimages.emulator.context import CONTEXT, Context, json_answer, json_body, json_object
from aioimages.emulator.documents import check_attribute, new_document, shown
from aioimages.emulator.patch import MEDIA_TYPE, patched
from aioimages.emulator.query import Order, page_link, page_size, selection
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import IMPORT_METHODS, STORES, WEB_STORE, StoredImage

__all__ = ["ROUTES", "owned_image", "visible_image"]

_NO_CONTENT: Final = 204


def visible_image(request: web.Request) -> StoredImage:
    """Return the image that a request's path names, if its account may see it."""
    context: Context = request[CONTEXT]
    image_id = request.match_info["image_id"]
    image = context.region.images.get(image_id)
    if image is None or not image.is_visible_to(context.account):
        raise Refusal(404, f"No image found with ID {image_id}")
    return image


def owned_image(request: web.Request) -> StoredImage:
    """Return the image that a request's path names, if its account may change it."""
    image = visible_image(request)
    if not image.is_owned_by(request[CONTEXT].account):
        raise Refusal(403, "You are not permitted to modify this image.")
    return image


async def list_images(request: web.Request) -> web.Response:
    """GET /v2/images."""
    context = request[CONTEXT]
    region, query = context.region, request.query
    size = page_size(query, context.world.settings, is_rackspace=region.is_rackspace)
    order = Order(query)
    wanted = {image.id for image in selection(region, context.account, query)}
    marker = query.getall("marker", [None])[-1]
    visible = [image.document for image in region.images.values() if image.is_visible_to(context.account)]
    ordered = order.sorted(visible)
    if marker is not None:
        places = {document["id"]: place for place, document in enumerate(ordered)}
        if marker not in places:
            raise Refusal(400, f"No image found with ID {marker}")
        ordered = ordered[places[marker] + 1 :]
    page = [document for document in ordered if document["id"] in wanted][:size]
    body: dict[str, Any] = {
        "images": [shown(region, document) for document in page],
        "first": page_link("/v2/images", query),
        "schema": "/v2/schemas/images",
    }
    if page and len(page) == size:
        body["next"] = page_link("/v2/images", query, page[-1]["id"])
    return json_answer(body)


async def get_image(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}."""
    if request.can_read_body:
        raise Refusal(400, "A body is not expected with this request.")
    return json_answer(shown(request[CONTEXT].region, visible_image(request).document))


async def create_image(request: web.Request) -> web.Response:
    """POST /v2/images."""
    context = request[CONTEXT]
    given = await json_object(request)
    image_id = given.pop("id", None) or context.world.new_id()
    try:
        uuid.UUID(str(image_id))
    except ValueError:
        raise Refusal(400, f"Invalid image id format: {image_id!r}") from None
    if image_id in context.region.images or image_id in context.region.deleted:
        raise Refusal(409, f"Image ID {image_id} already exists!")
    document = new_document(context.region, image_id, context.account.tenant_id, context.world.clock.moment())
    for name, value in given.items():
        check_attribute(context.region, context.account, name, value)
        document[name] = list(dict.fromkeys(value)) if name == "tags" else value
    context.region.images[image_id] = StoredImage(document)
    return json_answer(
        shown(context.region, document),
        201,
        Location=f"/v2/images/{image_id}",
        OpenStack_image_import_methods=",".join(IMPORT_METHODS),
        OpenStack_image_store_ids=",".join([*STORES, WEB_STORE]),
    )


async def update_image(request: web.Request) -> web.Response:
    """PATCH /v2/images/{image_id}."""
    context = request[CONTEXT]
    if request.content_type != MEDIA_TYPE:
        raise Refusal(415, "The content type is not supported.", headers={"Accept-Patch": MEDIA_TYPE})
    image = owned_image(request)
    operations = await json_body(request)
    document = patched(context.region, context.account, image.document, operations)
    image.document = {**document, "updated_at": context.world.clock.moment()}
    return json_answer(shown(context.region, image.document))


async def delete_image(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}."""
    context = request[CONTEXT]
    image = owned_image(request)
    if image.document["protected"]:
        raise Refusal(403, f"Image {image.id} is protected and cannot be deleted.")
    del context.region.images[image.id]
    context.region.deleted.add(image.id)
    return web.Response(status=_NO_CONTENT)


def _tag_in(request: web.Request) -> str:
    raw = re.sub(r"^.*/tags/", "", request.rel_url.raw_path)
    if "%2f" in raw.lower():
        raise Refusal(404, "The resource could not be found.")
    # Glance takes the path's bytes for Latin-1, and so stores other characters garbled.
    encoding = "utf-8" if request[CONTEXT].region.is_rackspace else "latin-1"
    return unquote_to_bytes(raw).decode(encoding)


async def add_tag(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/tags/{tag}."""
    context = request[CONTEXT]
    image, tag = owned_image(request), _tag_in(request)
    tags = list(dict.fromkeys([*image.document["tags"], tag]))
    check_attribute(context.region, context.account, "tags", tags)
    image.document.update(tags=tags, updated_at=context.world.clock.moment())
    return web.Response(status=_NO_CONTENT)


async def remove_tag(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/tags/{tag}."""
    image, tag = owned_image(request), _tag_in(request)
    if tag not in image.document["tags"]:
        raise Refusal(404, "The resource could not be found.")
    tags = [other for other in image.document["tags"] if other != tag]
    image.document.update(tags=tags, updated_at=request[CONTEXT].world.clock.moment())
    return web.Response(status=_NO_CONTENT)


async def deactivate(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/deactivate."""
    return _turn(request[CONTEXT], owned_image(request), "deactivate", "deactivated")


async def reactivate(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/actions/reactivate."""
    return _turn(request[CONTEXT], owned_image(request), "reactivate", "active")


def _turn(context: Context, image: StoredImage, word: str, status: str) -> web.Response:
    if image.document["status"] not in {"active", "deactivated"}:
        raise Refusal(403, f"Not allowed to {word} image in status '{image.document['status']}'")
    image.document.update(status=status, updated_at=context.world.clock.moment())
    return web.Response(status=_NO_CONTENT)


# Below the versioned root: method, path, handler, and the dialects that have it.
ROUTES: Final = (
    ("GET", "/images", list_images, ("rackspace", "openstack")),
    ("POST", "/images", create_image, ("openstack",)),
    ("GET", "/images/{image_id}", get_image, ("rackspace", "openstack")),
    ("PATCH", "/images/{image_id}", update_image, ("rackspace", "openstack")),
    ("DELETE", "/images/{image_id}", delete_image, ("rackspace", "openstack")),
    ("PUT", "/images/{image_id}/tags/{tag}", add_tag, ("rackspace", "openstack")),
    ("DELETE", "/images/{image_id}/tags/{tag}", remove_tag, ("rackspace", "openstack")),
    ("POST", "/images/{image_id}/actions/deactivate", deactivate, ("openstack",)),
    ("POST", "/images/{image_id}/actions/reactivate", reactivate, ("openstack",)),
)
