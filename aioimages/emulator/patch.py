"""JSON patches, in each dialect's way."""

from typing import Any, Final

import attrs

from aioimages.emulator.accounts import Account
from aioimages.emulator.documents import BASE, READ_ONLY, check_attribute
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import Region

__all__ = ["MEDIA_TYPE", "patched"]

MEDIA_TYPE: Final = "application/openstack-images-v2.1-json-patch"
_RACKSPACE_STANDARD: Final = frozenset(
    {"name", "tags", "os_distro", "os_version", "protected", "container_format", "disk_format", "min_disk", "min_ram"}
    | {"ramdisk_id", "kernel_id"},
)
_FORMATS: Final = frozenset({"disk_format", "container_format"})


@attrs.frozen
class _Operation:
    kind: str
    name: str
    value: Any


def patched(region: Region, account: Account, document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """Return a document with all operations applied, or refuse them all."""
    if not isinstance(operations, list):
        raise Refusal(400, "Request body must be a JSON array of operation objects.")
    result = {**document, "tags": list(document["tags"])}
    for raw in operations:
        operation = _parsed(raw)
        if operation.kind == "remove":
            _remove(result, operation.name)
        else:
            check_attribute(region, account, operation.name, operation.value)
            if operation.name in _FORMATS and document["status"] != "queued" and not region.is_rackspace:
                raise Refusal(403, f"Attribute {operation.name} can be only replaced for a queued image.")
            _set(region, result, operation)
    return result


def _parsed(raw: Any) -> _Operation:
    if not isinstance(raw, dict):
        raise Refusal(400, "Operations must be JSON objects.")
    kind, pointer = raw.get("op"), raw.get("path")
    if kind not in {"add", "replace", "remove"}:
        raise Refusal(
            400, "Unable to find 'op' in JSON Schema change. It must be one of the following: add, remove, replace."
        )
    if not isinstance(pointer, str) or not pointer.startswith("/") or "/" in pointer[1:] or len(pointer) == 1:
        raise Refusal(400, f"Invalid JSON pointer for this resource: '{pointer}'")
    if kind != "remove" and "value" not in raw:
        raise Refusal(400, f'Operation "{kind}" requires a member named "value".')
    # The service strips blanks, as the real one does.
    name = pointer[1:].replace("~1", "/").replace("~0", "~").strip()
    return _Operation(kind, name, raw.get("value"))


def _remove(document: dict[str, Any], name: str) -> None:
    if name in BASE or name in READ_ONLY:
        raise Refusal(403, f"Property {name} may not be removed.")
    if name not in document:
        raise Refusal(
            409, f"There was a conflict when trying to complete your request. Property {name} does not exist."
        )
    del document[name]


def _set(region: Region, document: dict[str, Any], operation: _Operation) -> None:
    name = operation.name
    exists = name in document and not (region.is_rackspace and document[name] is None)
    if operation.kind == "add" and exists and region.is_rackspace:
        raise Refusal(409, f"Property {name} already present.")
    if (
        operation.kind == "replace"
        and not exists
        and name not in (_RACKSPACE_STANDARD if region.is_rackspace else BASE)
    ):
        raise Refusal(
            409, f"There was a conflict when trying to complete your request. Property {name} does not exist."
        )
    document[name] = list(dict.fromkeys(operation.value)) if name == "tags" else operation.value
