"""The embedded cloud's Cloud Files: what real Swift does, asked of the emulator."""

import hashlib
import re
from typing import Any

import aiohttp
import pytest

from aioimages.emulator import Emulator

from .conftest import Answer, Asker

pytestmark = pytest.mark.anyio

TEXT = {"Accept": "*/*"}
DIGITS = b"0123456789"
FAR = "4000000000"


def md5(data: bytes) -> str:
    """Return a digest as Swift writes it."""
    return hashlib.md5(data).hexdigest()


async def put(asker: Asker, path: str, data: bytes = b"data", **headers: str) -> Answer:
    """Put an object, into a container that is made."""
    await asker.cloud_files("PUT", path.partition("/")[0])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await asker.cloud_files("PUT", path, data=data, headers=named)


def names(answer: Answer) -> list[str]:
    """Return what is listed."""
    return [entry.get("name", entry.get("subdir")) for entry in answer.json]


async def test_containers(asker: Asker) -> None:
    """A container is made once, is told of, and goes when it is empty."""
    for method, path, status in (
        ("PUT", "disks", 201),
        ("PUT", "disks", 202),
        ("PUT", "disks/a.vhd", 201),
        ("DELETE", "disks", 409),
        ("HEAD", "disks", 204),
        ("DELETE", "disks/a.vhd", 204),
        ("DELETE", "disks/a.vhd", 404),
        ("POST", "disks", 204),
        ("DELETE", "disks", 204),
        ("DELETE", "disks", 404),
        ("GET", "disks", 404),
        ("HEAD", "disks", 404),
        ("POST", "disks", 404),
        ("PUT", "n" * 256, 201),
        ("PUT", "n" * 257, 400),
        ("PUT", "bad%FF", 412),
        ("PATCH", "disks", 405),
        ("PUT", "", 405),
        ("HEAD", "", 204),
    ):
        assert (await asker.cloud_files(method, path)).status == status, (method, path)


async def test_what_is_said_of_a_container(asker: Asker) -> None:
    """A container knows how much is in it, and keeps what is said of it until it is said to be nothing."""
    await asker.cloud_files("PUT", "disks", headers={"X-Container-Meta-Colour": "red"})
    await put(asker, "disks/a", DIGITS)
    told = (await asker.cloud_files("HEAD", "disks")).headers
    assert (told["x-container-object-count"], told["x-container-bytes-used"]) == ("1", "10")
    assert told["x-container-meta-colour"] == "red"
    await asker.cloud_files("POST", "disks", headers={"X-Container-Meta-Colour": ""})
    assert "x-container-meta-colour" not in (await asker.cloud_files("HEAD", "disks")).headers


async def test_account(asker: Asker) -> None:
    """An account lists its containers by name, in pages, in JSON or as text, and says how much it has."""
    for container in ("b", "a b", "%C3%BC", "b.2"):
        await put(asker, f"{container}/o", DIGITS)
    told = await asker.cloud_files("GET", "?format=json", headers=TEXT)
    assert names(told) == ["a b", "b", "b.2", "ü"]
    assert told.headers["x-account-container-count"] == told.headers["x-account-object-count"] == "4"
    assert told.headers["x-account-bytes-used"] == "40"
    entry = told.json[0]
    assert (entry["count"], entry["bytes"]) == (1, 10)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", entry["last_modified"])
    assert names(await asker.cloud_files("GET", "?prefix=b")) == ["b", "b.2"]
    assert names(await asker.cloud_files("GET", "?marker=b&limit=1")) == ["b.2"]
    assert (await asker.cloud_files("GET", "?limit=2", headers=TEXT)).body == b"a b\nb\n"
    assert (await asker.swift("GET", "", headers=TEXT)).status == 204


async def test_accounts_of_others(asker: Asker) -> None:
    """Only one's own account can be used, under the name that it has in the cloud."""
    token, account = await asker.token(), asker.cloud.producer
    for place, status in (
        (f"rackspace/DFW/files/v1/{account.files_account}", 200),
        (f"openstack/RegionTwo/files/v1/AUTH_{account.tenant_id}", 200),
        (f"openstack/RegionOne/files/v1/{account.files_account}", 403),
        (f"rackspace/DFW/files/v1/{asker.cloud.consumer.files_account}", 403),
    ):
        assert (await asker.ask("GET", f"/{place}", token=token)).status == status, place


async def test_refusals(asker: Asker) -> None:
    """A refusal is a small page or a sentence, and every answer has an id to quote."""
    missing = await asker.cloud_files("GET", "missing")
    assert missing.body == b"<html><h1>Not Found</h1><p>The resource could not be found.</p></html>"
    assert re.fullmatch("tx[0-9a-f]{21}-[0-9a-f]{10}", missing.headers["x-trans-id"])
    assert missing.headers["x-openstack-request-id"] == missing.headers["x-trans-id"]
    assert (await asker.cloud_files("GET", "?limit=10001")).body == b"Maximum limit is 10000"
    assert "x-trans-id" in (await put(asker, "c/o")).headers
    unknown = await asker.ask("GET", f"/rackspace/DFW/files/v1/{asker.cloud.producer.files_account}")
    assert (unknown.status, unknown.body) == (401, b"The request you have made requires authentication.")


async def test_names(asker: Asker) -> None:
    """A name may have blanks, slashes, percent signs and any letters in it, and comes out as it went in."""
    spelled = {"a%20b.vhd": "a b.vhd", "d/%C3%BC": "d/ü", "x%2Fy": "x/y", "p%25+q": "p%+q", "%3Fq": "?q", "s/": "s/"}
    for written in spelled:
        assert (await put(asker, f"c/{written}", written.encode())).status == 201
    assert names(await asker.cloud_files("GET", "c")) == sorted(spelled.values())
    assert asker.cloud.objects(asker.cloud.producer, "c") == sorted(spelled.values())
    for written, name in spelled.items():
        assert (await asker.cloud_files("GET", f"c/{written}")).body == written.encode()
        assert asker.cloud.get_object(asker.cloud.producer, f"c/{name}") == written.encode()
    assert asker.cloud.objects(asker.cloud.producer, "missing") == []
    with pytest.raises(KeyError):
        asker.cloud.get_object(asker.cloud.producer, "c/missing")


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("", ["a", "d/1", "d/2", "e/x", "f"]),
        ("prefix=d/", ["d/1", "d/2"]),
        ("marker=d/1", ["d/2", "e/x", "f"]),
        ("marker=d/1&limit=1", ["d/2"]),
        ("end_marker=d/2", ["a", "d/1"]),
        ("delimiter=/", ["a", "d/", "e/", "f"]),
        ("delimiter=/&prefix=d/", ["d/1", "d/2"]),
        ("delimiter=/&marker=d/", ["e/", "f"]),
        ("delimiter=/&limit=2", ["a", "d/"]),
        ("limit=0", []),
        ("limit=many", ["a", "d/1", "d/2", "e/x", "f"]),
    ],
)
async def test_listings(asker: Asker, query: str, listed: list[str]) -> None:
    """A container lists its objects by name, from and up to one, with those below a beginning as one."""
    for name in ("f", "e/x", "d/2", "d/1", "a"):
        await put(asker, f"c/{name}")
    assert names(await asker.cloud_files("GET", f"c?{query}")) == listed
    text = await asker.cloud_files("GET", f"c?{query}", headers=TEXT)
    assert text.body.decode().splitlines() == listed
    assert text.status == (200 if listed else 204)


async def test_entries(asker: Asker) -> None:
    """An entry says what an object is, with a time that has no zone."""
    await put(asker, "c/a.txt", DIGITS, Content_Type="text/x")
    [entry] = (await asker.cloud_files("GET", "c?format=json")).json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", entry.pop("last_modified"))
    assert entry == {"name": "a.txt", "bytes": 10, "hash": md5(DIGITS), "content_type": "text/x"}
    assert (await asker.cloud_files("GET", "c?limit=10001")).status == 412


async def test_object(asker: Asker) -> None:
    """An object comes back with what was said of it, and its digest."""
    made = await put(asker, "c/a.txt", DIGITS, ETag=f'"{md5(DIGITS)}"', X_Object_Meta_Colour="red")
    assert (made.status, made.headers["etag"]) == (201, md5(DIGITS))
    for method, body in (("GET", DIGITS), ("HEAD", b"")):
        told = await asker.cloud_files(method, "c/a.txt")
        assert (told.status, told.body) == (200, body)
        facts = ("content-length", "content-type", "etag", "accept-ranges", "x-object-meta-colour")
        said = [told.headers[name] for name in facts]
        assert said == ["10", "application/octet-stream", md5(DIGITS), "bytes", "red"]
        assert told.headers["last-modified"].endswith("GMT")
        assert re.fullmatch(r"\d+\.\d{5}", told.headers["x-timestamp"])


async def test_guessed_type(asker: Asker) -> None:
    """The type of an object of which nothing is said follows from its name."""
    asker.cloud.put_object(asker.cloud.producer, "c/a.txt", b"text")
    asker.cloud.put_object(asker.cloud.producer, "c/a.unheard", b"disk")
    types = [entry["content_type"] for entry in (await asker.cloud_files("GET", "c")).json]
    assert types == ["text/plain", "application/octet-stream"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("missing/o", {}, 404),
        ("c/o", {"ETag": "wrong"}, 422),
        ("c/o", {"If-None-Match": "*"}, 201),
        ("c/there", {"If-None-Match": "*"}, 412),
        ("c/there", {"If-None-Match": "abc"}, 400),
        ("c/" + "n" * 1024, {}, 201),
        ("c/" + "n" * 1025, {}, 400),
        ("c/o", {"X-Delete-After": "soon"}, 400),
        ("c/o", {"X-Delete-After": "0"}, 400),
        ("c/o", {"X-Delete-At": "1"}, 400),
        ("c/o", {"X-Delete-At": FAR}, 201),
        ("c/o", {"X-Copy-From": "c/there"}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_puts(asker: Asker, path: str, headers: dict[str, str], status: int) -> None:
    """An object is kept, or refused for what is wrong with what is said of it."""
    await put(asker, "c/there")
    answer = await asker.cloud_files("PUT", path, data=b"data", headers=headers)
    assert answer.status == status
    stored = (await asker.cloud_files("HEAD", path)).status == 200
    assert stored is (status == 201 or path == "c/there")


async def test_lengths(asker: Asker) -> None:
    """A body has a length or comes in chunks, and what breaks off is not kept."""
    await put(asker, "c/there")
    for name, rest, line in (
        ("none", b"\r\n", b"HTTP/1.1 411 Length Required\r\n"),
        ("chunks", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"HTTP/1.1 201 Created\r\n"),
        ("short", b"Content-Length: 9\r\n\r\nabc", None),
        ("cut", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", None),
    ):
        said = await asker.send_raw("PUT", f"c/{name}", rest, breaks_off=line is None)
        assert said == (line or b""), name
    assert names(await asker.cloud_files("GET", "c")) == ["chunks", "there"]
    assert (await asker.cloud_files("GET", "c/chunks")).body == b"abc"


async def test_large_bodies() -> None:
    """What is larger than an object may be is refused, whether its length is said or not, and so is a copy."""
    async with Emulator(base_images=False, object_limit_bytes=8) as cloud, aiohttp.ClientSession() as session:
        asker = Asker(cloud, session)

        async def chunks() -> Any:
            yield b"12345"
            yield b"6789"

        assert (await put(asker, "c/a", b"12345678")).status == 201
        assert (await put(asker, "c/b", b"123456789")).status == 413
        assert (await asker.cloud_files("PUT", "c/c", data=chunks())).status == 413
        manifest = [{"path": "c/a"}, {"path": "c/a"}]
        assert (await asker.cloud_files("PUT", "c/d?multipart-manifest=put", json=manifest)).status == 201
        assert (await asker.cloud_files("COPY", "c/d", headers={"Destination": "c/e"})).status == 413
        assert cloud.objects(cloud.producer, "c") == ["a", "d"]


@pytest.mark.parametrize(
    ("asked", "status", "said", "body"),
    [
        ("bytes=1-2", 206, "bytes 1-2/10", b"12"),
        ("bytes=7-", 206, "bytes 7-9/10", b"789"),
        ("bytes=-2", 206, "bytes 8-9/10", b"89"),
        ("bytes=-20", 206, "bytes 0-9/10", DIGITS),
        ("bytes=8-100", 206, "bytes 8-9/10", b"89"),
        ("bytes=10-", 416, "bytes */10", None),
        ("bytes=-0", 416, "bytes */10", None),
        ("bytes=2-1", 200, None, DIGITS),
        ("bytes=x", 200, None, DIGITS),
        ("bytes=-", 200, None, DIGITS),
        ("lines=1-2", 200, None, DIGITS),
    ],
)
async def test_ranges(asker: Asker, asked: str, status: int, said: str | None, body: bytes | None) -> None:
    """A range is given out; what cannot be is refused, and what is not understood is everything."""
    await put(asker, "c/o", DIGITS)
    await put(asker, "c/part", DIGITS[:4])
    await put(asker, "c/rest", DIGITS[4:])
    await put(asker, "c/large?multipart-manifest=put", b'[{"path": "c/part"}, {"path": "c/rest"}]')
    for name in ("o", "large"):
        answer = await asker.cloud_files("GET", f"c/{name}", headers={"Range": asked})
        assert (answer.status, answer.headers.get("content-range")) == (status, said)
        assert body in {None, answer.body}
    assert (await asker.cloud_files("HEAD", "c/o", headers={"Range": asked})).status == 200


async def test_ranges_of_nothing(asker: Asker) -> None:
    """Of an empty object the end can be had, and nothing from anywhere on."""
    await put(asker, "c/empty", b"")
    for asked, status in (("bytes=-5", 200), ("bytes=0-", 416), ("bytes=-0", 416)):
        assert (await asker.cloud_files("GET", "c/empty", headers={"Range": asked})).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": md5(DIGITS)}, 200),
        ({"If-Match": f'"{md5(DIGITS)}"'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": md5(DIGITS)}, 304),
        ({"If-None-Match": "other"}, 200),
    ],
    ids=str,
)
async def test_conditions(asker: Asker, headers: dict[str, str], status: int) -> None:
    """An object is given out on conditions."""
    await put(asker, "c/o", DIGITS)
    for method in ("GET", "HEAD"):
        assert (await asker.cloud_files(method, "c/o", headers=headers)).status == status


async def test_posts(asker: Asker) -> None:
    """A POST replaces all that was said of an object, but keeps its type where it names none."""
    await put(asker, "c/o", Content_Type="text/x", X_Object_Meta_Colour="red", X_Delete_At=FAR)
    assert (await asker.cloud_files("HEAD", "c/o")).headers["x-delete-at"] == FAR
    # aiohttp would name a type by itself.
    plain: dict[str, Any] = {"headers": {"X-Object-Meta-Size": "big"}, "skip_auto_headers": ["Content-Type"]}
    assert (await asker.cloud_files("POST", "c/o", **plain)).status == 202
    told = (await asker.cloud_files("HEAD", "c/o")).headers
    assert (told["content-type"], told["x-object-meta-size"]) == ("text/x", "big")
    assert not {"x-object-meta-colour", "x-delete-at"} & told.keys()
    await asker.cloud_files("POST", "c/o", headers={"Content-Type": "text/y"})
    assert (await asker.cloud_files("HEAD", "c/o")).headers["content-type"] == "text/y"
    assert (await asker.cloud_files("POST", "c/missing")).status == 404


async def test_expiry(asker: Asker) -> None:
    """An object is gone when its time has come, wherever one looks for it."""
    cloud = asker.cloud
    await put(asker, "c/soon", X_Delete_After="60")
    await put(asker, "c/later", X_Delete_After="600")
    await put(asker, "c/stays")
    cloud.advance(61)
    for method in ("GET", "HEAD", "POST", "DELETE"):
        assert (await asker.cloud_files(method, "c/soon")).status == 404
    assert (await asker.cloud_files("COPY", "c/soon", headers={"Destination": "c/x"})).status == 404
    assert names(await asker.cloud_files("GET", "c")) == ["later", "stays"]
    assert (await asker.cloud_files("HEAD", "c")).headers["x-container-object-count"] == "2"
    await asker.cloud_files("DELETE", "c/stays")
    cloud.advance(600)
    assert cloud.objects(cloud.producer, "c") == []
    assert (await asker.cloud_files("DELETE", "c")).status == 204


async def test_copies(asker: Asker) -> None:
    """A copy has the data and what was said of the source, and what the request adds."""
    await put(asker, "c/a b", DIGITS, Content_Type="text/x", X_Object_Meta_Colour="red")
    there = {"Destination": "/c/to%20%C3%BC", "X-Object-Meta-Size": "big"}
    made = await asker.cloud_files("COPY", "c/a%20b", headers=there)
    assert (made.status, made.headers["etag"], made.headers["x-copied-from"]) == (201, md5(DIGITS), "c/a%20b")
    told = await asker.cloud_files("GET", "c/to%20%C3%BC")
    assert (told.body, told.headers["content-type"]) == (DIGITS, "text/x")
    assert (told.headers["x-object-meta-colour"], told.headers["x-object-meta-size"]) == ("red", "big")
    back = {"X-Copy-From": "c/a%20b", "X-Fresh-Metadata": "true", "Content-Type": "text/y"}
    assert (await asker.cloud_files("PUT", "c/fresh", headers=back)).status == 201
    told = await asker.cloud_files("HEAD", "c/fresh")
    assert (told.headers["content-type"], "x-object-meta-colour" in told.headers) == ("text/y", False)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("COPY", "c/o", {}, 412),
        ("COPY", "c/o", {"Destination": "c"}, 412),
        ("COPY", "c/o", {"Destination": "missing/x"}, 404),
        ("COPY", "c/missing", {"Destination": "c/x"}, 404),
        ("COPY", "missing/o", {"Destination": "c/x"}, 404),
        ("PUT", "c/x", {"X-Copy-From": "c"}, 412),
        ("PUT", "c/x", {"X-Copy-From": "c/missing"}, 404),
        ("PUT", "missing/x", {"X-Copy-From": "c/o"}, 404),
    ],
    ids=str,
)
async def test_copies_that_cannot_be(
    asker: Asker, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """A copy needs a source and a place to go to."""
    await put(asker, "c/o")
    assert (await asker.cloud_files(method, path, headers=headers)).status == status


async def test_faults(asker: Asker) -> None:
    """Faults strike Cloud Files as they do the other services."""
    await put(asker, "c/o", DIGITS)
    asker.cloud.faults.truncate(5, path="/files/v1/.*/c/o$")
    with pytest.raises(aiohttp.ClientError):
        await asker.cloud_files("GET", "c/o")
    asker.cloud.faults.drop_reply(method="PUT", path="c/lost$", times=None)
    with pytest.raises(aiohttp.ClientError):
        await put(asker, "c/lost")
    assert asker.cloud.objects(asker.cloud.producer, "c") == ["lost", "o"]
