"""Refusals and failures of any kind: always an error of ours, always one line."""

import pickle
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import AioImagesError, EndpointNotFoundError, StatusError, Task, UnsafeLinkError
from aioimages._auth.catalog import find_endpoint, has_version, refuse_plain_http, without_version
from aioimages._call import Reply
from aioimages._calls import images
from aioimages._errors import ConfigurationError
from aioimages._fault import error_from
from aioimages._models import CatalogEndpoint, Token
from aioimages._times import http_date
from aioimages._waiting import failure_of
from properties.documents import json_values, texts

CALL = images.get("i-1")
NUMBERS = some.from_regex(r"[+-]?\d{1,12}(\.\d{0,12})?([eE]\d{1,3})?")
HEADER = some.text() | NUMBERS | some.sampled_from(["inf", "nan", "Tue, 24 Nov 2026 05:06:17 GMT", "https://x/", "//x"])
HEADERS = some.dictionaries(
    some.sampled_from(
        ["retry-after", "date", "location", "www-authenticate", "x-openstack-request-id", "x-trans-id", "content-type"]
    ),
    HEADER,
)
MARKUP = some.lists(
    some.text(max_size=5) | some.sampled_from(["<h1>", "</h1>", "<html>", "<script", "</script>", "&lt;", "<"])
)
FAULTS = some.fixed_dictionaries(
    {},
    optional={
        "message": json_values() | texts(),
        "details": json_values(),
        "title": json_values(),
        "retryAfter": json_values() | NUMBERS,
        "retryAt": json_values() | HEADER.filter(str.isascii),
    },
)
BODIES = some.one_of(
    some.binary(max_size=300),
    MARKUP.map(lambda parts: "".join(parts).encode(errors="replace")),
    (json_values() | FAULTS | FAULTS.map(lambda fault: {"overLimit": fault})).map(orjson.dumps),
)


@given(some.integers(100, 999), BODIES, HEADERS)
def test_refusals(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever a server answers, the error is ours, in one printable line of 300 characters, and can be pickled."""
    error = error_from(CALL, Reply(status, headers, body, "https://cloud.example/v2/images/i-1?x=y"))
    assert isinstance(error, AioImagesError)
    text = str(error)
    assert text.isprintable()
    assert len(text) <= 300
    assert str(pickle.loads(pickle.dumps(error))) == text
    if isinstance(error, StatusError):
        assert error.status == status
        assert error.retry_after is None or 0 <= error.retry_after < 1e12
        assert len(error.detail) <= 200


@given(some.integers(0, 10**9 - 1) | some.floats(0, 10**6).map(lambda seconds: round(seconds, 3)))
def test_seconds_to_wait(seconds: float) -> None:
    """Seconds are read as they are said, in the header or in the fault, as a number or as its text."""
    for header, fault in (
        ({"retry-after": str(seconds)}, {}),
        ({}, {"retryAfter": seconds}),
        ({}, {"retryAfter": str(seconds)}),
    ):
        body = orjson.dumps({"overLimit": {"message": "x", **fault}})
        error = error_from(CALL, Reply(413, header, body, "https://cloud.example/v2/images/i-1"))
        assert isinstance(error, StatusError)
        assert error.retry_after == pytest.approx(seconds)


@given(some.integers(-(10**6), 10**6))
def test_moments_to_wait_for(seconds: int) -> None:
    """A moment to wait for counts from the server's own time, and one that is over is now."""
    date = http_date("Tue, 24 Nov 2026 05:06:07 GMT")
    assert date is not None
    said = format_datetime(date + timedelta(seconds=seconds), usegmt=True)
    headers = {"date": "Tue, 24 Nov 2026 05:06:07 GMT", "retry-after": said}
    error = error_from(CALL, Reply(503, headers, b"", "https://cloud.example/v2/images/i-1"))
    assert isinstance(error, StatusError)
    assert error.retry_after == max(0, seconds)


@given(json_values() | texts() | NUMBERS, texts(), texts())
def test_failed_tasks(message: Any, task_id: str, kind: str) -> None:
    """Whatever a service says of a failed task, the error is one printable line, and keeps what it said."""
    task = Task(id=task_id, status="failure", type=kind, message=message if isinstance(message, str) else None)
    error = failure_of(task)
    assert str(error).isprintable()
    assert error.reason == task.message


URLS = (
    some.text()
    | texts().map("https://{}".format)
    | some.sampled_from(["http://a/v2", "https://a/v2/t", "http://127.0.0.1"])
)
OFFERS = some.builds(
    CatalogEndpoint,
    some.just("image") | texts(),
    some.none() | some.sampled_from("AB"),
    some.just("public") | texts(),
    URLS,
)


@given(some.lists(OFFERS, max_size=4), some.none() | some.sampled_from("AB"))
def test_catalogs(offers: list[CatalogEndpoint], region: str | None) -> None:
    """Whatever a catalog has, it gives a URL that can be asked, or an error of ours."""
    token = Token(value="t", catalog=tuple(offers))
    try:
        url = find_endpoint(token, "image", region=region, interface="public")
        refuse_plain_http(url, "https://identity.example/v3")
    except (EndpointNotFoundError, ConfigurationError) as error:
        text = str(error)
    else:
        assert url.startswith(("https://", "http://127.0.0.1"))
        assert without_version(url) == url or has_version(url)
        return
    assert text.isprintable()


@given(some.text())
def test_redirects(location: str) -> None:
    """A redirect anywhere but to the same origin is an `UnsafeLinkError`, and none is followed."""
    error = error_from(CALL, Reply(302, {"location": location}, b"", "https://cloud.example/v2/images/i-1"))
    assert isinstance(error, AioImagesError)
    assert "not followed" in str(error) or isinstance(error, UnsafeLinkError)
