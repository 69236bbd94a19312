"""Faults 64 to 69: answers that are not what they should be."""

import gzip
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from aioimages import DecodeError, Image, ProtocolError, RetryPolicy, Task, TransportError
from faults.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator-openstack")]

IMAGE = {"id": "image-1", "name": "web", "status": "active", "size": 5, "tags": ["a"]}
ONCE = RetryPolicy(attempts=1)
JSON = "application/json"


async def _told(stage: Stage, answer: object, *, times: int | None = 2, **how: Any) -> Image:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    stage.faults.body(body, path="/images/image-1$", times=times, **{"content_type": JSON, **how})
    return await stage.client().images.get("image-1")


@pytest.mark.fault(64)
@pytest.mark.parametrize(
    ("answer", "content_type"),
    [
        (b"", JSON),
        (b"  \n", JSON),
        (b'{"id": "image-1", "na', JSON),
        (b'{"id": "image-1", "status": "active"', JSON),
        (b"<html><body>Welcome to the hotel's network</body></html>", "text/html"),
        (json.dumps(IMAGE).encode("utf-16"), JSON),
        ('{"id": "image-1", "status": "active", "name": "\xfc"}'.encode("latin-1"), JSON),
        (b"null", JSON),
        (b'"image"', JSON),
        (b"[]", JSON),
    ],
    ids=ascii,
)
async def test_no_answer_at_all(stage: Stage, answer: bytes, content_type: str) -> None:
    """It is asked for once more, and is then a `DecodeError` that says what came: never half an image."""
    with pytest.raises(DecodeError, match=r"\(answer of 200 from /.*/images/image-1\)"):
        await _told(stage, answer, content_type=content_type)
    assert len(stage.proxy.to("/images/image-1")) == 2


@pytest.mark.fault(64)
@pytest.mark.clouds("emulator", "live")
async def test_answer_that_is_well_the_second_time(stage: Stage) -> None:
    """A call that meets the page of a proxy in between succeeds when the service answers again."""
    image = await stage.world.make_image()
    stage.faults.body(b"<html>Just a moment</html>", path="/images/")
    assert await stage.client().images.get(image.id) == image


@pytest.mark.fault(64)
@pytest.mark.clouds("emulator", "live")
async def test_answer_to_a_change_that_is_garbled(stage: Stage) -> None:
    """A change whose answer is garbled is not sent again: it is a `DecodeError`, and the change is there."""
    image = await stage.world.make_image()
    stage.faults.change(body=lambda _: b"<html>done</html>", method="PATCH")
    with pytest.raises(DecodeError):
        await stage.client().images.update(image.id, {"name": "new"})
    assert len(stage.proxy.to(image.id, "PATCH")) == 1
    assert (await stage.world.producer.images.get(image.id)).name == "new"


@pytest.mark.fault(64)
async def test_byte_order_mark(stage: Stage) -> None:
    """JSON behind a byte order mark is JSON, whatever the content type says."""
    image = await _told(stage, b"\xef\xbb\xbf" + json.dumps(IMAGE).encode(), times=1, content_type="text/plain")
    assert image.name == "web"


@pytest.mark.fault(65)
@pytest.mark.parametrize(
    "size",
    ["1" * 5000, "NaN", "Infinity", "1e999", "-1e999", "[" * 100_000, '{"a":' * 100_000, "[" * 2000 + "]" * 2000],
    ids=lambda size: size[:8],
)
async def test_json_beyond_measure(stage: Stage, size: str) -> None:
    """Numbers and depths that JSON readers choke on are a `DecodeError`, at once."""
    with pytest.raises(DecodeError):
        await _told(stage, f'{{"id": "image-1", "status": "active", "size": {size}}}'.encode())


@pytest.mark.fault(65)
@pytest.mark.parametrize("half", [b"\\ud800", b"\\udc00x", b"\xed\xa0\x80"], ids=ascii)
async def test_half_a_character(stage: Stage, half: bytes) -> None:
    """Half of a surrogate pair is a `DecodeError`: no name comes out that could not be sent back."""
    with pytest.raises(DecodeError):
        await _told(stage, b'{"id": "image-1", "status": "active", "name": "%s"}' % half)


@pytest.mark.fault(65)
async def test_keys_that_come_twice(stage: Stage) -> None:
    """Of two equal keys the last one counts."""
    image = await _told(stage, b'{"id": "image-1", "status": "active", "name": "a", "name": "b"}', times=1)
    assert image.name == "b"


# What no field of a model takes.
WRONG: dict[str, object] = {"a word": "word", "a number": 5, "a fraction": 1.5, "a list": [{}], "an object": {"a": [1]}}
FIELDS = [
    (kind, field.metadata.get("wire", field.name))
    for kind in (Image, Task)
    for field in attrs.fields(kind)
    if field.metadata.get("wire", field.name)
]
WHOLE: dict[str, tuple[str, dict[str, object]]] = {
    "Image": ("/images/", {"id": "x", "status": "active"}),
    "Task": ("/tasks/", {"id": "x", "status": "success"}),
}


async def _one(stage: Stage, kind: type, document: dict[str, object]) -> Any:
    path, _ = WHOLE[kind.__name__]
    stage.faults.body(json.dumps(document).encode(), path=f"{path}x$", times=2)
    client = stage.client(retry=ONCE)
    try:
        return await (client.images.get("x") if kind is Image else client.tasks.get("x"))
    finally:
        await client.close()
        stage.faults.clear()
        stage.faults.all.clear()
        stage.injected += 1


@pytest.mark.fault(66)
@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
async def test_fields(stage: Stage, kind: type, name: str) -> None:
    """An odd value is understood or a `DecodeError` that names the field, a null is `None` or a default."""
    _, whole = WHOLE[kind.__name__]
    for value in WRONG.values():
        with suppress(DecodeError):
            await _one(stage, kind, {**whole, name: value})
    problems = [error for error in stage.raised if isinstance(error, DecodeError)]
    # Why a task failed is told in whatever form it comes.
    assert problems or name == "message"
    assert all(f"$.{name}" in str(problem) for problem in problems)
    without: dict[str, object] = {key: value for key, value in whole.items() if key != name}
    for document in ({**whole, name: None}, without):
        if name in whole:
            with pytest.raises(DecodeError, match=name):
                await _one(stage, kind, document)
        else:
            assert await _one(stage, kind, document)


@pytest.mark.fault(66)
async def test_strangers(stage: Stage) -> None:
    """Unknown keys are kept as properties, unknown words as they are."""
    answer = {**IMAGE, "status": "hibernating", "visibility": "secret", "colour": {"deep": [1]}, "empty": None}
    image = await _told(stage, answer, times=1)
    assert (image.status, image.visibility) == ("hibernating", "secret")
    assert image.properties == {"colour": {"deep": [1]}, "empty": None}


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-03-04T05:06:07Z", 0),
        ("2026-03-04T05:06:07+00:00", 0),
        ("2026-03-03T23:06:07-06:00", 0),
        ("2026-03-04T05:06:07.123Z", 123000),
        ("2026-03-04T05:06:07.123456", 123456),
        ("2026-03-04T05:06:07.123456789Z", 123456),
        ("2026-03-04T05:06:07", 0),
        ("2026-03-04 05:06:07 UTC", 0),
    ],
)
async def test_times(stage: Stage, text: str, microsecond: int) -> None:
    """Times are understood in every form that the services write, and always have their zone."""
    image = await _told(stage, {**IMAGE, "created_at": text}, times=1)
    assert image.created_at == datetime(2026, 3, 4, 5, 6, 7, microsecond, tzinfo=UTC)


@pytest.mark.fault(67)
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-04T24:00:00Z", datetime(2026, 3, 5, tzinfo=UTC)),
        ("2026-12-31T23:59:60Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("None", None),
        ("", None),
    ],
)
async def test_times_at_the_edge(stage: Stage, text: str, meant: datetime | None) -> None:
    """Midnight at a day's end and a leap second are the moment that they mean, no time is `None`."""
    assert (await _told(stage, {**IMAGE, "created_at": text}, times=1)).created_at == meant


@pytest.mark.fault(67)
@pytest.mark.parametrize("text", ["2026-02-30T00:00:00Z", "yesterday", "2026-13-01T00:00:00Z", "0"])
async def test_no_time(stage: Stage, text: str) -> None:
    """What is no time is a `DecodeError` that says where it stands."""
    with pytest.raises(DecodeError, match="created_at"):
        await _told(stage, {**IMAGE, "created_at": text})


GZIPPED = gzip.compress(json.dumps(IMAGE).encode())


@pytest.mark.fault(68)
@pytest.mark.parametrize(
    "body",
    [
        GZIPPED,
        gzip.compress(GZIPPED),
        gzip.compress(bytes(300 * 2**20), 1),
        GZIPPED[: len(GZIPPED) // 2],
        GZIPPED[:-8] + bytes(4) + GZIPPED[-4:],
    ],
    ids=["well", "twice", "bomb", "truncated", "damaged"],
)
async def test_compressed(stage: Stage, body: bytes) -> None:
    """Answers are asked for as they are, and one that is encoded all the same is a `ProtocolError`, not decoded."""
    client = stage.client()
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
        stage.faults.status(200, headers={"Content-Encoding": encoding}, body=body, path="/images/")
        with pytest.raises(ProtocolError, match="which was not asked for"):
            await client.images.get("image-1")
    assert stage.proxy.requests[-1].headers["Accept-Encoding"] == "identity"


@pytest.mark.fault(68)
async def test_compressed_refusal(stage: Stage) -> None:
    """A refusal that is encoded is a `ProtocolError`, too."""
    stage.faults.status(404, headers={"Content-Encoding": "gzip"}, body=GZIPPED, path="/images/")
    with pytest.raises(ProtocolError):
        await stage.client().images.get("image-1")


BODY = json.dumps(IMAGE).encode()


@pytest.mark.fault(69)
@pytest.mark.clouds("emulator", "live")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Endless: and so on\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 80\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(BODY) + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" + BODY,
        b"HTTP/1.1 two hundred\r\n\r\n" + BODY,
        b"HTTP/7 200 OK\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nX-Na\x00me: x\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n" + BODY,
        b"this is no HTTP\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda answer: ascii(answer[:40]),
)
async def test_no_http(stage: Stage, answer: bytes) -> None:
    """An answer that is no HTTP is a `ProtocolError`, its connection is closed, and the client goes on."""
    image = await stage.world.make_image()
    client = stage.client(retry=ONCE)
    stage.faults.raw(answer, path="/images/")
    with pytest.raises(ProtocolError, match="is no HTTP"):
        await client.images.get(image.id)
    assert await client.images.get(image.id) == image


@pytest.mark.fault(69)
@pytest.mark.clouds("emulator", "live")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + BODY,
    ],
    ids=lambda answer: ascii(answer[-40:]),
)
async def test_http_that_ends_early(stage: Stage, answer: bytes) -> None:
    """An answer that ends before its end is asked for again."""
    image = await stage.world.make_image()
    stage.faults.raw(answer, path="/images/")
    assert await stage.client().images.get(image.id) == image
    stage.faults.raw(answer, path="/images/")
    with pytest.raises((TransportError, ProtocolError)):
        await stage.client(retry=ONCE).images.get(image.id)
