"""The embedded cloud in front of an object store that is not its own: here another embedded cloud's."""

import hashlib
from collections.abc import AsyncIterator

import aiohttp
import attrs
import pytest
from disks import fixed_vhd

from aioimages.emulator import Account, Emulator, ObjectStore

from .conftest import Asker

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * 16384  # more than is passed on whole


@attrs.frozen
class Pair:
    """A cloud in front of the store of another."""

    asker: Asker
    behind: Emulator

    @property
    def owner(self) -> Account:
        """Whose account of the store it is."""
        return self.behind.consumer


@pytest.fixture
async def pair(cloud: Emulator, asker: Asker) -> AsyncIterator[Pair]:
    """Return a cloud whose objects are in another one, under one account."""
    token = await asker.token(cloud.consumer)
    store = ObjectStore(f"{asker.base}/rackspace/ORD/files/v1/{cloud.consumer.files_account}", token)
    front = Emulator(base_images=False, task_seconds=(0.01, 0.02), object_store=store)
    async with front, aiohttp.ClientSession() as session:
        yield Pair(Asker(front, session), cloud)


def stored(pair: Pair, path: str) -> bytes:
    """Return what is in the store."""
    return pair.behind.get_object(pair.owner, path, region="ORD")


async def test_requests_are_passed_on(pair: Pair) -> None:
    """A request goes on with its path, query, headers and body, and with the store's token; the answer comes back."""
    asker = pair.asker
    assert (await asker.cloud_files("PUT", "c")).status == 201
    headers = {"X-Object-Meta-Colour": "red", "Content-Type": "text/x"}
    made = await asker.cloud_files("PUT", "c/a%20b%2Fc?x=%26", data=b"data", headers=headers)
    assert (made.status, made.headers["etag"]) == (201, hashlib.md5(b"data").hexdigest())
    sent = pair.behind.requests[-1]
    assert (sent.method, sent.query, sent.account) == ("PUT", "x=%26", "consumer")
    assert sent.path.endswith("/c/a%20b%2Fc")
    assert (sent.headers["content-type"], sent.headers["x-object-meta-colour"]) == ("text/x", "red")
    told = await asker.cloud_files("HEAD", "c/a%20b%2Fc")
    assert (told.headers["content-length"], told.headers["x-object-meta-colour"]) == ("4", "red")
    part = await asker.cloud_files("GET", "c/a%20b%2Fc", headers={"Range": "bytes=1-2"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"at", "bytes 1-2/4")
    assert (await asker.cloud_files("COPY", "c/a%20b%2Fc", headers={"Destination": "c/copy"})).status == 201
    assert [entry["name"] for entry in (await asker.swift("GET", "c?format=json")).json] == ["a b/c", "copy"]
    assert (await asker.cloud_files("DELETE", "c/copy")).status == 204
    assert (await asker.cloud_files("GET", "c/copy")).status == 404
    assert stored(pair, "c/a b/c") == b"data"


async def test_ids_of_answers(pair: Pair) -> None:
    """An answer of the store has an id to quote."""
    answer = await pair.asker.cloud_files("GET", "missing")
    assert (answer.status, answer.headers["x-trans-id"][:2]) == (404, "tx")


async def test_tokens(pair: Pair) -> None:
    """The caller's token is looked at before the store is asked, and so is the account."""
    place = "/rackspace/DFW/files/v1"
    before = pair.behind.count()
    mine, theirs = pair.asker.cloud.producer.files_account, pair.asker.cloud.consumer.files_account
    assert (await pair.asker.ask("GET", f"{place}/{mine}", token="unknown")).status == 401
    token = await pair.asker.token()
    assert (await pair.asker.ask("GET", f"{place}/{theirs}", token=token)).status == 403
    assert pair.behind.count() == before


async def test_large_bodies(pair: Pair) -> None:
    """A large body goes through in both directions, with its length or in chunks."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 2**18):
            yield LARGE[start : start + 2**18]

    await pair.asker.cloud_files("PUT", "c")
    length = {"Content-Length": str(len(LARGE))}
    for name, headers in (("sized", length), ("chunks", {})):
        assert (await pair.asker.cloud_files("PUT", f"c/{name}", data=chunks(), headers=headers)).status == 201
        assert pair.behind.requests[-1].headers.get("content-length") == headers.get("Content-Length")
        assert stored(pair, f"c/{name}") == LARGE
        assert (await pair.asker.cloud_files("GET", f"c/{name}")).body == LARGE


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
async def test_broken_uploads(pair: Pair, framing: bytes) -> None:
    """A body that breaks off on its way is not kept."""
    await pair.asker.cloud_files("PUT", "c")
    await pair.asker.send_raw("PUT", "c/broken", framing, breaks_off=True)
    assert pair.behind.objects(pair.owner, "c", region="ORD") == []


@pytest.mark.parametrize("length", [1000, 3 * 2**20])
async def test_broken_downloads(pair: Pair, length: int) -> None:
    """An answer that breaks off in the store breaks off here."""
    pair.behind.put_object(pair.owner, "c/o", LARGE, region="ORD")
    pair.behind.faults.truncate(length, path="/c/o$")
    with pytest.raises(aiohttp.ClientError):
        await pair.asker.cloud_files("GET", "c/o")


async def test_faults(pair: Pair) -> None:
    """Faults strike here too, before the store is asked and after it has answered."""
    faults = pair.asker.cloud.faults
    await pair.asker.cloud_files("PUT", "c")
    faults.status(503, path="/c/o$")
    assert (await pair.asker.cloud_files("PUT", "c/o", data=b"data")).status == 503
    assert pair.behind.objects(pair.owner, "c", region="ORD") == []
    faults.drop_reply(path="/c/o$", times=None)
    with pytest.raises(aiohttp.ClientError):
        await pair.asker.cloud_files("PUT", "c/o", data=b"data")
    assert stored(pair, "c/o") == b"data"


async def test_tasks(pair: Pair) -> None:
    """Disks are imported from the store and exported to it, byte for byte."""
    disk, asker = fixed_vhd(2**20), pair.asker
    pair.behind.put_object(pair.owner, "parts/a b", disk[:4096], region="ORD")
    pair.behind.put_object(pair.owner, "parts/\xfc", disk[4096:], region="ORD")
    manifest = b'[{"path": "parts/a b"}, {"path": "parts/\xc3\xbc"}]'
    assert (await asker.cloud_files("PUT", "parts/web%3F.vhd?multipart-manifest=put", data=manifest)).status == 201
    details = {"import_from": "parts/web?.vhd", "image_properties": {"name": "web"}}
    done = await asker.task("import", details)
    assert done["status"] == "success", done
    wanted = {"image_uuid": done["result"]["image_id"], "receiving_swift_container": "exports"}
    missing = await asker.task("export", wanted)
    assert "container does not exist" in missing["message"]
    await asker.cloud_files("PUT", "exports")
    exported = await asker.task("export", wanted)
    assert stored(pair, exported["result"]["export_location"]) == disk
    again = await asker.task("export", wanted)
    assert "Swift already has an object with id" in again["message"]
    nothing = await asker.task("import", {**details, "import_from": "parts/missing.vhd"})
    assert "Possible invalid location" in nothing["message"]


async def test_store_that_refuses(pair: Pair) -> None:
    """A task fails where the store cannot be used, or an object breaks off on its way."""
    pair.behind.put_object(pair.owner, "disks/web.vhd", fixed_vhd(), region="ORD")
    pair.behind.faults.truncate(1000, path="web.vhd$")
    details = {"import_from": "disks/web.vhd", "image_properties": {"name": "web"}}
    for _ in ("broken", "refused"):
        failed = await pair.asker.task("import", details)
        assert (failed["status"], "currently unavailable" in failed["message"]) == ("failure", True)
        pair.behind.revoke_tokens()
    assert (await pair.asker.cloud_files("GET", "")).status == 401


async def test_store_that_is_not_there() -> None:
    """Without its store, Cloud Files is unavailable."""
    store = ObjectStore("http://127.0.0.1:9/v1/AUTH_x", "secret")
    async with Emulator(base_images=False, object_store=store) as cloud, aiohttp.ClientSession() as session:
        answer = await Asker(cloud, session).cloud_files("GET", "c")
        assert (answer.status, b"currently unavailable" in answer.body) == (503, True)


async def test_objects_elsewhere(pair: Pair) -> None:
    """The cloud's own ways to objects do not pretend that they are here."""
    cloud = pair.asker.cloud
    with pytest.raises(RuntimeError, match="object store that was given"):
        cloud.put_object(cloud.producer, "c/o", b"data")
    with pytest.raises(RuntimeError, match="object store that was given"):
        cloud.get_object(cloud.producer, "c/o")


def test_no_token_is_shown() -> None:
    """The `repr` of a store has no token in it."""
    assert repr(ObjectStore("http://swift/v1/AUTH_x", "secret")) == "ObjectStore(url='http://swift/v1/AUTH_x')"
