"""Images as the services show them, and what they let people say of them."""

import re
from datetime import datetime
from typing import Any, Final

from aioimages.emulator.accounts import Account
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import Region

__all__ = ["BASE", "READ_ONLY", "check_attribute", "new_document", "shown", "with_times"]

BASE: Final[dict[str, Any]] = {
    "name": None,
    "disk_format": None,
    "container_format": None,
    "visibility": "shared",
    "size": None,
    "virtual_size": None,
    "status": "queued",
    "checksum": None,
    "protected": False,
    "min_ram": 0,
    "min_disk": 0,
    "owner": None,
    "os_hidden": False,
    "os_hash_algo": None,
    "os_hash_value": None,
    "id": "",
    "created_at": None,
    "updated_at": None,
    "tags": [],
}
READ_ONLY: Final = frozenset(
    {"id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"}
    | {"self", "file", "schema", "stores", "direct_url"},
)
_RACKSPACE_GUARANTEED: Final = frozenset({"id", "status", "visibility", "protected", "tags", "created_at"})
_NOT_AT_RACKSPACE: Final = frozenset({"os_hidden", "os_hash_algo", "os_hash_value", "virtual_size"})
_FORMATS: Final = {
    "disk_format": frozenset({*"ami ari aki vhd vhdx vmdk raw qcow2 vdi iso ploop gpt".split()}),  # noqa: SIM905
    "container_format": frozenset({*"ami ari aki bare ovf ova docker compressed".split()}),  # noqa: SIM905
}
_VISIBILITIES: Final = frozenset({"public", "private", "shared", "community"})
_RESERVED: Final = re.compile("com\\.rackspace|os_glance")


def new_document(region: Region, image_id: str, owner: str | None, now: datetime) -> dict[str, Any]:
    """Return the document of an image of which nothing has been said yet."""
    document = {**BASE, "id": image_id, "owner": owner, "created_at": now, "updated_at": now, "tags": []}
    if region.is_rackspace:
        document["visibility"] = "private"
    return document


def with_times(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with its times as the services write them."""
    return {
        name: value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
        for name, value in document.items()
    }


def shown(region: Region, document: dict[str, Any]) -> dict[str, Any]:
    """Return an image as the region's service shows it: Rackspace leaves out what was never set."""
    image_id = document["id"]
    visible = with_times(document)
    if region.is_rackspace:
        visible = {
            name: value
            for name, value in visible.items()
            if name not in _NOT_AT_RACKSPACE and (name in _RACKSPACE_GUARANTEED or value is not None)
        }
    return {
        **visible,
        "self": f"/v2/images/{image_id}",
        "file": f"/v2/images/{image_id}/file",
        "schema": "/v2/schemas/image",
    }


def check_attribute(region: Region, account: Account, name: str, value: Any) -> None:
    """Refuse a value that an image cannot have, or that this account cannot give it."""
    if name in READ_ONLY:
        raise Refusal(403, f"Attribute '{name}' is read-only.")
    if _RESERVED.match(name):
        raise Refusal(403, f"Attribute '{name}' is reserved.")
    if name == "owner" and value != account.tenant_id and not account.is_admin:
        raise Refusal(403, "You are not permitted to modify 'owner' on this image.")
    match name:
        case "tags":
            _check_tags(value)
        case "disk_format" | "container_format":
            _check_choice(region, name, value)
        case "visibility":
            _check_visibility(account, value)
        case "protected" | "os_hidden":
            _check_type(name, value, bool, "boolean")
        case "min_disk" | "min_ram":
            _check_count(name, value)
        case _:
            _check_text(name, value)


def _check_count(name: str, value: Any) -> None:
    _check_type(name, value, int, "integer")
    if not 0 <= value < 2**31:
        raise Refusal(400, f"Invalid value '{value}' for parameter '{name}'.")


def _check_text(name: str, value: Any) -> None:
    if value is None and name in {"name", "owner"}:
        return
    _check_type(name, value, str, "string")
    if name == "name" and len(str(value)) > 255:
        raise Refusal(400, f"Provided object does not match schema 'image': {name!r} is too long")


def _check_type(name: str, value: Any, kind: type, word: str) -> None:
    if type(value) is not kind:
        raise Refusal(400, f"Provided object does not match schema 'image': {name}: {value!r} is not of type '{word}'")


def _check_choice(region: Region, name: str, value: Any) -> None:
    if value is None and not region.is_rackspace:
        return
    if value not in _FORMATS[name]:
        raise Refusal(400, f"Provided object does not match schema 'image': {value!r} is not one of the {name}s")


def _check_visibility(account: Account, value: Any) -> None:
    if value not in _VISIBILITIES:
        raise Refusal(400, f"Provided object does not match schema 'image': {value!r} is not a visibility")
    if value == "public" and not account.is_admin:
        raise Refusal(403, "You are not authorized to complete publicize_image action.")


def _check_tags(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise Refusal(400, "Provided object does not match schema 'image': tags are not a list of strings")
    if any(len(tag) > 255 for tag in value):
        raise Refusal(400, "Provided object does not match schema 'image': a tag is longer than 255 characters")
    if len(set(value)) > 128:
        raise Refusal(
            413, "The limit has been exceeded on the number of allowed image tags. Attempted: 129, Maximum: 128"
        )
