"""An API operation as a value, the server's answer to it, and the one builder of paths."""

import enum
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import attrs

from aioimages._models import Token

__all__ = ["Body", "Call", "NotLandedError", "Replay", "Reply", "headers_of", "identifier", "is_unicode", "path"]

T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Such as a UUID: fit for a path as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,255}")


class Replay(enum.Enum):
    """What may be done when an answer did not come, or was a server error."""

    SAFE = "the request may be sent again: doing it twice is doing it once"
    AMBIGUOUS = "the request may have been carried out, and a second one would be carried out too"
    LOOK_FIRST = "whoever asked looks at what has become of it before it is sent again"


class NotLandedError(Exception):
    """What was looked up says that no earlier try was carried out; so the refusal of the repeated one holds."""


@attrs.frozen
class Body:
    """Data that is sent piece by piece.

    Attributes:
        open: Begins the data. It is called when there is a connection to send them on.
        size_bytes: How long they are, where that is known.
    """

    open: Callable[[], AsyncGenerator[bytes, None]] = attrs.field(repr=False)
    size_bytes: int | None


@attrs.frozen(slots=False)
class Reply:
    """What came back: the status, the headers (asked for by lower-case name), and the body as it was sent."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    url: str


@attrs.frozen(slots=False, kw_only=True)
class Call(Generic[T]):
    """One operation of the API: everything that is needed to ask for it and to understand the answer.

    Attributes:
        method: The HTTP method.
        path: The percent-encoded path below the service's versioned root.
        read: Makes the result of an accepted answer.
        ok: The statuses that accept.
        query: Parameters in order; names may repeat.
        headers: Headers beyond those that every request has. They may hold secrets.
        body: The JSON body, which may hold secrets, or data.
        replay: What may be done when the answer is lost.
        at_root: Whether the path stands beside the versioned root, not below it.
        landed: For a repeated request only: the statuses which say that an earlier try was carried out, and the call
            that then tells the result, or the result. The call's `read` raises `NotLandedError` where none was.
        secrets: What must not be shown should the server repeat it in an error.
    """

    method: str
    path: str
    read: Callable[[Reply], T] = attrs.field(repr=False)
    ok: frozenset[int] = frozenset({200})
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes | Body | None = attrs.field(default=None, repr=False)
    replay: Replay = Replay.SAFE
    at_root: bool = False
    landed: Mapping[int, "Call[T] | T"] = attrs.field(factory=dict, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


def identifier(kind: str, value: Any, *, longest: int = 255) -> str:
    """Return an id, tag or name that can stand as one segment of a path; otherwise raise, naming it."""
    if not isinstance(value, str):
        raise TypeError(f"{kind} is a str, not {type(value).__name__}")
    if len(value) <= longest and _PLAIN.fullmatch(value):
        return value
    if not value.strip():
        raise ValueError(f"{kind} is empty")
    if len(value) > longest:
        raise ValueError(f"{kind} has {len(value)} characters; at most {longest} are allowed")
    if _CONTROL.search(value):
        raise ValueError(f"{kind} contains a control character: {value!r}")
    if "/" in value or "\\" in value or value in {".", ".."}:
        raise ValueError(f"{kind} is not one segment of a path: {value!r}")
    if not is_unicode(value):
        raise ValueError(f"{kind} is not valid Unicode: {value!r}")
    return value


def is_unicode(text: str) -> bool:
    """Say whether a text can be sent: half of a surrogate pair cannot."""
    return not _SURROGATE.search(text)


def path(*segments: str) -> str:
    """Join checked segments into a path, each percent-encoded whole."""
    return "/".join([segment if _PLAIN.fullmatch(segment) else quote(segment, safe="") for segment in segments])


def headers_of(call: Call[Any], token: Token | None) -> dict[str, str]:
    """Return the headers of a call's request, with the token that it shows."""
    headers = dict(call.headers)
    if isinstance(call.body, Body):
        headers.setdefault("Content-Type", "application/octet-stream")
        if call.body.size_bytes is not None:
            headers["Content-Length"] = str(call.body.size_bytes)
    elif call.body is not None:
        headers.setdefault("Content-Type", "application/json")
    if token is not None:
        headers["X-Auth-Token"] = token.value
    return headers
