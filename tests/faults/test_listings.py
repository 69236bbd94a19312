"""Faults 59 to 63: what goes wrong between pages, and links and redirects that lead elsewhere."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from clouds import World
from servers import raw_server

from aioimages import BadRequestError, PaginationLoopError, ProtocolError, RetryPolicy, UnsafeLinkError
from faults.conftest import Stage

pytestmark = pytest.mark.anyio

LISTING = "/images$"


class Elsewhere:
    """A server that is none of the cloud's, and what it has heard."""

    def __init__(self, url: str, heard: bytearray) -> None:
        self.url = url
        self.port = url.rpartition(":")[2]
        self.heard = heard


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """Listen for tokens."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.extend(b"somebody came: ")
        while piece := await reader.read(1000):
            heard.extend(piece)

    async with raw_server(listen) as url:
        yield Elsewhere(url, heard)


def leading_to(link: str) -> Callable[[bytes], bytes]:
    """Return what gives a page another link to the next one."""

    def change(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), "next": link}).encode()

    return change


@pytest.mark.fault(59)
async def test_next_page_elsewhere(stage: Stage) -> None:
    """The next page is not asked for: the listing ends with `UnsafeLinkError`, and nobody else sees the token."""
    await stage.world.make_images("a", "b")
    client = stage.client()
    async with elsewhere() as other:
        own = stage.proxy.url((await stage.world.site.wire(stage.world.site.producer)).root).split("/")[2].split(":")[1]
        links = [
            f"{other.url}/v2/images?marker=x",
            f"//127.0.0.1:{other.port}/v2/images?marker=x",
            f"https://127.0.0.1:{own}/v2/images?marker=x",
            f"http://user@127.0.0.1:{own}/v2/images?marker=x",
            f"http://127.0.0.1:{own}@127.0.0.1:{other.port}/?marker=x",
            f"\\\\127.0.0.1:{other.port}\\?marker=x",
            "http://[/",
        ]
        for link in links:
            stage.faults.change(body=leading_to(link), path=LISTING)
            with pytest.raises(UnsafeLinkError):
                await client.images.list(page_size=1).collect()
        assert not other.heard
    assert len(stage.proxy.to("/images")) == len(links)


@pytest.mark.fault(60)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_elsewhere(stage: Stage, status: int) -> None:
    """A redirect is never followed, and one to another host, scheme or port is an `UnsafeLinkError` that names it."""
    client = stage.client()
    async with elsewhere() as other:
        targets = [f"{other.url}/v2/images", f"//127.0.0.1:{other.port}/v2/images", f"https://127.0.0.1:{other.port}/"]
        for target in targets:
            stage.faults.status(status, headers={"Location": target}, path="/images")
            with pytest.raises(UnsafeLinkError, match=f"127.0.0.1:{other.port}"):
                await client.images.get("some-image")
        assert not other.heard
    assert len(stage.proxy.to("/some-image")) == len(targets)


@pytest.mark.fault(60)
@pytest.mark.parametrize("status", [301, 308])
async def test_redirect_at_home(stage: Stage, status: int) -> None:
    """A redirect on the same host is not followed either: the error says where it leads."""
    stage.faults.status(status, headers={"Location": "/maintenance"}, path="/images")
    with pytest.raises(ProtocolError, match="/maintenance"):
        await stage.client().images.delete("some-image")
    assert len(stage.proxy.requests) - stage.proxy.sign_ins <= 2


@pytest.mark.fault(61)
@pytest.mark.parametrize("markers", ["aa", "aba", "abcb"])
async def test_circle(stage: Stage, markers: str) -> None:
    """A listing that comes back to a page ends with `PaginationLoopError` when it does so for the first time."""
    for marker in markers:
        answer = {"images": [{"id": f"image-{marker}", "status": "active"}], "next": f"/v2/images?marker={marker}"}
        stage.faults.body(json.dumps(answer).encode(), path=LISTING, content_type="application/json")
    with pytest.raises(PaginationLoopError, match="came back to marker"):
        await stage.client().images.list().collect()
    assert len(stage.proxy.to("/images")) == len(markers)


@pytest.mark.fault(61)
@pytest.mark.clouds("emulator")
async def test_empty_pages(stage: Stage) -> None:
    """A listing that gives one empty page after the other is given up after a thousand."""
    for number in range(1001):
        answer = {"images": [], "next": f"/v2/images?marker={number}"}
        stage.faults.body(json.dumps(answer).encode(), path=LISTING)
    with pytest.raises(PaginationLoopError, match="1000 empty pages"):
        await stage.client().images.list().collect()
    assert len(stage.proxy.to("/images")) == 1001


async def add(world: World, kept: list[str]) -> list[str]:
    """Add an image, and keep the others."""
    await world.make_image("a new one")
    return kept


async def remove(world: World, kept: list[str]) -> list[str]:
    """Delete one that was read, and one that was not."""
    for image_id in (kept[1], kept[-2]):
        await world.producer.images.delete(image_id)
    return [image_id for image_id in kept if image_id not in {kept[1], kept[-2]}]


@pytest.mark.fault(62)
@pytest.mark.parametrize("change", [add, remove], ids=["added", "deleted"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_images_that_come_and_go(stage: Stage, change: Any, direction: str) -> None:
    """Each image that is there throughout comes exactly once, whatever is added or deleted between pages."""
    made = [image.id for image in await stage.world.make_images(*(f"image {number}" for number in range(8)))]
    listing = stage.client().images.list(page_size=3, sort=f"created_at:{direction}")
    seen: list[str] = []
    kept = made
    async for page in listing.pages():
        if not seen:
            kept = await change(stage.world, made if direction == "asc" else made[::-1])
            stage.injected += 1
        seen += [image.id for image in page]
    assert [image_id for image_id in seen if image_id in kept] == kept
    assert len(seen) == len(set(seen))


@pytest.mark.fault(62)
@pytest.mark.clouds("emulator")
async def test_images_that_come_twice(stage: Stage) -> None:
    """An image that stands on two pages comes once, and empty pages end nothing."""
    pages = [["a", "b"], [], ["b", "c"], ["d"]]
    for number, names in enumerate(pages):
        images = [{"id": name, "status": "active"} for name in names]
        link = f"/v2/images?marker=m{number}" if number < len(pages) - 1 else None
        stage.faults.body(json.dumps({"images": images, "next": link}).encode(), path=LISTING)
    assert [image.id async for image in stage.client().images.list()] == ["a", "b", "c", "d"]


@pytest.mark.fault(63)
async def test_marker_that_is_gone(stage: Stage) -> None:
    """The next page begins behind the last image that is still there, so that none is left out."""
    made = [image.id for image in await stage.world.make_images(*"abcdefgh")]
    gone = asyncio.Event()
    stage.faults.delay(0.5, path=LISTING, after=1)
    seen: list[str] = []
    async for page in stage.client().images.list(page_size=3, sort="created_at:asc").pages():
        seen += [image.id for image in page]
        if not gone.is_set():
            # The request for the next page is on its way, and is held up.
            for image_id in made[1:3]:
                await stage.world.producer.images.delete(image_id)
            gone.set()
    assert seen == made
    markers = [re.findall("marker=([^&]+)", one.query) for one in stage.proxy.to("/images")]
    assert markers[1:4] == [[made[2]], [made[1]], [made[0]]]


@pytest.mark.fault(63)
@pytest.mark.clouds("emulator")
async def test_every_marker_is_gone(stage: Stage) -> None:
    """A listing of which nothing is left to go on from ends with the service's refusal, and no sooner."""
    answer = {
        "images": [{"id": name, "status": "active"} for name in ("a", "b", "c")],
        "next": "/v2/images?marker=c",
    }
    stage.faults.body(json.dumps(answer).encode(), path=LISTING)
    stage.faults.status(400, path=LISTING, times=3)
    with pytest.raises(BadRequestError):
        await stage.client(retry=RetryPolicy(attempts=1)).images.list().collect()
    assert [re.findall("marker=(.)", one.query) for one in stage.proxy.to("/images")][1:] == [["c"], ["b"], ["a"]]
