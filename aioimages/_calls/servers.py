"""Cloud Servers, as far as images are captured from them (Compute, "Servers", "Create image action")."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from aioimages import _codec
from aioimages._call import Call, Replay, Reply, identifier, path
from aioimages._models import Page, Server

__all__ = ["create_image", "list_page"]


def list_page() -> Call[Page[Server]]:
    """GET /servers."""
    read_servers = _codec.under(list[Server], "servers")

    def read(reply: Reply) -> Page[Server]:
        links = _codec.document(reply).get("servers_links")
        following = [link.get("href") for link in links if link.get("rel") == "next"] if isinstance(links, list) else []
        markers = parse_qs(urlsplit(str(following[0])).query).get("marker") if following else None
        servers = read_servers(reply)
        return Page(len(servers), [servers], markers[-1] if markers else None)

    return Call(method="GET", path="servers", read=read)


def create_image(server_id: str, name: str, metadata: Mapping[str, str] | None) -> Call[str]:
    """POST /servers/{server_id}/action with `createImage`; the answer names the image."""
    identifier("name", name)
    document = {"createImage": {"name": name, "metadata": dict(metadata or {})}}
    return Call(
        method="POST",
        path=path("servers", identifier("server_id", server_id), "action"),
        body=_codec.dump(document),
        ok=frozenset({202}),
        read=_read_image_id,
        replay=Replay.AMBIGUOUS,
    )


def _read_image_id(reply: Reply) -> str:
    """Read the image's id from the body, as newer versions have it, or from where `Location` leads to."""
    if reply.body.strip():
        return _codec.under(str, "image_id")(reply)
    location = urlsplit(reply.headers.get("location", "")).path
    found = re.fullmatch(r".*/images/([^/]+)/?", location)
    if found is None:
        raise _codec.undecodable(reply, "neither the body nor Location names the image")
    return identifier("image_id", found[1])
