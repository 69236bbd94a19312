"""How the services say no: each in its own form."""

import html
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

__all__ = ["Refusal", "glance_answer", "keystone_answer", "rackspace_answer"]

_FAULTS: Final = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflict",
    413: "overLimit",
    415: "badMediaType",
    500: "instanceFault",
    503: "serviceUnavailable",
}


class Refusal(Exception):  # noqa: N818  # what a service says, not what went wrong in it
    """A request that the service refuses."""

    def __init__(self, status: int, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def _json(status: int, body: object, headers: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)


def rackspace_answer(refusal: Refusal) -> web.Response:
    """Say no as Rackspace does: JSON under one key that names the fault."""
    fault: dict[str, object] = {"code": refusal.status, "message": refusal.message}
    if "Retry-After" in refusal.headers:
        fault["retryAfter"] = refusal.headers["Retry-After"]
    return _json(refusal.status, {_FAULTS.get(refusal.status, "fault"): fault}, refusal.headers)


def keystone_answer(refusal: Refusal) -> web.Response:
    """Say no as Keystone does."""
    title = HTTPStatus(refusal.status).phrase
    error = {"code": refusal.status, "message": refusal.message, "title": title}
    return _json(refusal.status, {"error": error}, refusal.headers)


def glance_answer(refusal: Refusal, accept: str) -> web.Response:
    """Say no as Glance does: in JSON, HTML or text, as the request prefers."""
    title = HTTPStatus(refusal.status).phrase
    code = f"{refusal.status} {title}"
    if "application/json" in accept:
        said = {
            "message": f"{html.escape(refusal.message, quote=False)}<br /><br />\n\n\n",
            "code": code,
            "title": title,
        }
        return _json(refusal.status, said, refusal.headers)
    if "html" in accept or "*/*" in accept:
        page = (
            f"<html>\n <head>\n  <title>{code}</title>\n </head>\n <body>\n  <h1>{code}</h1>\n"
            f"  {html.escape(refusal.message)}<br /><br />\n\n\n\n </body>\n</html>"
        )
        return web.Response(status=refusal.status, text=page, content_type="text/html", headers=refusal.headers)
    text = f"{code}\n\n{refusal.message}\n\n"
    return web.Response(status=refusal.status, text=text, content_type="text/plain", headers=refusal.headers)
