"""The token goes to the services that the catalog names, and nowhere else."""

import asyncio
import json
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from clouds import World
from servers import raw_server

from aioimages import AioImagesError, Client, RetryPolicy, StaticToken, UnsafeLinkError
from security.canary import Canary, answer, canary

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

ONCE = RetryPolicy(attempts=1)
Ask = Callable[[Client], Awaitable[object]]
COMMON: dict[str, Ask] = {
    "images.get": lambda client: client.images.get("image-1"),
    "images.list": lambda client: client.images.list().collect(),
    "images.update": lambda client: client.images.update("image-1", {"name": "web"}),
    "images.delete": lambda client: client.images.delete("image-1"),
    "images.add_tag": lambda client: client.images.add_tag("image-1", "tag"),
    "images.wait": lambda client: client.images.wait("image-1", timeout=1),
    "members.list": lambda client: client.members.list("image-1").collect(),
    "members.create": lambda client: client.members.create("image-1", "member-1"),
    "tasks.list": lambda client: client.tasks.list().collect(),
    "tasks.create": lambda client: client.tasks.create("import", {}),
    "tasks.wait": lambda client: client.tasks.wait("task-1", timeout=1),
    "schemas.image": lambda client: client.schemas.image(),
    "objects.list": lambda client: client.objects.list("disks").collect(),
    "objects.get": lambda client: client.objects.get("disks", "web.vhd"),
    "objects.read": lambda client: client.objects.read("disks", "web.vhd", 0, 1),
    "objects.upload": lambda client: client.objects.upload("disks", "web.vhd", b"data"),
    "objects.copy": lambda client: client.objects.copy("disks", "web.vhd", "disks", "copy.vhd"),
    "servers.list": lambda client: client.servers.list().collect(),
    "servers.create_image": lambda client: client.servers.create_image("server-1", name="web"),
}
OPENSTACK: dict[str, Ask] = {
    "images.create": lambda client: client.images.create(name="web"),
    "images.upload": lambda client: client.images.upload("image-1", b"data"),
    "images.stage": lambda client: client.images.stage("image-1", b"data"),
    "images.start_import": lambda client: client.images.start_import("image-1"),
    "images.locations": lambda client: client.images.locations("image-1"),
    "info.import_methods": lambda client: client.info.import_methods(),
    "info.versions": lambda client: client.info.versions(),
    "stores.delete": lambda client: client.stores.delete("fast", "image-1"),
}


def _methods(world: World) -> dict[str, Ask]:
    return COMMON if world.dialect == "rackspace" else COMMON | OPENSTACK


async def _elsewhere(bird: Canary) -> list[str]:
    """Return links to another host, another port, another scheme, and such that look like one's own."""
    host = bird.url.removeprefix("http://")
    return [f"http://{host}/x", f"//{host}/x", f"https://{host}/x", f"http://user@{host}/x", f"http:\\\\{host}/x"]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_redirects(world: World, status: int) -> None:
    """No method follows a redirect to another origin: nobody is connected to there."""
    async with canary() as bird:
        for ask in _methods(world).values():
            client = world.client(world.credentials(world.site.producer), retry=ONCE)
            await client.schemas.image()
            for link in await _elsewhere(bird):
                fault = world.emulator.faults.status(status, headers={"Location": link}, times=None)
                with pytest.raises(AioImagesError):
                    await ask(client)
                assert fault.hits
                world.emulator.faults.clear()
            await client.close()
        assert bird.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_sign_ins_that_are_redirected(world: World, status: int) -> None:
    """Keys and passwords are not sent to where the identity service redirects to."""
    async with canary() as bird:
        for link in await _elsewhere(bird):
            world.emulator.faults.status(status, headers={"Location": link}, method="POST", path="/tokens$")
            client = world.client(world.credentials(world.site.producer), retry=ONCE)
            with pytest.raises(AioImagesError):
                await client.schemas.image()
        assert bird.connections == 0


async def test_redirects_of_data(world: World, tmp_path: Path) -> None:
    """Image data are not fetched from another origin either, whether at the beginning or where a download goes on."""
    if world.dialect == "rackspace":
        world.emulator.create_container(world.emulator.producer, "disks")
        await world.producer.objects.upload("disks", "web.vhd", b"data" * 1000)
    else:
        image = await world.make_image("web", data=b"data" * 1000)
    async with canary() as bird:
        for after in (0, 1):
            client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(base=0.01))
            path = r"/disks/web\.vhd$" if world.dialect == "rackspace" else "/file$"
            if after:
                world.emulator.faults.truncate(1000, path=path, method="GET")
            world.emulator.faults.status(302, headers={"Location": bird.url}, path=path, method="GET")
            fetch = (
                client.objects.download("disks", "web.vhd", tmp_path / "web.vhd")
                if world.dialect == "rackspace"
                else client.images.download(image.id, tmp_path / "web.img")
            )
            with pytest.raises(UnsafeLinkError):
                await fetch
        assert bird.connections == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # in a coroutine


def _image(link: str) -> dict[str, Any]:
    links = dict.fromkeys(("self", "file", "schema", "direct_url", "next", "first"), link)
    return {"id": "image-1", "name": "web", "status": "active", "locations": [{"url": link, "metadata": {}}], **links}


async def test_links_in_answers(world: World, tmp_path: Path) -> None:
    """What answers say in `self`, `file`, `schema`, `first`, `direct_url` and `locations` is never asked for."""
    async with canary() as bird:
        link = f"{bird.url}/v2/images/image-1"
        task = {
            "id": "task-1",
            "type": "import",
            "status": "success",
            "self": link,
            "schema": link,
            "result": {"image_id": "image-1"},
        }
        answers = {"/images/image-1$": _image(link), "/tasks/task-1$": task}
        for path, document in answers.items():
            world.emulator.faults.body(
                json.dumps(document).encode(), path=path, content_type="application/json", times=None
            )
        listed = {"images": [_image(link)], "first": link, "schema": link, "next": None}
        world.emulator.faults.body(json.dumps(listed).encode(), path="/images$", content_type="application/json")
        client = world.producer
        (image,) = await client.images.list().collect()
        assert (await client.images.get(image.id)).self_url == link
        assert (await client.images.wait(image.id)).file == link
        assert (await client.tasks.wait("task-1")).self_url == link
        with suppress(AioImagesError):
            await client.images.download(image.id, tmp_path / "web.img")
        with suppress(AioImagesError):
            await client.members.list(image.id).collect()
        assert bird.connections == 0


@pytest.mark.parametrize("listing", ["images", "members", "tasks", "servers"])
async def test_links_to_next_pages(world: World, listing: str) -> None:
    """A next page on another origin is an `UnsafeLinkError`, or only its marker is used, on one's own origin."""
    item: dict[str, Any] = {"id": "item-1", "status": "active", "image_id": "image-1", "member_id": "member-1"}
    async with canary() as bird:
        for number, place in enumerate(await _elsewhere(bird)):
            link = f"{place}?marker=item-{number}"
            document = {listing: [item], "next": link, "servers_links": [{"rel": "next", "href": link}]}
            fault = world.emulator.faults.body(json.dumps(document).encode(), path=f"/{listing}$")
            client = world.producer
            lists = {"images": client.images, "tasks": client.tasks, "servers": client.servers}
            found = client.members.list("image-1") if listing == "members" else lists[listing].list()  # type: ignore[attr-defined]
            with suppress(AioImagesError):
                await found.collect()
            assert fault.hits
            world.emulator.faults.clear()
        assert bird.connections == 0


async def test_location_of_what_was_made(world: World) -> None:
    """`Location` is never asked for: of the one of a captured server only the image's id is taken."""
    async with canary() as bird:
        headers = {"Location": f"{bird.url}/v2/images/image-1", "OpenStack-image-import-methods": bird.url}
        world.emulator.faults.status(202, headers=headers, path="/action$")
        assert await world.producer.servers.create_image("server-1", name="web") == "image-1"
        task = b'{"id": "task-1", "status": "pending", "type": "import"}'
        world.emulator.faults.status(201, headers=headers, body=task, path="/tasks$")
        assert (await world.importer.tasks.create("import", {})).id == "task-1"
        if world.dialect == "openstack":
            made = b'{"id": "image-1", "status": "queued"}'
            world.emulator.faults.status(201, headers=headers, body=made, path="/images$")
            assert (await world.producer.images.create(name="web")).id == "image-1"
        with suppress(AioImagesError):
            await world.producer.images.get("image-1")
        assert bird.connections == 0


async def test_links_in_lists_of_versions() -> None:
    """Of the versions that a service lists, the links are not used."""
    async with canary() as bird:
        versions = {"versions": [{"id": "v2.15", "links": [{"rel": "self", "href": f"{bird.url}/v2/"}]}]}
        async with (
            canary(answer(200, json.dumps(versions).encode())) as service,
            Client(StaticToken("a-secret-token", service.url), retry=ONCE) as client,
        ):
            with suppress(AioImagesError):
                await client.images.get("image-1")
            assert service.paths == ["/", "/v2/images/image-1"]
        assert bird.connections == 0


class _Tunnel:
    """A proxy that opens tunnels, and notes what it is told before that."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.passed: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        host, _, port = head.split(b" ")[1].decode().partition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                self.passed.append(piece)
                sink.write(piece)
                await sink.drain()

        upward = asyncio.create_task(pass_on(reader, there_writer))
        try:
            await pass_on(there_reader, writer)
        finally:
            upward.cancel()
            there_writer.close()


async def test_tunnels_of_proxies(tmp_path: Path) -> None:
    """A proxy on the way to https sees where to, and its own password: never the token."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tunnel = _Tunnel()
    async with canary(answer(), tls=context) as service, raw_server(tunnel.talk) as url:
        proxy = url.replace("http://", "http://somebody:proxy-secret@")
        async with Client(
            StaticToken("a-secret-token", f"{service.url}/v2"), proxy=proxy, cacert=str(tmp_path / "ca.pem")
        ) as client:
            await client.schemas.image()
    assert len(tunnel.heads) == 1
    assert tunnel.heads[0].startswith(b"CONNECT localhost:")
    assert b"Proxy-Authorization: Basic" in tunnel.heads[0]
    assert not any(b"a-secret-token" in piece for piece in (*tunnel.heads, *tunnel.passed))
    assert list(service.header("X-Auth-Token")) == ["a-secret-token"]
    assert not list(service.header("Proxy-Authorization"))


async def test_hosts_that_only_look_alike(world: World) -> None:
    """A link to another port of the same host is a link to another origin."""
    async with canary() as bird:
        port = bird.url.rpartition(":")[2]
        host = world.site.auth_url.split("/")[2].partition(":")[0]
        world.emulator.faults.status(
            307, headers={"Location": f"http://{host}:{port}/v2/images/image-1"}, path="/image-1$"
        )
        with pytest.raises(UnsafeLinkError, match="another origin"):
            await world.producer.images.get("image-1")
        assert bird.connections == 0
