"""Cloud Servers, as far as images are captured from them (Compute, "Servers", "Create image action")."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from aioimages import _codec
from aioimages._call import Call, Replay, Reply, identifier, path
from aioimages._models import Page, Server

__all__ = ["create_image", "list_page"]


@attrs.frozen(slots=False, kw_only=True)
class _Link:
    rel: str | None = None
    href: str | None = None


@attrs.frozen(slots=False, kw_only=True)
class _Servers:
    servers: tuple[Server, ...]
    servers_links: tuple[_Link, ...] = ()


def list_page() -> Call[Page[Server]]:
    """GET /servers."""
    return Call(method="GET", path="servers", read=_read_page)


def _read_page(reply: Reply) -> Page[Server]:
    found = _codec.one(_Servers)(reply)
    # Nova writes links of its own, which need not know of a proxy: only what they say of the marker is used.
    href = next((link.href for link in found.servers_links if link.rel == "next" and link.href), None)
    return Page(len(found.servers), [found.servers], _codec.marker(reply, href) if href else None)


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
    try:
        if reply.body.strip():
            return identifier("image_id", _codec.under(str, "image_id")(reply))
        found = re.fullmatch(r".*/images/([^/]+)/?", urlsplit(reply.headers.get("location", "")).path)
        if found is not None:
            return identifier("image_id", found[1])
    except ValueError:
        pass
    raise _codec.undecodable(reply, "neither the body nor Location names the image")
