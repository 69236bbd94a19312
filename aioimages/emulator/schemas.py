"""Images v2: what there is, as JSON schemas."""

from typing import Any, Final

from aiohttp import web

from aioimages.emulator.context import json_answer
from aioimages.emulator.refusal import Refusal

__all__ = ["ROUTES"]


def _a(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


def _maybe(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": ["null", kind], "description": description, **more}


_TIMES: Final = {
    "created_at": _a("string", "When it was made", readOnly=True),
    "updated_at": _a("string", "When it was last changed", readOnly=True),
}
_IMAGE: Final[dict[str, Any]] = {
    "name": "image",
    "properties": {
        "id": _a("string", "What the image is known by", pattern="^[0-9a-fA-F-]{36}$"),
        "name": _maybe("string", "What people call it", maxLength=255),
        "status": _a("string", "How far it has come", readOnly=True),
        "visibility": _a("string", "Who sees it", enum=["community", "public", "private", "shared"]),
        "protected": _a("boolean", "Whether it cannot be deleted"),
        "tags": _a("array", "Its tags", items={"type": "string", "maxLength": 255}),
        "size": _maybe("integer", "How many bytes its data has", readOnly=True),
        "virtual_size": _maybe("integer", "How many bytes its disk has", readOnly=True),
        "checksum": _maybe("string", "The MD5 of its data", readOnly=True, maxLength=32),
        "os_hash_algo": _maybe("string", "How os_hash_value was made", readOnly=True),
        "os_hash_value": _maybe("string", "The digest of its data", readOnly=True),
        "os_hidden": _a("boolean", "Whether it stays out of listings"),
        "owner": _maybe("string", "Whose it is", maxLength=255),
        "container_format": _maybe("string", "What is around the data"),
        "disk_format": _maybe("string", "How the data is laid out"),
        "min_disk": _a("integer", "How many GB of disk it needs"),
        "min_ram": _a("integer", "How many MB of memory it needs"),
        "os_distro": _a("string", "The distribution, in lower case"),
        "os_version": _a("string", "Which version of it"),
        **_TIMES,
        "self": _a("string", "Where it is", readOnly=True),
        "file": _a("string", "Where its data is", readOnly=True),
        "schema": _a("string", "Where this is", readOnly=True),
    },
    "additionalProperties": {"type": "string"},
    "links": [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}],
}
_MEMBER: Final[dict[str, Any]] = {
    "name": "member",
    "properties": {
        "image_id": _a("string", "The image that is shared"),
        "member_id": _a("string", "Whom it is shared with"),
        "status": _a("string", "What the member says to it", enum=["pending", "accepted", "rejected"]),
        **_TIMES,
        "schema": _a("string", "Where this is", readOnly=True),
    },
}
_TASK: Final[dict[str, Any]] = {
    "name": "task",
    "properties": {
        "id": _a("string", "What the task is known by"),
        "type": _a("string", "What is to be done", enum=["import", "export"]),
        "status": _a("string", "How far it has come", enum=["pending", "processing", "success", "failure"]),
        "input": _maybe("object", "What to do it with"),
        "result": _maybe("object", "What came of it"),
        "message": _maybe("string", "What the service has to say"),
        "owner": _a("string", "Whose it is"),
        "expires_at": _maybe("string", "When it is deleted"),
        **_TIMES,
        "self": _a("string", "Where it is", readOnly=True),
        "schema": _a("string", "Where this is", readOnly=True),
    },
}


def _several(one: dict[str, Any]) -> dict[str, Any]:
    name = f"{one['name']}s"
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": one},
            "schema": _a("string", "Where this is"),
            "first": _a("string", "Where the first page is"),
            "next": _a("string", "Where the next page is"),
        },
        "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}],
    }


_SCHEMAS: Final = {schema["name"]: schema for one in (_IMAGE, _MEMBER, _TASK) for schema in (one, _several(one))}


async def get_schema(request: web.Request) -> web.Response:
    """GET /v2/schemas/{name}."""
    schema = _SCHEMAS.get(request.match_info["name"])
    if schema is None:
        raise Refusal(404, "The resource could not be found.")
    return json_answer(schema)


ROUTES: Final = (("GET", "/schemas/{name}", get_schema, ("rackspace", "openstack")),)
