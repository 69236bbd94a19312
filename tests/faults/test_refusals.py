"""Faults 42 and 43: a service that asks for time, or says that something is too much."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from multidict import CIMultiDict

from aioimages import QuotaExceededError, RateLimitedError, RetryPolicy, ServerError
from faults.conftest import Stage, until

pytestmark = pytest.mark.anyio

# What takes seconds, and has nothing to do with the dialect.
of_one_dialect = pytest.mark.dialects("openstack")
SCHEMA = "/schemas/image$"
# The service's own clock is wrong: dates count from what it says that it is.
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)
DATES = [
    format_datetime(SOON, usegmt=True),
    SOON.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
    SOON.strftime("%a %b %e %H:%M:%S %Y"),
]


async def pause(stage: Stage, **fault: Any) -> float:
    """Return the seconds between a request that is refused so and the one that repeats it."""
    client = stage.client()
    await client.schemas.image()
    stage.faults.status(path=SCHEMA, **fault)
    await client.schemas.image()
    _, refused, repeated = stage.proxy.to("/schemas/image")
    return repeated.at - refused.at


@pytest.mark.fault(42)
@of_one_dialect
@pytest.mark.parametrize(
    ("said", "asked"),
    [
        *((date, 1.0) for date in DATES),
        ("1", 1.0),
        (" 1 ", 1.0),
        ("1.5", 1.5),
    ],
    ids=str,
)
async def test_retry_after(stage: Stage, said: str, asked: float) -> None:
    """A time that a service names, in any of HTTP's forms, passes before the call is repeated, or a fifth more."""
    headers = {"Retry-After": said, "Date": format_datetime(NOW, usegmt=True)}
    assert asked - 0.01 <= await pause(stage, status=503, headers=headers) < asked * 1.2 + 2


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "said",
    [
        "0",
        format_datetime(NOW - timedelta(hours=1), usegmt=True),
        "-5",
        "nan",
        "inf",
        "1e9",
        "soon",
        "",
        "1, 2",
        "\u0661",
        "Wed, 31 Feb 2026 25:61:61 GMT",
    ],
    ids=ascii,
)
async def test_retry_after_without_sense(stage: Stage, said: str) -> None:
    """A time that is past, negative or no time leaves the client to its own pause."""
    headers = {"Retry-After": said, "Date": format_datetime(NOW, usegmt=True)}
    assert await pause(stage, status=503, headers=headers) < 5


@pytest.mark.fault(42)
async def test_two_retry_afters(stage: Stage) -> None:
    """Of two times the first is meant."""
    headers = CIMultiDict([("Retry-After", "1"), ("Retry-After", "3600")])
    assert 0.99 <= await pause(stage, status=503, headers=headers) < 5


@pytest.mark.fault(42)
@pytest.mark.parametrize("status", [429, 413, 503])
@pytest.mark.parametrize(
    "said",
    ["61", "1000000000", "9" * 400, format_datetime(NOW + timedelta(hours=2), usegmt=True)],
    ids=["61", "1e9", "400 digits", "date"],
)
async def test_retry_after_too_long(stage: Stage, status: int, said: str) -> None:
    """A service that asks for more time than may be waited for is an error at once, with the time in it."""
    client = stage.client()
    await client.schemas.image()
    headers = {"Retry-After": said, "Date": format_datetime(NOW, usegmt=True), "X-OpenStack-Request-ID": "req-1"}
    fault = stage.faults.status(status, headers=headers, path=SCHEMA, times=None)
    with pytest.raises(ServerError if status == 503 else RateLimitedError) as raised:
        await client.schemas.image()
    assert fault.hits == 1
    assert raised.value.request_id == "req-1"
    assert raised.value.retry_after == (float(said) if said.isdigit() else 7200.0)


LIMITS = [
    (429, {"Retry-After": "1"}, b""),
    (413, {"Retry-After": "1"}, b""),
    (413, {}, b'{"overLimit": {"code": 413, "message": "Slow down", "retryAfter": 1}}'),
    (429, {}, b'{"overLimit": {"code": 429, "message": "Slow down", "retryAfter": "1"}}'),
]


@pytest.mark.fault(43)
@pytest.mark.parametrize(("status", "headers", "body"), LIMITS)
async def test_rate_limit(stage: Stage, status: int, headers: dict[str, str], body: bytes) -> None:
    """A rate limit is waited for as long as the service says, in the header or in the fault; the call then goes on."""
    assert 0.99 <= await pause(stage, status=status, headers=headers, body=body) < 4


@pytest.mark.fault(43)
@pytest.mark.parametrize("status", [429, 413])
async def test_rate_limit_without_a_time(stage: Stage, status: int) -> None:
    """A rate limit that names no time is waited for by the client's own measure."""
    body = b'{"code": 413, "message": "OverLimit Retry..."}'
    assert await pause(stage, status=status, body=body) < 5


@pytest.mark.fault(43)
async def test_rate_limit_that_stays(stage: Stage) -> None:
    """A rate limit that does not end is a `RateLimitedError` when all attempts are made."""
    client = stage.client(retry=RetryPolicy(attempts=3, base=0.01))
    await client.schemas.image()
    fault = stage.faults.status(429, headers={"Retry-After": "0"}, path=SCHEMA, times=None)
    with pytest.raises(RateLimitedError) as raised:
        await client.schemas.image()
    assert (fault.hits, raised.value.retry_after) == (3, 0.0)


@pytest.mark.fault(43)
@of_one_dialect
@pytest.mark.parametrize(("status", "headers", "body"), LIMITS[:3])
async def test_peace_for_all(stage: Stage, status: int, headers: dict[str, str], body: bytes) -> None:
    """A service that names a time is left alone until then by all calls of the client."""
    image = await stage.world.make_image()
    client = stage.client()
    await client.images.get(image.id)
    fault = stage.faults.status(status, headers=headers, body=body, path=SCHEMA)
    refused = asyncio.create_task(client.schemas.image())
    await until(lambda: fault.hits and not client._session._exchange._limiter.in_flight)
    begun_at = time.monotonic()
    await asyncio.gather(refused, *(client.images.get(image.id) for _ in range(20)))
    limited = stage.proxy.to("/schemas/image")[0]
    after = [one.at for one in stage.proxy.requests if one.at > limited.at]
    assert begun_at < limited.at + 1
    assert min(after) >= limited.at + 0.99
    assert len(after) == 21


@pytest.mark.fault(43)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "413"),
        (b'{"message": "The limit has been exceeded on the number of allowed image tags."}', "has been exceeded"),
        (b'{"code": 413, "message": "OverLimit: you exceed your quota of images"}', "exceed your quota"),
        (b"<html><body><h1>413 Request Entity Too Large</h1>Denying attempt to upload</body></html>", "Denying"),
    ],
)
async def test_quota(stage: Stage, body: bytes, words: str) -> None:
    """A quota that is used up is a `QuotaExceededError` at once: waiting does not help."""
    client = stage.client()
    await client.schemas.image()
    fault = stage.faults.status(413, headers={"X-OpenStack-Request-ID": "req-1"}, body=body, path=SCHEMA, times=None)
    with pytest.raises(QuotaExceededError, match=words) as raised:
        await client.schemas.image()
    assert (fault.hits, raised.value.request_id) == (1, "req-1")
