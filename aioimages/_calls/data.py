"""Image data, and the imports that Glance does by itself (Images v2, "Image data", "Interoperable image import")."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aioimages import _codec
from aioimages._call import Body, Call, NotLandedError, Replay, Reply
from aioimages._calls.images import image_path, supported
from aioimages._calls.stores import store_name
from aioimages._dialect import Dialect, Operation
from aioimages._models import Task

__all__ = ["download", "stage", "start_import", "upload"]

# What each way of importing needs to be told, and what it may be told.
_METHODS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "glance-direct": (frozenset(), frozenset()),
    "web-download": (frozenset({"uri"}), frozenset()),
    "copy-image": (frozenset(), frozenset()),
    "glance-download": (
        frozenset({"glance_region", "glance_image_id"}),
        frozenset({"glance_service_interface"}),
    ),
}


def upload(dialect: Dialect, image_id: str, body: Body, store: str | None) -> Call[None]:
    """PUT /v2/images/{image_id}/file (Images v2, "Upload binary image data")."""
    supported(dialect, Operation.DATA)
    return _send(image_path(image_id, "file"), body, store)


def stage(dialect: Dialect, image_id: str, body: Body) -> Call[None]:
    """PUT /v2/images/{image_id}/stage (Images v2, "Stage binary image data")."""
    supported(dialect, Operation.DATA)
    return _send(image_path(image_id, "stage"), body, None)


def _send(path: str, body: Body, store: str | None) -> Call[None]:
    headers = {} if body.size_bytes is None else {"X-OpenStack-Image-Size": str(body.size_bytes)}
    if store is not None:
        headers["X-Image-Meta-Store"] = store_name(store)
    return Call(
        method="PUT",
        path=path,
        headers=headers,
        body=body,
        ok=frozenset({204}),
        read=_codec.nothing,
        replay=Replay.LOOK_FIRST,
    )


def download(
    dialect: Dialect,
    image_id: str,
    *,
    start: int = 0,
    stop: int | None = None,
    prefer: Sequence[str] = (),
) -> Call[None]:
    """GET /v2/images/{image_id}/file (Images v2, "Download binary image data").

    Args:
        dialect: Which dialect is spoken.
        image_id: The image.
        start: The first byte.
        stop: The byte after the last one; otherwise all there are.
        prefer: The stores to take them from, the best first.
    """
    supported(dialect, Operation.DATA)
    is_part = start or stop is not None
    byte_range = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"} if is_part else {}
    stores = ",".join(store_name(store) for store in prefer)
    return Call(
        method="GET",
        path=image_path(image_id, "file"),
        query=(("prefer", stores),) if stores else (),
        headers={"Accept": "*/*", **byte_range},
        ok=frozenset({200, 204, 206}),
        read=_codec.nothing,
    )


def start_import(
    dialect: Dialect,
    image_id: str,
    method: str,
    arguments: Mapping[str, str | None],
    *,
    stores: Sequence[str] | None,
    all_stores: bool | None,
    all_stores_must_succeed: bool | None,
) -> Call[None]:
    """POST /v2/images/{image_id}/import (Images v2, "Import an image").

    The service lets an image be imported into once at a time, so that a repeated request meets 409 in place of a second
    import; whether the first one was begun, the image's tasks tell by the id of the request.
    """
    supported(dialect, Operation.DATA)
    document: dict[str, Any] = {"method": {"name": method, **_checked(method, arguments)}}
    if stores is not None:
        if isinstance(stores, str):
            raise TypeError("stores are several names, not one str")
        document["stores"] = [store_name(store) for store in stores]
    if stores is not None and all_stores:
        raise ValueError("give stores, or all_stores, not both")
    for name, value in (("all_stores", all_stores), ("all_stores_must_succeed", all_stores_must_succeed)):
        if value is not None:
            if not isinstance(value, bool):
                raise TypeError(f"{name} is a bool, not {type(value).__name__}")
            document[name] = value
    uri = document["method"].get("uri")
    request_id = f"req-{uuid.uuid4()}"
    return Call(
        method="POST",
        path=image_path(image_id, "import"),
        headers={"X-OpenStack-Request-ID": request_id},
        body=_codec.dump(document),
        ok=frozenset({202}),
        read=_codec.nothing,
        landed={409: Call(method="GET", path=image_path(image_id, "tasks"), read=_begun_by(request_id))},
        secrets=(uri,) if uri else (),
    )


def _begun_by(request_id: str) -> Callable[[Reply], None]:
    read_tasks = _codec.under(list[Task], "tasks")

    def read(reply: Reply) -> None:
        if not any(task.request_id == request_id for task in read_tasks(reply)):
            raise NotLandedError

    return read


def _checked(method: str, arguments: Mapping[str, str | None]) -> dict[str, str]:
    if method not in _METHODS:
        raise ValueError(f"method is one of {', '.join(_METHODS)}, not {method!r}")
    needed, possible = _METHODS[method]
    given = {name: value for name, value in arguments.items() if value is not None}
    if missing := needed - given.keys():
        raise ValueError(f"{method} needs {' and '.join(sorted(missing))}")
    if foreign := given.keys() - needed - possible:
        raise ValueError(f"{method} does not take {', '.join(sorted(foreign))}")
    for name, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is a str, not {type(value).__name__}")
    if "uri" in given and not given["uri"].startswith(("http://", "https://")):
        raise ValueError("uri is an http or https URL")
    return given
