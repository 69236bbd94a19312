"""Image data over connections that break, stall, cut short and refuse."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from breaking import Break, BreakingProxy, breaking_proxy, refusal
from clouds import World

from aioimages import (
    Client,
    RetryPolicy,
    ServerError,
    TimeoutPolicy,
    UnauthorizedError,
    UnreplayableBodyError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

MIB = 2**20
DATA = os.urandom(MIB) * 8 + b"the end"
FAST = RetryPolicy(base=0.01, ceiling=0.05)


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[tuple[BreakingProxy, Client]]:
    """Give a proxy that breaks things, and a client behind it."""
    wire = await world.site.wire(world.site.producer)
    async with breaking_proxy(wire.root) as (proxy, endpoint):
        credentials = world.credentials(world.site.producer)
        client = world.client(credentials, endpoint=endpoint, retry=FAST, timeout=TimeoutPolicy(read=1.0))
        yield proxy, client
        assert proxy.left == 0
        await client.close()


Broken = tuple[BreakingProxy, Client]


async def pieces() -> AsyncIterator[bytes]:
    """Give the data in pieces."""
    for start in range(0, len(DATA), 100_000):
        yield DATA[start : start + 100_000]


def names(folder: Path) -> list[str]:
    """Return how it is called."""
    return [path.name for path in folder.iterdir()]


def sizes(folder: Path) -> list[int]:
    """Return how large it is."""
    return [path.stat().st_size for path in folder.iterdir()]


@pytest.mark.slow
async def test_download_that_is_cut_fifty_times(world: World, proxy: Broken, tmp_path: Path) -> None:
    """A large download goes on where it was cut, and fetches hardly anything twice."""
    breaking, _ = proxy
    # A patient one: a busy machine may take its time with so much.
    client = world.client(world.credentials(world.site.producer), endpoint=breaking.endpoint, retry=FAST)
    data = os.urandom(MIB) * 256
    image = await world.make_image(data=data)
    breaking.plan([Break(down=5 * MIB)] * 50)
    done = await client.images.download(image.id, tmp_path / "disk.raw")
    assert done.verified
    assert (tmp_path / "disk.raw").read_bytes() == data
    assert breaking.requests == 51
    assert breaking.received_bytes < 1.1 * len(data)
    await client.close()


@pytest.mark.parametrize("how", ["cut", "end", "stall"])
@pytest.mark.parametrize("parts", [1, 2])
async def test_download_over_bad_connections(world: World, proxy: Broken, tmp_path: Path, how: str, parts: int) -> None:
    """Connections that are reset, closed early or silent are made again."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    breaking.plan([Break(down=MIB + 1, how=how), Break(down=2 * MIB, how=how)])
    done = await client.images.download(image.id, tmp_path / "disk.raw", parts=parts)
    assert done.verified
    assert (tmp_path / "disk.raw").read_bytes() == DATA


async def test_stream_over_a_bad_connection(world: World, proxy: Broken) -> None:
    """A stream goes on where its connection broke, and gives every byte once."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    breaking.plan([Break(down=MIB), refusal(503), Break(down=3 * MIB)])
    digest = hashlib.sha256()
    async with client.images.download(image.id) as stream:
        async for piece in stream:
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(DATA).digest()


async def test_parts_where_ranges_are_ignored(world: World, proxy: Broken, tmp_path: Path) -> None:
    """Parts are asked for only where a first look says that there are some."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    breaking.plan([refusal(503), Break(asks="")])
    await client.images.download(image.id, tmp_path / "disk.raw", parts=4)
    assert (tmp_path / "disk.raw").read_bytes() == DATA
    assert breaking.requests == 3


async def test_a_server_that_asks_for_too_much_patience(world: World, proxy: Broken, tmp_path: Path) -> None:
    """A wait that is longer than the policy allows is the caller's to decide on."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    breaking.plan([refusal(503, "Retry-After: 3600")])
    with pytest.raises(ServerError, match="503") as raised:
        await client.images.download(image.id, tmp_path / "disk.raw")
    assert raised.value.retry_after == 3600
    assert names(tmp_path) == []


async def test_cancelled_download(world: World, proxy: Broken, tmp_path: Path) -> None:
    """A download that is cancelled leaves nothing; with `resume` it leaves what there is."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    for resume in (False, True):
        breaking.plan([Break(down=3 * MIB, how="stall")])
        breaking.broken.clear()
        downloading = asyncio.create_task(client.images.download(image.id, tmp_path / "disk.raw", resume=resume))
        await breaking.broken.wait()
        await asyncio.sleep(0.2)
        downloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await downloading
        assert len(names(tmp_path)) == resume
    assert 2 * MIB <= sizes(tmp_path)[0] <= 3 * MIB


@pytest.mark.parametrize("sized", [True, False])
async def test_upload_that_is_refused_and_cut(world: World, proxy: Broken, sized: bool) -> None:  # noqa: FBT001
    """An upload that meets 401, 503 and a cut connection in turn stores exactly the source."""
    breaking, client = proxy
    image = await client.images.create(name="new", disk_format="raw", container_format="bare")
    breaking.plan([refusal(401), refusal(503, "Retry-After: 0"), Break(up=3 * MIB), Break(down=0)])
    source = DATA if sized else pieces
    image = await client.images.upload(image.id, source)
    assert (image.status, image.size) == ("active", len(DATA))
    assert await (await world.site.wire(world.site.producer)).download(image.id) == DATA


@pytest.mark.parametrize("how", ["cut", "end", "stall"])
async def test_upload_that_cannot_be_read_again(proxy: Broken, how: str) -> None:
    """What can be read once only is sent once only: the error says so, and the image still waits for its data."""
    breaking, client = proxy
    image = await client.images.create(name="new", disk_format="raw", container_format="bare")
    breaking.plan([Break(up=3 * MIB, how=how)])
    with pytest.raises(UnreplayableBodyError, match=r"broke off after .* still queued"):
        await client.images.upload(image.id, pieces())
    assert breaking.requests == 1
    assert (await client.images.wait(image.id, status="queued", timeout=10)).size is None
    assert (await client.images.upload(image.id, pieces())).size == len(DATA)


async def test_upload_that_has_arrived_before(world: World, proxy: Broken) -> None:
    """A try that was taken for lost, and arrived after all, is found by comparing what is there."""
    breaking, client = proxy
    image = await client.images.create(name="new", disk_format="raw", container_format="bare")
    wire = await world.site.wire(world.site.producer)

    async def meanwhile() -> AsyncIterator[bytes]:
        if breaking.requests > 1:
            await wire.upload(image.id, DATA)
        yield DATA

    breaking.plan([refusal(503)])
    image = await client.images.upload(image.id, meanwhile)
    assert (image.status, image.size) == ("active", len(DATA))


async def test_token_that_is_refused_again(world: World, proxy: Broken) -> None:
    """An upload whose token is refused is sent once more with another one, and then given up."""
    breaking, client = proxy
    image = await client.images.create(name="new", disk_format="raw", container_format="bare")
    breaking.plan([refusal(401), refusal(401)])
    world.watch.clear()
    with pytest.raises(UnauthorizedError):
        await client.images.upload(image.id, DATA)
    assert (breaking.requests, world.watch.sign_ins) == (2, 2)


async def test_no_connection_is_leaked(world: World, proxy: Broken, tmp_path: Path) -> None:
    """After all kinds of ends the connections are free: more transfers than there are places still go through."""
    breaking, client = proxy
    image = await world.make_image(data=DATA)
    for _ in range(40):
        breaking.broken.clear()
        breaking.plan([Break(down=MIB, how="stall")])
        downloading = asyncio.create_task(client.images.download(image.id, tmp_path / "disk.raw"))
        await breaking.broken.wait()
        downloading.cancel()
        await asyncio.wait([downloading])
    done = await client.images.download(image.id, tmp_path / "disk.raw", timeout=20)
    assert done.verified
