"""Where a service is, and what time it is there."""

from datetime import datetime

import attrs

from aioimages._call import Call, Reply
from aioimages._times import http_date

__all__ = ["Place", "place"]


@attrs.frozen
class Place:
    """Where a service is, and what time it is there, where it tells."""

    url: str
    time: datetime | None


def place() -> Call[Place]:
    """GET /v2/images, for what its answer says beside the images: everybody may ask (Images v2, "List images")."""

    def read(reply: Reply) -> Place:
        return Place(reply.url.partition("?")[0].removesuffix("/images"), http_date(reply.headers.get("date", "")))

    return Call(method="GET", path="images", query=(("limit", "1"),), read=read)
