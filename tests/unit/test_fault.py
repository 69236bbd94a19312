"""Refusals, as exceptions."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import (
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
from aioimages._call import Reply
from aioimages._calls import images
from aioimages._fault import error_from

CALL = images.get("i-1")


def refused(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> AioImagesError:
    """Return the error for an answer."""
    return error_from(CALL, Reply(status, headers or {}, body, "https://cloud.example/v2/images/i-1?x=secret"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (405, StatusError),
        (409, ConflictError),
        (410, GoneError),
        (413, QuotaExceededError),
        (415, UnsupportedMediaTypeError),
        (418, StatusError),
        (429, RateLimitedError),
        (499, StatusError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_kinds(status: int, kind: type[StatusError]) -> None:
    """Each status has its class, and knows what was asked."""
    error = refused(status, b'{"message": "No."}', {"x-openstack-request-id": "req-abc"})
    assert type(error) is kind
    assert isinstance(error, StatusError)
    assert str(error) == f"{status} No. (GET /v2/images/i-1, req-abc)"
    assert (error.status, error.method, error.url, error.request_id, error.detail) == (
        status,
        "GET",
        "https://cloud.example/v2/images/i-1",
        "req-abc",
        "No.",
    )


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "retry_after"),
    [
        (413, {"retry-after": "7"}, b"", RateLimitedError, 7.0),
        (413, {}, b'{"overLimit": {"message": "x", "retryAfter": 9}}', RateLimitedError, 9.0),
        (413, {}, b'{"message": "OverLimit Retry..."}', RateLimitedError, None),
        (413, {}, b'{"message": "OverLimit: images exceed the quota"}', QuotaExceededError, None),
        (413, {}, b'{"message": "The limit has been exceeded"}', QuotaExceededError, None),
        (429, {"retry-after": "1.5"}, b"", RateLimitedError, 1.5),
        (429, {"retry-after": "-1"}, b"", RateLimitedError, None),
        (429, {"retry-after": "soon"}, b"", RateLimitedError, None),
        (
            429,
            {"retry-after": "Tue, 24 Nov 2026 05:06:17 GMT", "date": "Tue, 24 Nov 2026 05:06:07 GMT"},
            b"",
            RateLimitedError,
            10.0,
        ),
        (429, {"retry-after": "Tue, 24 Nov 2020 05:06:17 GMT"}, b"", RateLimitedError, 0.0),
        (
            413,
            {"date": "Tue, 24 Nov 2026 05:06:07 GMT"},
            b'{"overLimit": {"message": "x", "retryAt": "2026-11-24T05:06:37Z"}}',
            RateLimitedError,
            30.0,
        ),
        (503, {"retry-after": "3"}, b"", ServerError, 3.0),
    ],
)
def test_limits(
    status: int, headers: dict[str, str], body: bytes, kind: type[StatusError], retry_after: float | None
) -> None:
    """A rate limit is told from a quota, and says how long to wait in any of the ways that services have."""
    error = refused(status, body, headers)
    assert type(error) is kind
    assert isinstance(error, StatusError)
    assert error.retry_after == retry_after


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"message": "Not here.<br /><br />\\n\\n\\n", "code": "404 Not Found"}', "Not here."),
        (b'{"itemNotFound": {"code": 404, "message": "Not here."}}', "Not here."),
        (b'{"itemNotFound": {"code": 404, "details": "Not here."}}', "Not here."),
        (b'{"error": {"code": 404, "title": "Not Found", "message": "Not here."}}', "Not here."),
        (b'{"unauthorized": "Not here."}', "Not here."),
        (b'{"message": {"deep": 1}}', "Not Found"),
        (b'[{"message": "x"}]', '[{"message": "x"}]'),
        (b"{}", "{}"),
        (b"", "Not Found"),
        (b"404 Not Found\n\nNot here.\n", "404 Not Found Not here."),
        (b"<html><head><title>404</title></head><body><h1>404</h1>Not <b>here</b>.</body></html>", "Not here ."),
        (b"<html><title>Gone fishing</title></html>", "Gone fishing"),
        (b"<html><style>body {}</style><script>x()</script><body>Not here.</body></html>", "Not here."),
        (b"<!DOCTYPE html><h1>Oops</h1>", "Oops"),
        (b'{"message": "Not &lt;here&gt;.\\u0000\\u001b[31m"}', "Not <here>. [31m"),
        (b"\xff\xfe\xfd", "\ufffd\ufffd\ufffd"),
    ],
)
def test_details(body: bytes, detail: str) -> None:
    """Whatever form a refusal has, its sentence is one printable line."""
    error = refused(404, body)
    assert isinstance(error, StatusError)
    assert error.detail == detail


def test_long_details() -> None:
    """A sentence is cut at 200 characters."""
    error = refused(400, b'{"message": "' + b"x" * 5000 + b'"}')
    assert isinstance(error, StatusError)
    assert (len(error.detail), error.detail[-1]) == (200, "\u2026")


def test_status_without_a_name() -> None:
    """A status that HTTP has no words for, without any of the server's own, is told all the same."""
    assert str(refused(499)) == "499 without a word (GET /v2/images/i-1)"


def test_challenge() -> None:
    """How to sign in is kept, where the server says it."""
    error = refused(401, b"", {"www-authenticate": "OS-MF sessionId='x'"})
    assert isinstance(error, UnauthorizedError)
    assert error.challenge == "OS-MF sessionId='x'"


@pytest.mark.parametrize("name", ["x-openstack-request-id", "x-trans-id", "x-compute-request-id"])
def test_request_ids(name: str) -> None:
    """Each service's request id is found."""
    assert "req-9" in str(refused(404, b"", {name: "req-9"}))


@pytest.mark.parametrize(
    ("location", "kind", "words"),
    [
        ("https://elsewhere.example/x", UnsafeLinkError, "https://elsewhere.example:443"),
        ("http://cloud.example/x", UnsafeLinkError, "another origin"),
        ("https://[", UnsafeLinkError, "no valid URL"),
        ("/elsewhere", ProtocolError, "/elsewhere"),
        ("", ProtocolError, "not followed"),
    ],
)
def test_redirects(location: str, kind: type[AioImagesError], words: str) -> None:
    """A redirect is an error that says where it leads, and whether that is another origin."""
    error = refused(302, b"", {"location": location})
    assert type(error) is kind
    assert words in str(error)
    assert "secret" not in str(error)


def test_status_between() -> None:
    """A success of another kind than the API's is no answer."""
    error = refused(204)
    assert type(error) is ProtocolError
    assert str(error) == "204 is no answer to GET /v2/images/i-1, 200 would be"


@given(
    some.integers(300, 999),
    some.binary(max_size=300),
    some.dictionaries(some.sampled_from(["retry-after", "date", "location", "www-authenticate"]), some.text()),
)
def test_anything(status: int, body: bytes, headers: dict[str, Any]) -> None:
    """Whatever a server answers, the error is ours, and its text is one line."""
    error = refused(status, body, headers)
    assert isinstance(error, AioImagesError)
    assert "\n" not in str(error)


def test_request_id_of_any_kind() -> None:
    """Whatever a server gives as its request's id, the error is one printable line, and no longer than it need be."""
    error = refused(404, b"", {"x-trans-id": "tx\t\x1b[31m\udcff" + "9" * 5000})
    assert isinstance(error, StatusError)
    assert error.request_id is not None
    assert error.request_id.startswith("tx [31m 999")
    assert len(error.request_id) == 64
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "location", [f"https://{'x' * 5000}.example/", f"/{'x' * 5000}", "https://\u202e.example", "/\x1b"]
)
def test_redirects_of_any_kind(location: str) -> None:
    """A redirect to an endless or unprintable place is told in one line that is neither."""
    text = str(refused(302, b"", {"location": location}))
    assert text.isprintable()
    assert len(text) < 300


def test_endless_sentences() -> None:
    """A sentence of megabytes is not looked at to its end: what takes each part of a page out would take for ever."""
    said = "<html>" + "<script>" * 400_000
    error = refused(500, b'{"message": "' + said.encode() + b'"}')
    assert str(error) == "500 Internal Server Error (GET /v2/images/i-1)"


def test_times_that_are_none() -> None:
    """A time to wait that is neither number nor text, however deep it is, is none."""
    deep = b"[" * 900 + b"]" * 900
    error = refused(429, b'{"overLimit": {"message": "x", "retryAfter": ' + deep + b"}}")
    assert isinstance(error, RateLimitedError)
    assert error.retry_after is None
