"""How the services say no: each in its own form."""

import html
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

__all__ = ["FILES", "Refusal", "answer_to", "refused"]

FILES: Final = re.compile("/[^/]+/[^/]+/files/v1/")  # where Cloud Files is

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
_COMPUTE_FAULTS: Final = {**_FAULTS, 409: "conflictingRequest", 429: "overLimit"}
# What Swift says when it has nothing more to say.
_PAGES: Final = {
    400: ("Bad Request", "The server could not comply with the request since it is either malformed or incorrect."),
    401: ("Unauthorized", "This server could not verify that you are authorized to access the document you requested."),
    403: ("Forbidden", "Access was denied to this resource."),
    404: ("Not Found", "The resource could not be found."),
    405: ("Method Not Allowed", "The method is not allowed for this resource."),
    409: ("Conflict", "There was a conflict when trying to complete your request."),
    411: ("Length Required", "Content-Length header required."),
    412: ("Precondition Failed", "A precondition for this request was not met."),
    413: ("Request Entity Too Large", "The body of your request was too large for this server."),
    416: ("Requested Range Not Satisfiable", "The Range requested is not available."),
    422: ("Unprocessable Entity", "Unable to process the contained instructions"),
    499: ("Client Disconnect", "The client was disconnected during request."),
    503: ("Service Unavailable", "The server is currently unavailable. Please try again at a later time."),
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


def refused(status: int, *, headers: Mapping[str, str] | None = None) -> Refusal:
    """Return how Swift refuses when it has nothing more to say than the status."""
    return Refusal(status, _PAGES[status][1], headers=headers)


def _rackspace(refusal: Refusal, _: str) -> web.Response:
    """Say no as Rackspace does: JSON under one key that names the fault."""
    return _fault(refusal, _FAULTS)


def _compute(refusal: Refusal, _: str) -> web.Response:
    """Say no as Nova does, which has other names for some faults."""
    return _fault(refusal, _COMPUTE_FAULTS)


def _fault(refusal: Refusal, names: Mapping[int, str]) -> web.Response:
    fault: dict[str, object] = {"code": refusal.status, "message": refusal.message}
    if "Retry-After" in refusal.headers:
        fault["retryAfter"] = refusal.headers["Retry-After"]
    return _json(refusal.status, {names.get(refusal.status, "fault"): fault}, refusal.headers)


def _keystone(refusal: Refusal, _: str) -> web.Response:
    """Say no as Keystone does."""
    title = HTTPStatus(refusal.status).phrase
    error = {"code": refusal.status, "message": refusal.message, "title": title}
    return _json(refusal.status, {"error": error}, refusal.headers)


def _swift(refusal: Refusal, _: str) -> web.Response:
    """Say no as Swift does: a small page with the status's own sentence, and other sentences as they are."""
    title, sentence = _PAGES.get(refusal.status, (None, None))
    page = f"<html><h1>{title}</h1><p>{sentence}</p></html>"
    text, kind = (page, "text/html") if refusal.message == sentence else (refusal.message, "text/plain")
    headers = {"Content-Type": f"{kind}; charset=UTF-8", **refusal.headers}
    return web.Response(status=refusal.status, reason=title, body=text.encode(), headers=headers)


def _glance(refusal: Refusal, accept: str) -> web.Response:
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


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[Refusal, str], web.Response]], ...]] = (
    (FILES, _swift),
    (re.compile("/rackspace/[^/]+/servers/|/openstack/[^/]+/compute/"), _compute),
    (re.compile("/rackspace"), _rackspace),
    (re.compile("/openstack/identity"), _keystone),
    (re.compile(""), _glance),
)


def answer_to(path: str, accept: str, refusal: Refusal) -> web.Response:
    """Say no as the service at a path does, in the form that is accepted."""
    form = next(form for pattern, form in _FORMS if pattern.match(path))
    return form(refusal, accept)
