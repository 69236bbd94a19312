"""What a service has beside its images: stores, ways of importing, quotas; and where an image's data are.

(Images v2, "Import methods and values discovery", "Stores", "Quota usage", "Locations")
"""

import re
from collections.abc import Callable
from typing import Any

from aioimages import _codec
from aioimages._call import Call, NotLandedError, Replay, Reply, identifier, path
from aioimages._calls.images import image_path, supported
from aioimages._dialect import Dialect, Operation
from aioimages._models import Image, Location, Store, Usage

__all__ = ["add_location", "delete", "import_methods", "list_all", "locations", "store_name", "usage"]


def store_name(store: Any) -> str:
    """Return the id of a store; otherwise raise."""
    if not re.fullmatch(r"[!-+\--~]+", identifier("store", store)):
        raise ValueError(f"a store's id has visible ASCII characters and no comma, unlike {store!r}")
    return str(store)


def import_methods(dialect: Dialect) -> Call[tuple[str, ...]]:
    """GET /v2/info/import."""
    supported(dialect, Operation.STORES)
    return Call(method="GET", path="info/import", read=_codec.under(tuple[str, ...], "import-methods", "value"))


def list_all(dialect: Dialect, *, detail: bool) -> Call[list[Store]]:
    """GET /v2/info/stores, and with details /v2/info/stores/detail."""
    supported(dialect, Operation.STORES)
    return Call(
        method="GET",
        path="info/stores/detail" if detail else "info/stores",
        read=_codec.under(list[Store], "stores"),
    )


def usage(dialect: Dialect) -> Call[dict[str, Usage]]:
    """GET /v2/info/usage."""
    supported(dialect, Operation.STORES)
    return Call(
        method="GET",
        path="info/usage",
        read=_codec.under(dict[str, Usage], "usage"),
    )


def delete(dialect: Dialect, store: str, image_id: str) -> Call[None]:
    """DELETE /v2/stores/{store_id}/{image_id}."""
    supported(dialect, Operation.STORES)
    look = Call(method="GET", path=image_path(image_id), read=_without_data_in(store_name(store)))
    return Call(
        method="DELETE",
        path=path("stores", store) + "/" + image_path(image_id).removeprefix("images/"),
        ok=frozenset({204}),
        read=_codec.nothing,
        # Once only one store has them, the service refuses before it looks whether it is this one.
        landed={404: None, 403: look},
    )


def _without_data_in(store: str) -> Callable[[Reply], None]:
    read_image = _codec.one(Image)

    def read(reply: Reply) -> None:
        if store in read_image(reply).stores:
            raise NotLandedError

    return read


def locations(dialect: Dialect, image_id: str) -> Call[list[Location]]:
    """GET /v2/images/{image_id}/locations."""
    supported(dialect, Operation.STORES)
    return Call(
        method="GET",
        path=image_path(image_id, "locations"),
        read=_codec.under(list[Location]),
    )


def add_location(
    dialect: Dialect,
    image_id: str,
    url: str,
    *,
    hash_algo: str | None,
    hash_value: str | None,
) -> Call[None]:
    """POST /v2/images/{image_id}/locations."""
    supported(dialect, Operation.STORES)
    if not isinstance(url, str) or "://" not in url:
        raise ValueError("url is where a store finds the data, such as http://… or rbd://…")
    if (hash_algo is None) is not (hash_value is None):
        raise ValueError("hash_algo and hash_value go together")
    document: dict[str, Any] = {"url": url}
    if hash_algo is not None:
        document["validation_data"] = {"os_hash_algo": hash_algo, "os_hash_value": hash_value}
    return Call(
        method="POST",
        path=image_path(image_id, "locations"),
        body=_codec.dump(document),
        ok=frozenset({200, 202}),
        read=_codec.nothing,
        replay=Replay.AMBIGUOUS,
        secrets=(url,),
    )
