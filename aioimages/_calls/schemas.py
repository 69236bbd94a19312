"""JSON schemas of what the service knows (Images v2, "Image schemas", "Task schemas")."""

from typing import Any, Final

from aioimages import _codec
from aioimages._call import Call, path

__all__ = ["NAMES", "get"]

NAMES: Final = ("image", "images", "member", "members", "task", "tasks")


def get(name: str) -> Call[dict[str, Any]]:
    """GET /v2/schemas/{name}."""
    if name not in NAMES:
        raise ValueError(f"there are schemas of {', '.join(NAMES)}, not of {name!r}")
    return Call(method="GET", path=path("schemas", name), read=_codec.document)
