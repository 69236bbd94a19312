"""Images v2: whom images are shared with."""

from typing import Any, Final

from aiohttp import web

from aioimages.emulator.context import CONTEXT, json_answer, json_object
from aioimages.emulator.documents import with_times
from aioimages.emulator.images import visible_image
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import StoredImage

__all__ = ["ROUTES"]

_STATUSES: Final = ("accepted", "pending", "rejected")


def _shared_image(request: web.Request, action: str) -> StoredImage:
    """Return an image whose members may be changed by this account."""
    context = request[CONTEXT]
    image = visible_image(request)
    if not image.is_owned_by(context.account):
        raise Refusal(403, f"Not allowed to {action} members for image {image.id}.")
    sharable = {"private"} if context.region.is_rackspace else {"shared"}
    if image.document["visibility"] not in sharable:
        raise Refusal(
            403, f"Not allowed to {action} members for image {image.id}: its visibility does not allow sharing."
        )
    return image


def _member(request: web.Request, image: StoredImage) -> dict[str, Any]:
    """Return a member that this account may see."""
    account = request[CONTEXT].account
    member_id = request.match_info["member_id"]
    member = image.members.get(member_id)
    if member is None or not (image.is_owned_by(account) or member_id == account.tenant_id):
        raise Refusal(404, f"{member_id} not found in the member list of the image {image.id}.")
    return member


async def list_members(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/members."""
    context = request[CONTEXT]
    image = visible_image(request)
    own = image.is_owned_by(context.account)
    if not own and context.account.tenant_id not in image.members:
        raise Refusal(403, f"Not allowed to list members for image {image.id}.")
    members = [
        with_times(member)
        for member_id, member in image.members.items()
        if own or member_id == context.account.tenant_id
    ]
    return json_answer({"members": members, "schema": "/v2/schemas/members"})


async def create_member(request: web.Request) -> web.Response:
    """POST /v2/images/{image_id}/members."""
    context = request[CONTEXT]
    image = _shared_image(request, "create")
    member_id = (await json_object(request)).get("member")
    if not isinstance(member_id, str) or not member_id:
        raise Refusal(400, "Member can't be empty")
    if member_id in image.members:
        raise Refusal(409, f"Member {member_id} is duplicated for image {image.id}")
    if len(image.members) >= 128:
        raise Refusal(413, "The limit has been exceeded on the number of allowed image members for this image.")
    now = context.world.clock.moment()
    image.members[member_id] = {
        "member_id": member_id,
        "image_id": image.id,
        "status": "pending",
        "created_at": now,
        "updated_at": now,
        "schema": "/v2/schemas/member",
    }
    return json_answer(with_times(image.members[member_id]))


async def get_member(request: web.Request) -> web.Response:
    """GET /v2/images/{image_id}/members/{member_id}."""
    return json_answer(with_times(_member(request, visible_image(request))))


async def update_member(request: web.Request) -> web.Response:
    """PUT /v2/images/{image_id}/members/{member_id}."""
    context = request[CONTEXT]
    image = visible_image(request)
    member = _member(request, image)
    if member["member_id"] != context.account.tenant_id and not context.account.is_admin:
        raise Refusal(403, f"Not allowed to update member of image {image.id}.")
    status = (await json_object(request)).get("status")
    if status not in _STATUSES:
        raise Refusal(400, f"Invalid status: {status}")
    member.update(status=status, updated_at=context.world.clock.moment())
    return json_answer(with_times(member))


async def delete_member(request: web.Request) -> web.Response:
    """DELETE /v2/images/{image_id}/members/{member_id}."""
    image = _shared_image(request, "delete")
    del image.members[_member(request, image)["member_id"]]
    return web.Response(status=204)


_BOTH: Final = ("rackspace", "openstack")
ROUTES: Final = (
    ("GET", "/images/{image_id}/members", list_members, _BOTH),
    ("POST", "/images/{image_id}/members", create_member, _BOTH),
    ("GET", "/images/{image_id}/members/{member_id}", get_member, _BOTH),
    ("PUT", "/images/{image_id}/members/{member_id}", update_member, _BOTH),
    ("DELETE", "/images/{image_id}/members/{member_id}", delete_member, _BOTH),
)
