"""`client.objects`: containers and objects, on the embedded cloud's Cloud Files and on a real Swift."""

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from breaking import Break, BreakingProxy, breaking_proxy, refusal
from clouds import World

from aioimages import (
    BadRequestError,
    ChecksumMismatchError,
    Client,
    ClientClosedError,
    ConflictError,
    DecodeError,
    NotFoundError,
    ProtocolError,
    RetryPolicy,
    SourceChangedError,
    StatusError,
    TransportError,
    UnreplayableBodyError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")

MIB = 2**20
DATA = os.urandom(100_000) * 50 + b"the end"
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
NAME = "a folder/disk 1.vhd"


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """Give a client with a container, and take away what is in its account afterwards."""
    client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(base=0.01, ceiling=0.05))
    await client.objects.create_container("disks")
    yield client
    async for container in client.objects.list_containers():
        for found in await client.objects.list(container.name).collect():
            with suppress(NotFoundError):  # a segment that went with its object
                await client.objects.delete(container.name, found.name)
        await client.objects.delete_container(container.name)


async def names(client: Client, prefix: str | None = None) -> list[str]:
    """Return what the objects are called."""
    return [found.name async for found in client.objects.list("disks", prefix=prefix)]


async def test_containers(client: Client) -> None:
    """Containers are made, found, counted and deleted."""
    await client.objects.create_container("disks")
    await client.objects.create_container("other things")
    listed = [container.name async for container in client.objects.list_containers()]
    assert {"disks", "other things"} <= set(listed)
    await client.objects.upload("disks", "a", b"12345")
    found = await client.objects.get_container("disks")
    assert (found.name, found.count, found.size_bytes) == ("disks", 1, 5)
    with pytest.raises(ConflictError):
        await client.objects.delete_container("disks")
    await client.objects.delete_container("other things")
    for ask in (client.objects.get_container, client.objects.delete_container):
        with pytest.raises(NotFoundError):
            await ask("other things")


async def test_objects(client: Client) -> None:
    """An object is stored, described, listed, fetched and deleted, whatever it is called."""
    stored = await client.objects.upload("disks", NAME, DATA, content_type="text/plain", metadata={"colour": "red"})
    assert (stored.name, stored.size_bytes, stored.etag, stored.is_large) == (NAME, len(DATA), MD5, False)
    found = await client.objects.get("disks", NAME)
    assert (found.size_bytes, found.etag, found.content_type) == (len(DATA), MD5, "text/plain")
    assert found.metadata == {"colour": "red"}
    (listed,) = await client.objects.list("disks").collect()
    assert (listed.name, listed.size_bytes, listed.etag) == (NAME, len(DATA), MD5)
    assert await client.objects.read("disks", NAME, 3, 10) == DATA[3:10]
    await client.objects.delete("disks", NAME)
    for ask in (client.objects.get, client.objects.delete):
        with pytest.raises(NotFoundError):
            await ask("disks", NAME)


async def test_listing(client: Client) -> None:
    """A listing goes on to its end, and can be narrowed by a prefix."""
    wanted = [f"{letter}/{number}" for letter in "ab" for number in range(5)]
    for name in wanted:
        await client.objects.upload("disks", name, b"x")
    assert [found.name async for found in client.objects.list("disks", page_size=3)] == wanted
    assert await names(client, "b/") == wanted[5:]
    assert len(await client.objects.list("disks", max_items=4).collect()) == 4
    with pytest.raises(NotFoundError):
        await client.objects.list("nowhere").collect()


async def test_copy(client: Client) -> None:
    """The service copies an object by itself."""
    await client.objects.upload("disks", NAME, DATA)
    await client.objects.copy("disks", NAME, "disks", "copy of it")
    assert (await client.objects.get("disks", "copy of it")).etag == MD5
    with pytest.raises(NotFoundError):
        await client.objects.copy("disks", "nothing", "disks", "copy")


async def test_download(client: Client, tmp_path: Path) -> None:
    """An object is fetched to a file, to an open file, and piece by piece, and checked in each case."""
    await client.objects.upload("disks", NAME, DATA)
    done = await client.objects.download("disks", NAME, tmp_path / "disk.vhd", parts=3)
    assert (done.key, done.hash_algo, done.hash_value, done.verified) == (f"disks/{NAME}", "md5", MD5, True)
    assert (tmp_path / "disk.vhd").read_bytes() == DATA
    buffer = io.BytesIO()
    await client.objects.download("disks", NAME, buffer)
    assert buffer.getvalue() == DATA
    async with client.objects.download("disks", NAME) as stream:
        assert b"".join([piece async for piece in stream]) == DATA
    (tmp_path / ".more.disks%2Fa%20folder%2Fdisk%201.vhd.part").write_bytes(DATA[:1000])
    done = await client.objects.download("disks", NAME, tmp_path / "more", resume=True)
    assert done.resumed_bytes == 1000


async def test_expiry(client: Client) -> None:
    """An object goes by itself when its time has come."""
    await client.objects.upload("disks", "brief", b"x", delete_after=1)
    found = await client.objects.get("disks", "brief")
    assert found.delete_at is not None
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.2)
            try:
                await client.objects.get("disks", "brief")
            except NotFoundError:
                break


def segments_of(stored: list[str]) -> list[str]:
    """Return the names of segments among others."""
    return [name for name in stored if ".segments/" in name]


async def test_large_object(client: Client, tmp_path: Path) -> None:
    """What is longer than a segment is stored in several, comes back whole, and goes whole."""
    path = tmp_path / "disk.vhd"
    path.write_bytes(DATA)
    stored = await client.objects.upload("disks", NAME, path, segment_bytes=MIB, delete_after=3600)
    assert (stored.size_bytes, stored.is_large) == (len(DATA), True)
    found = await client.objects.get("disks", NAME)
    assert (found.size_bytes, found.etag, found.is_large) == (len(DATA), stored.etag, True)
    assert len(segments_of(await names(client))) == 5
    for parts in (1, 3):
        done = await client.objects.download("disks", NAME, tmp_path / "back.vhd", parts=parts)
        assert (done.verified, done.size_bytes) == (True, len(DATA))
        assert (tmp_path / "back.vhd").read_bytes() == DATA
    await client.objects.delete("disks", NAME)
    assert await names(client) == []


async def pieces() -> AsyncIterator[bytes]:
    """Give the data in pieces."""
    for start in range(0, len(DATA), 300_000):
        yield DATA[start : start + 300_000]


@pytest.mark.parametrize("kind", ["file", "iterable", "whole"])
async def test_large_object_of_other_sources(client: Client, tmp_path: Path, kind: str) -> None:
    """So is what comes from an open file, or from what goes forward only, whether it is long or not."""
    path = tmp_path / "disk.vhd"
    path.write_bytes(b"skipped" + DATA)
    with path.open("rb") as file:
        file.seek(7)
        source: Any = {"file": file, "iterable": pieces(), "whole": pieces}[kind]
        size = {"file": MIB, "iterable": 1_200_000, "whole": 100 * MIB}[kind]
        await client.objects.upload("disks", NAME, source, segment_bytes=size)
    async with client.objects.download("disks", NAME) as stream:
        assert b"".join([piece async for piece in stream]) == DATA
    assert stream.result is not None
    assert stream.result.verified


async def test_large_object_over_another(client: Client) -> None:
    """A new object takes the place of a large one, and the old one's segments go."""
    await client.objects.upload("disks", NAME, DATA, segment_bytes=MIB)
    old = set(segments_of(await names(client)))
    await client.objects.upload("disks", NAME, DATA[::-1], segment_bytes=2 * MIB)
    new = set(segments_of(await names(client)))
    assert len(new) == 3
    assert not old & new
    await client.objects.upload("disks", NAME, b"small")
    assert await names(client) == [NAME]


@asynccontextmanager
async def through(client: Client) -> AsyncIterator[BreakingProxy]:
    """Put a proxy in front of Cloud Files, which the catalog does not know of."""
    session = client.objects._session
    url = await session._endpoint.url(await session._tokens.get(), session._exchange)
    async with breaking_proxy(url, data=r"(GET|PUT) \S+/disks/") as (breaking, proxied):
        session._endpoint._found = proxied
        try:
            yield breaking
        finally:
            session._endpoint._found = url


async def test_object_over_bad_connections(client: Client, tmp_path: Path) -> None:
    """An upload that meets 503, 401 and a cut stores exactly the source; a download goes on where it broke."""
    async with through(client) as breaking:
        breaking.plan([refusal(503), refusal(401), Break(up=MIB), Break(down=0)])
        await client.objects.upload("disks", NAME, DATA)
        breaking.plan([Break(down=MIB), Break(down=2 * MIB)])
        await client.objects.download("disks", NAME, tmp_path / "disk.vhd")
        assert breaking.left == 0
    assert (tmp_path / "disk.vhd").read_bytes() == DATA


async def test_upload_that_cannot_be_read_again(client: Client) -> None:
    """What can be read once only is sent once only, and no segment is left."""
    async with through(client) as breaking:
        breaking.plan([Break(), Break(up=500_000)])
        with pytest.raises(UnreplayableBodyError):
            await client.objects.upload("disks", NAME, pieces(), segment_bytes=MIB)
        assert breaking.left == 0
    assert await names(client) == []


@pytest.mark.parametrize("resume", [False, True])
async def test_upload_that_is_interrupted(client: Client, *, resume: bool) -> None:
    """A large upload that fails leaves nothing, or with `resume` its segments, which are not sent again."""
    async with through(client) as breaking:
        breaking.plan([Break(), Break(), refusal(403)])
        with pytest.raises(StatusError, match="403"):
            await client.objects.upload("disks", NAME, DATA, segment_bytes=MIB, parts=1, resume=resume)
        assert len(await names(client)) == (2 if resume else 0)
        breaking.requests = 0
        await client.objects.upload("disks", NAME, DATA, segment_bytes=MIB, parts=1, resume=resume)
        # The manifest is one more.
        assert breaking.requests == (4 if resume else 6)
    async with client.objects.download("disks", NAME) as stream:
        assert b"".join([piece async for piece in stream]) == DATA
    assert len(await names(client)) == 6


async def test_cancelled_upload(client: Client) -> None:
    """A large upload that is cancelled leaves no segment."""
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MIB)
            begun.set()
            await asyncio.sleep(0.01)

    uploading = asyncio.create_task(client.objects.upload("disks", NAME, endless(), segment_bytes=2 * MIB))
    await begun.wait()
    await asyncio.sleep(0.3)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert await names(client) == []


async def test_object_that_changes_meanwhile(client: Client, tmp_path: Path) -> None:
    """An object that is replaced while it is fetched is an error, and no mixture of both."""
    await client.objects.upload("disks", NAME, DATA)
    async with through(client) as breaking:
        breaking.plan([Break(down=MIB, how="stall")])
        downloading = asyncio.create_task(client.objects.download("disks", NAME, tmp_path / "disk.vhd"))
        await breaking.broken.wait()
        breaking.plan([])
        await client.objects.upload("disks", NAME, DATA[::-1])
        with pytest.raises(SourceChangedError):
            await downloading
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@emulator
async def test_data_that_arrive_damaged(world: World, client: Client) -> None:
    """An object of which the service has other data than were sent is an error, and is taken away again."""
    world.emulator.faults.status(201, headers={"Etag": "0" * 32}, method="PUT", path="/disks/")
    with pytest.raises(ChecksumMismatchError, match="has other data than were sent"):
        await client.objects.upload("disks", NAME, DATA)
    assert await names(client) == []


BAD_NAMES: list[tuple[str, str, str]] = [
    ("", "x", "container has 1 to 256 bytes"),
    ("a/b", "x", "no slash"),
    ("..", "x", "no place of its own"),
    ("c" * 257, "x", "container has 1 to 256 bytes"),
    ("c", "", "object has 1 to 1024 bytes"),
    ("c", "a/../b", "no place of its own"),
    ("c", "a\nb", "no place of its own"),
    ("c", "ü" * 600, "object has 1 to 1024 bytes"),
]


@pytest.mark.parametrize(("container", "name", "words"), BAD_NAMES)
async def test_bad_names(world: World, container: str, name: str, words: str) -> None:
    """A name that no object can have is refused, and nothing is sent."""
    objects = world.producer.objects
    for ask in (
        lambda: objects.get(container, name),
        lambda: objects.delete(container, name),
        lambda: objects.upload(container, name, b"x"),
        lambda: objects.download(container, name, io.BytesIO()),
        lambda: objects.read(container, name, 0, 1),
    ):
        with pytest.raises(ValueError, match=words):
            await ask()
    with pytest.raises(TypeError, match="is a str"):
        await objects.get("c", 5)  # type: ignore[arg-type]
    assert world.watch.requests == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"segment_bytes": 0}, ValueError, "segment_bytes is at least 1"),
        ({"segment_bytes": 6 * 2**30}, ValueError, "segment_bytes is at most"),
        ({"parts": 0}, ValueError, "parts is at least 1"),
        ({"delete_after": 0}, ValueError, "delete_after is at least 1"),
        ({"metadata": {"a": "b\r\nc"}}, ValueError, "is visible ASCII"),
        ({"content_type": "ü"}, ValueError, "is visible ASCII"),
    ],
)
async def test_bad_options(world: World, options: dict[str, Any], error: type[Exception], words: str) -> None:
    """What an object cannot be stored with is refused."""
    with pytest.raises(error, match=words):
        await world.producer.objects.upload("disks", "x", b"data", **options)
    assert world.watch.to("/disks/x") == []


async def test_account_without_the_container(world: World) -> None:
    """An object cannot be put where no container is."""
    with pytest.raises((NotFoundError, BadRequestError)):
        await world.producer.objects.upload("nowhere", "x", b"data")


@emulator
@pytest.mark.parametrize("is_lost", [True, False])
async def test_manifest_whose_answer_is_lost(world: World, client: Client, *, is_lost: bool) -> None:
    """An object whose making was not answered is looked for, and its segments stay where it is there."""
    await client.objects.upload("disks", "web", b"before")
    fault = world.emulator.faults.drop_reply if is_lost else world.emulator.faults.drop
    fault(method="PUT", path="/disks/web$", times=None)
    if is_lost:
        await client.objects.upload("disks", "web", DATA, segment_bytes=MIB)
    else:
        with pytest.raises(TransportError):
            await client.objects.upload("disks", "web", DATA, segment_bytes=MIB)
    world.emulator.faults.clear()
    buffer = io.BytesIO()
    await client.objects.download("disks", "web", buffer)
    assert buffer.getvalue() == (DATA if is_lost else b"before")
    assert len(segments_of(await names(client))) == (5 if is_lost else 0)


@emulator
async def test_answers_of_somebody_else(world: World, client: Client) -> None:
    """A page that something on the way answers with is no object, and no word that an object was deleted."""
    await client.objects.upload("disks", "web.vhd", b"12345678", segment_bytes=3)
    page = world.emulator.faults.body(b"<html>Sign in to this network</html>", method="HEAD", path="web.vhd$")
    with pytest.raises(DecodeError, match="hash"):
        await client.objects.delete("disks", "web.vhd")
    await client.objects.delete("disks", "web.vhd")
    assert not await client.objects.list("disks").collect()

    await client.objects.upload("disks", "small.vhd", b"1")
    other = world.emulator.faults.body(b"<html>Sign in to this network</html>", method="DELETE")
    with pytest.raises(ProtocolError, match="200 is no answer to DELETE"):
        await client.objects.delete("disks", "small.vhd")
    assert (page.hits, other.hits) == (1, 1)
    assert (await client.objects.get("disks", "small.vhd")).size_bytes == 1


@emulator
@pytest.mark.usefixtures("client")
async def test_closing_during_an_upload(world: World) -> None:
    """An upload that ends because its client is closed says what it leaves in the container."""
    other = world.client(world.credentials(world.site.producer))
    stalled = world.emulator.faults.hang(method="PUT", path="/000001$")
    uploading = asyncio.create_task(other.objects.upload("disks", "web.vhd", b"123456", segment_bytes=3, parts=1))
    while not stalled.hits:  # noqa: ASYNC110  # the cloud sets no event
        await asyncio.sleep(0.01)
    await other.close()
    with pytest.raises(ClientClosedError) as caught:
        await uploading
    assert ["left behind" in note for note in caught.value.__notes__] == [True]


async def test_what_belongs_to_others_stays(client: Client) -> None:
    """An upload deletes the segments of the object whose place it takes, and nothing else that is called alike."""
    await client.objects.upload("disks", "web.segments/readme.txt", b"mine")
    for _ in range(2):
        await client.objects.upload("disks", "web", DATA, segment_bytes=MIB)
    await client.objects.upload("disks", "web", b"small")
    assert await names(client) == ["web", "web.segments/readme.txt"]


async def test_segments_outlive_their_object(client: Client) -> None:
    """Segments live longer than the object that they are of; those that would not are sent again."""
    await client.objects.upload("disks", "web", DATA, segment_bytes=MIB, delete_after=3600)
    ends = (await client.objects.get("disks", "web")).delete_at
    (first, *_) = segments_of(await names(client))
    later = (await client.objects.get("disks", first)).delete_at
    assert ends is not None
    assert later is not None
    assert ends < later
    await client.objects.upload("disks", "web", DATA, segment_bytes=MIB, resume=True)
    kept = segments_of(await names(client))
    assert first not in kept
    assert {(await client.objects.get("disks", name)).delete_at for name in kept} == {None}


async def test_segments_that_are_too_many(client: Client) -> None:
    """More segments than the service takes in one object are refused before any is sent."""
    with pytest.raises(ValueError, match="more than 1000 segments"):
        await client.objects.upload("disks", "web", DATA, segment_bytes=1000)
    assert await names(client) == []


async def test_token_that_is_refused_in_the_middle(client: Client) -> None:
    """What can be read once only is not sent again with another token: the error says so."""
    async with through(client) as breaking:
        breaking.plan([Break(), Break(), refusal(401)])
        with pytest.raises(UnreplayableBodyError):
            await client.objects.upload("disks", NAME, pieces(), segment_bytes=MIB)
    assert await names(client) == []
