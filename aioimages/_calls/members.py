"""Whom an image is shared with (Images v2, "Image members")."""

from typing import Final

from aioimages import _codec
from aioimages._call import Call, identifier, path
from aioimages._calls.images import image_path
from aioimages._models import Member, Page

__all__ = ["create", "delete", "get", "list_page", "update"]

STATUSES: Final = frozenset({"accepted", "pending", "rejected"})


def _member_path(image_id: str, member_id: str) -> str:
    return f"{image_path(image_id)}/{path('members', identifier('member_id', member_id))}"


def list_page(image_id: str) -> Call[Page[Member]]:
    """GET /v2/images/{image_id}/members (Images v2, "List image members")."""
    return Call(method="GET", path=image_path(image_id, "members"), read=_codec.page(Member, "members"))


def get(image_id: str, member_id: str) -> Call[Member]:
    """GET /v2/images/{image_id}/members/{member_id} (Images v2, "Show image member details")."""
    return Call(method="GET", path=_member_path(image_id, member_id), read=_codec.one(Member))


def create(image_id: str, member_id: str) -> Call[Member]:
    """POST /v2/images/{image_id}/members (Images v2, "Create image member")."""
    return Call(
        method="POST",
        path=image_path(image_id, "members"),
        body=_codec.dump({"member": identifier("member_id", member_id)}),
        # Glance answers 200; 201 is what others would say.
        ok=frozenset({200, 201}),
        read=_codec.one(Member),
        landed={409: get(image_id, member_id)},
    )


def update(image_id: str, member_id: str, status: str) -> Call[Member]:
    """PUT /v2/images/{image_id}/members/{member_id} (Images v2, "Update image member")."""
    if status not in STATUSES:
        raise ValueError(f"a member's status is accepted, pending or rejected, not {status!r}")
    return Call(
        method="PUT",
        path=_member_path(image_id, member_id),
        body=_codec.dump({"status": status}),
        read=_codec.one(Member),
    )


def delete(image_id: str, member_id: str) -> Call[None]:
    """DELETE /v2/images/{image_id}/members/{member_id} (Images v2, "Delete image member")."""
    return Call(
        method="DELETE",
        path=_member_path(image_id, member_id),
        ok=frozenset({204}),
        read=_codec.nothing,
        landed={404: None},
    )
