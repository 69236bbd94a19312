"""A refusal, in whatever form it comes, as the exception that tells it: pure functions that return the error."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import orjson

from aioimages._call import Call, Reply
from aioimages._codec import origin
from aioimages._errors import (
    AioImagesError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NotFoundError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    StatusError,
    UnauthorizedError,
    UnsafeLinkError,
    UnsupportedMediaTypeError,
)
from aioimages._text import one_line
from aioimages._times import http_date, moment

__all__ = ["error_from", "request_id_in"]

LONGEST_DETAIL: Final = 200
LONGEST_PLACE: Final = 100
# What is looked at of what a server says: its sentence comes soon, or never.
_LOOKED_AT: Final = 16 * LONGEST_DETAIL
_REQUEST_ID_HEADERS: Final = ("x-openstack-request-id", "x-trans-id", "x-compute-request-id")
_CLASSES: Final = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    415: UnsupportedMediaTypeError,
    429: RateLimitedError,
}


def error_from(call: Call[Any], reply: Reply) -> AioImagesError:
    """Return the exception for an answer that the call does not accept (Images v2, "Faults")."""
    if 300 <= reply.status < 400:  # noqa: PLR2004  # redirects
        return _redirect_error(reply)
    if reply.status < 400:  # noqa: PLR2004  # accepted by HTTP, not by the API
        return ProtocolError(
            f"{reply.status} is no answer to {call.method} {urlsplit(reply.url).path}, {_listed(call.ok)} would be",
        )
    fault_name, fault = _fault_in(reply)
    detail = _detail(fault, reply)
    kind = _kind(reply, fault_name, detail)
    return kind(
        detail,
        status=reply.status,
        method=call.method,
        url=reply.url.partition("?")[0],
        request_id=request_id_in(reply.headers),
        retry_after=_retry_after(reply, fault),
        challenge=reply.headers.get("www-authenticate"),
    )


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """Return what to quote to the operator's support, where an answer's headers say it."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), None)


def _listed(statuses: frozenset[int]) -> str:
    return " or ".join(map(str, sorted(statuses)))


def _redirect_error(reply: Reply) -> ProtocolError:
    try:
        target = urljoin(reply.url, reply.headers.get("location", ""))
        scheme, host, port = origin(target)
        away = (scheme, host, port) != origin(reply.url)
    except ValueError:
        return UnsafeLinkError(f"{reply.status} redirects from {urlsplit(reply.url).path} to no valid URL")
    if away:
        there = one_line(f"{scheme}://{host}:{port}", LONGEST_PLACE)
        return UnsafeLinkError(
            f"{reply.status} redirects from {urlsplit(reply.url).path} to another origin, {there}; "
            "it is not followed, because the token stays with the service that issued it",
        )
    there = one_line(urlsplit(target).path, LONGEST_PLACE)
    return ProtocolError(f"{reply.status} redirects from {urlsplit(reply.url).path} to {there}; it is not followed")


def _kind(reply: Reply, fault_name: str, detail: str) -> type[StatusError]:
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        lowered = detail.lower()
        limited = (
            "retry-after" in reply.headers
            or fault_name == "overLimit"
            or (lowered.startswith("overlimit") and "exceed" not in lowered)
        )
        return RateLimitedError if limited else QuotaExceededError
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError
    return _CLASSES.get(reply.status, StatusError)


def _fault_in(reply: Reply) -> tuple[str, dict[str, Any]]:
    """Find the object that describes the fault: flat, or under the one key that names it."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return "", {}
    if not isinstance(body, dict):
        return "", {}
    if isinstance(body.get("message"), str):
        return "", body
    for name, fault in body.items():
        if isinstance(fault, dict):
            return name, fault
        if isinstance(fault, str) and len(body) == 1:
            return name, {"message": fault}
    return "", {}


def _detail(fault: dict[str, Any], reply: Reply) -> str:
    said = fault.get("message") or fault.get("details") or fault.get("title")
    text = said[:_LOOKED_AT] if isinstance(said, str) else ""
    if not fault:
        text = reply.body[:_LOOKED_AT].decode(errors="replace")
    sentence = _sentence(text)
    if not sentence:
        try:
            sentence = HTTPStatus(reply.status).phrase
        except ValueError:
            sentence = "without a word"
    return one_line(sentence, LONGEST_DETAIL)


def _sentence(text: str) -> str:
    """Boil HTML or text down to the one line that a person needs. In an error page it follows the heading."""
    if not re.search(r"<\s*(?:html|body|head|h1|!doctype)", text, re.IGNORECASE):
        return _plain(text)
    # What was cut off may have been in the middle of a tag.
    page = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^<>]*$", " ", text)
    below = re.search(r"(?is)</h1\s*>(.*)", page)
    title = re.search(r"(?is)<(?:title|h1)[^>]*>(.*?)</", page)
    return (below and _plain(below[1])) or _plain(title[1] if title else page)


def _plain(text: str) -> str:
    import html  # noqa: PLC0415  # its table is long, and few answers are refusals

    unmarked = html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return " ".join(one_line(unmarked, len(unmarked)).split())


def _retry_after(reply: Reply, fault: dict[str, Any]) -> float | None:
    """Read how many seconds to wait from the header, or from the fault, where either says so: a number, or a moment."""
    now = _moment_of(reply.headers.get("date", "")) or datetime.now(UTC)
    for said in (reply.headers.get("retry-after"), fault.get("retryAfter"), fault.get("retryAt")):
        text = str(said).strip() if isinstance(said, str | int | float) else ""
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return float(text)
        until = _moment_of(text)
        if until is not None:
            return max(0.0, (until - now).total_seconds())
    return None


def _moment_of(text: str) -> datetime | None:
    try:
        return http_date(text) or moment(text)
    except ValueError:
        return None
