"""`aioimages.workflows`: jobs of several steps, and nothing left behind when they fail."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from clouds import QUICK, World
from disks import NOT_A_DISK, fixed_vhd

from aioimages import (
    AioImagesError,
    Client,
    ConflictError,
    EndpointNotFoundError,
    KeystonePassword,
    NotFoundError,
    Outcome,
    ProgressEvent,
    RackspaceApiKey,
    RetryPolicy,
    SourceChangedError,
    StaticToken,
    TaskFailedError,
    TransferError,
    UnsupportedOperationError,
    VhdError,
    workflows,
)
from aioimages.emulator import Account

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")

DISK = fixed_vhd(3_000_000)
FAST = RetryPolicy(attempts=2, base=0.0)
REGIONS = {"rackspace": ("DFW", "ORD"), "openstack": ("RegionOne", "RegionTwo")}


class Seen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def update(self, event: ProgressEvent) -> None:
        """Keep it."""
        self.events.append(event)


def client_of(world: World, dialect: str, region: str, account: Account | None = None) -> Client:
    """Return somebody's client in a region of either dialect of the same embedded cloud."""
    cloud = world.emulator
    who = account or cloud.producer
    credentials: Any = RackspaceApiKey(who.username, who.api_key, auth_url=cloud.rackspace_auth_url)
    if dialect == "openstack":
        credentials = KeystonePassword(
            cloud.keystone_auth_url, who.username, who.password, project_name=who.project_name
        )
    return world.client(credentials, region=region, retry=FAST, poll=QUICK)


@pytest.fixture
def here(world: World) -> Client:
    """Give the producer's client in the first region of the test's dialect."""
    return client_of(world, world.dialect, REGIONS[world.dialect][0])


@pytest.fixture
def there(world: World) -> Client:
    """Give the producer's client in the second region."""
    return client_of(world, world.dialect, REGIONS[world.dialect][1])


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Give a disk that is here."""
    path = tmp_path / "web.vhd"
    path.write_bytes(DISK)
    return path


async def left(*clients: Client) -> set[str]:
    """Return what is in the accounts: objects, and images by name."""
    found: set[str] = set()
    for client in clients:
        async for container in client.objects.list_containers():
            found |= {f"{container.name}/{stored.name}" async for stored in client.objects.list(container.name)}
        found |= {f"image {image.name}" async for image in client.images.list(visibility="private")}
        found |= {f"image {image.name}" async for image in client.images.list(visibility="shared")}
    return found


@rackspace
async def test_disk_in_and_out(world: World, here: Client, disk: Path, tmp_path: Path) -> None:
    """A disk becomes an image, and the image the same disk again; nothing is left on the way."""
    seen = Seen()
    image = await workflows.import_disk(
        here,
        disk,
        name="web",
        container="disks",
        properties={"os_distro": "debian"},
        tags=["new"],
        create_container=True,
        segment_bytes=1_000_000,
        progress=seen,
    )
    assert (image.name, image.status, image.tags) == ("web", "active", ("new",))
    assert image.properties["os_distro"] == "debian"
    assert await left(here) == {"image web"}
    done = await workflows.export_disk(here, image.id, tmp_path / "back.vhd", container="disks", progress=seen)
    assert done.verified
    assert (tmp_path / "back.vhd").read_bytes() == DISK
    assert await left(here) == {"image web"}
    phases = {event.phase for event in seen.events}
    assert {"import_disk", "export_disk", "upload", "download"} <= phases
    assert world.dialect == "rackspace"


@rackspace
async def test_object_that_is_kept(here: Client, disk: Path, tmp_path: Path) -> None:
    """The exported disk stays where that is asked for; another export would not overwrite it."""
    image = await workflows.import_disk(here, disk, name="web", container="disks", create_container=True)
    for keep in (True, False):
        export = workflows.export_disk(here, image.id, tmp_path / "back", container="disks", keep_object=keep)
        if keep:
            await export
            continue
        with pytest.raises(TransferError, match="already, which the service would not overwrite"):
            await export
    assert await left(here) == {"image web", f"disks/{image.id}.vhd"}


@rackspace
async def test_disks_that_are_none(here: Client, tmp_path: Path, world: World) -> None:
    """A file that is no disk, or is not there, is refused before anything is sent; whoever insists learns it later."""
    bad = tmp_path / "bad.vhd"
    bad.write_bytes(NOT_A_DISK)
    with pytest.raises(VhdError, match="396") as raised:
        await workflows.import_disk(here, bad, name="bad", container="disks")
    assert "find a disk that the service takes" in raised.value.__notes__[0]
    with pytest.raises(FileNotFoundError):
        await workflows.import_disk(here, tmp_path / "missing", name="bad", container="disks")
    assert world.emulator.count() == 0
    with pytest.raises(TaskFailedError, match="396"):
        await workflows.import_disk(here, bad, name="bad", container="disks", create_container=True, check=False)
    assert await left(here) == set()


@rackspace
async def test_containers_that_are_missing(here: Client, disk: Path, tmp_path: Path) -> None:
    """A container is made only where that is asked for, and has a name that the service takes."""
    with pytest.raises(NotFoundError) as raised:
        await workflows.import_disk(here, disk, name="web", container="missing")
    assert "did not find the container" in raised.value.__notes__[0]
    for bad in ("a/b", "a?b", "a.b"):
        with pytest.raises(ValueError, match="container"):
            await workflows.export_disk(here, "image", tmp_path / "back", container=bad)


@openstack
async def test_dialects_that_need_no_such_way(here: Client, disk: Path, tmp_path: Path) -> None:
    """Where data go straight into images, the ways of Cloud Files are refused."""
    with pytest.raises(UnsupportedOperationError, match=r"use client\.images\.upload"):
        await workflows.import_disk(here, disk, name="web", container="disks")
    with pytest.raises(UnsupportedOperationError):
        await workflows.export_disk(here, "image", tmp_path / "back", container="disks")


async def made(world: World, client: Client, name: str, data: bytes = DISK) -> str:
    """Make an image of the producer's that can be copied."""
    region = REGIONS[world.dialect][0]
    assert client.dialect == world.dialect
    return world.emulator.add_image(
        world.emulator.producer,
        region=region,
        data=data,
        name=name,
        disk_format="vhd",
        container_format="bare",
        tags=["copied"],
        os_distro="debian",
        instance_uuid="not to be copied",
    )


async def test_twenty_copies_at_once(world: World, here: Client, there: Client) -> None:
    """Images move between regions concurrently, whole, with their names, tags and properties."""
    ids = [await made(world, here, f"web-{number}", fixed_vhd(100_000 + 512 * number)) for number in range(20)]
    for client in (here, there):
        await client.objects.create_container("moves")

    async def copy(image_id: str) -> Any:
        return await workflows.copy_image(image_id, source=here, target=there, container="moves")

    async with here.bulk.map(copy, ids, concurrency=8) as outcomes:
        copies: list[Outcome[str, Any]] = [outcome async for outcome in outcomes]
    assert {outcome.error for outcome in copies} == {None}
    for outcome in copies:
        original, image = await here.images.get(outcome.key), await there.images.get(outcome.unwrap().id)
        assert (image.name, image.tags, image.checksum) == (original.name, ("copied",), original.checksum)
        assert image.properties["os_distro"] == "debian"
        assert image.properties.get("instance_uuid") is None
    assert not {name for name in await left(here, there) if name.startswith("moves/")}


@pytest.mark.parametrize("way", [("rackspace", "openstack"), ("openstack", "rackspace")])
@rackspace
async def test_copies_between_dialects(world: World, way: tuple[str, str]) -> None:
    """A VHD moves between Rackspace and OpenStack, either way."""
    source, target = (client_of(world, dialect, REGIONS[dialect][0]) for dialect in way)
    image_id = world.emulator.add_image(
        world.emulator.producer,
        region=REGIONS[way[0]][0],
        data=DISK,
        name="web",
        disk_format="vhd",
        container_format="bare",
    )
    image = await workflows.copy_image(
        image_id, source=source, target=target, name="copy", container="moves", create_container=True
    )
    assert (image.name, image.status, image.size, image.disk_format) == ("copy", "active", len(DISK), "vhd")
    assert image.checksum == hashlib.md5(DISK, usedforsecurity=False).hexdigest()
    assert not {name for name in await left(source, target) if name.startswith("moves/")}


@rackspace
async def test_copies_that_cannot_be(world: World, here: Client) -> None:
    """What the target does not take, and where a container is needed, is told at once."""
    source = client_of(world, "openstack", "RegionOne")
    image_id = world.emulator.add_image(
        world.emulator.producer, region="RegionOne", data=b"QFI\xfb", disk_format="qcow2", container_format="bare"
    )
    with pytest.raises(ValueError, match="target_container is needed"):
        await workflows.copy_image(image_id, source=source, target=here)
    with pytest.raises(UnsupportedOperationError, match="is qcow2, and Rackspace imports VHD only"):
        await workflows.copy_image(image_id, source=source, target=here, container="moves")


@rackspace
async def test_copy_that_fails_half_way(world: World, here: Client) -> None:
    """A copy whose data the target refuses leaves nothing there, and the error says why and at which step."""
    source = client_of(world, "openstack", "RegionOne")
    image_id = world.emulator.add_image(
        world.emulator.producer, region="RegionOne", data=NOT_A_DISK, disk_format="vhd", container_format="bare"
    )
    with pytest.raises(TaskFailedError, match="396") as raised:
        await workflows.copy_image(image_id, source=source, target=here, container="moves", create_container=True)
    assert raised.value.__notes__[0] == f"copy_image of {image_id}: it did not import the disk"
    assert await left(here) == set()


@rackspace
async def test_disk_that_changes_while_it_is_sent(here: Client, disk: Path) -> None:
    """A disk that is written to while it is sent makes no image, and is not left in the container."""

    class Meddler:
        def update(self, event: ProgressEvent) -> None:
            if event.phase == "upload":
                disk.write_bytes(DISK[::-1])

    with pytest.raises(SourceChangedError):
        await workflows.import_disk(
            here, disk, name="web", container="disks", create_container=True, progress=Meddler()
        )
    assert await left(here) == set()


@rackspace
async def test_tokens_that_end_in_the_middle(world: World, here: Client, there: Client, disk: Path) -> None:
    """A copy survives that all tokens are refused while it is on its way."""
    image = await workflows.import_disk(here, disk, name="web", container="disks", create_container=True)
    await there.images.list().first()

    copying = asyncio.create_task(
        workflows.copy_image(image.id, source=here, target=there, container="moves", create_container=True)
    )
    await asyncio.sleep(0.1)
    world.emulator.revoke_tokens()
    copied = await copying
    assert copied.checksum == image.checksum


@rackspace
async def test_export_that_meets_another(world: World, here: Client, tmp_path: Path) -> None:
    """An export that fails because another one was quicker does not take away what that one has written."""
    image_id = await made(world, here, "web")
    await here.objects.create_container("disks")
    await here.objects.upload("disks", f"{image_id}.vhd", b"of somebody else")
    world.emulator.faults.status(404, method="HEAD", path=f"{image_id}.vhd$", times=1)
    with pytest.raises(TaskFailedError):
        await workflows.export_disk(here, image_id, tmp_path / "back", container="disks")
    assert (await here.objects.get("disks", f"{image_id}.vhd")).size_bytes == len(b"of somebody else")


@rackspace
@pytest.mark.parametrize("name", ["import", "export", "capture"])
async def test_cancellation_while_work_is_begun(
    world: World, clients: tuple[Client, Client], disk: Path, name: str
) -> None:
    """A job that is cancelled while the service answers that it has begun is undone as others are."""
    path = "/action$" if name == "capture" else "/tasks$"
    for moment in (0.05, 0.15):
        fault = world.emulator.faults.delay(0.1, method="POST", path=path)
        running = asyncio.ensure_future(JOBS[name](world, *clients, disk))
        async with asyncio.timeout(10):
            while not fault.hits:  # noqa: ASYNC110  # the cloud sets no event
                await asyncio.sleep(0.005)
        await asyncio.sleep(moment)
        running.cancel()
        await asyncio.wait([running])
        world.emulator.faults.clear()
        await asyncio.sleep(0.3)
        assert await left(*clients) <= {"image kept"}


async def test_share_that_is_taken_back_in_two_tries(world: World, here: Client) -> None:
    """Taking back goes on where it was interrupted: nobody stays a member unnoticed."""
    image_id = await made(world, here, "web")
    world.emulator.faults.status(403, method="PUT", path="/members/")
    world.emulator.faults.status(403, method="DELETE", path="/members/aaa", times=1)
    with pytest.raises(AioImagesError, match="403"):
        await workflows.share(here, image_id, ["aaa", "bbb"], accept_with={"aaa": here})
    assert await here.members.list(image_id).collect() == []


@openstack
async def test_ensure_leaves_others_alone(world: World, here: Client, tmp_path: Path) -> None:
    """An image of the same data under another name, or of somebody else, is neither renamed nor changed."""
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(10_000))
    first = await workflows.ensure_image(here, path, name="golden", disk_format="raw")
    second = await workflows.ensure_image(here, path, name="staging", disk_format="raw")
    assert (first.action, second.action) == ("created", "created")
    assert (await here.images.get(first.image.id)).name == "golden"
    world.emulator.add_image(world.emulator.admin, region="RegionOne", name="web", data=b"x", visibility="public")
    assert (await workflows.ensure_image(here, path, name="web", disk_format="raw")).action == "created"


@openstack
async def test_ensure_by_digest(here: Client, tmp_path: Path) -> None:
    """An image of the same data is left alone, or changed where it is not as it should be; otherwise it is made."""
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(100_000))

    async def ensure(**options: Any) -> workflows.Ensured:
        return await workflows.ensure_image(here, path, name="web", disk_format="raw", **options)

    first = await ensure(properties={"os_distro": "debian"})
    assert (first.action, first.image.status) == (workflows.Action.CREATED, "active")
    assert (await ensure(properties={"os_distro": "debian"})).action == workflows.Action.UNCHANGED
    second = await ensure(tags=["gold", "new"], properties={"os_distro": "ubuntu"})
    assert (second.action, second.image.id) == (workflows.Action.UPDATED, first.image.id)
    assert (sorted(second.image.tags), second.image.properties["os_distro"]) == (["gold", "new"], "ubuntu")
    assert (await ensure(tags=["new", "gold"])).action == "unchanged"
    path.write_bytes(os.urandom(100_000))
    assert (await ensure()).action == "created"
    assert len(await here.images.list(name="web").collect()) == 2
    digest = second.image.os_hash_value
    assert (await workflows.ensure_image(here, name="web", digest=digest)).image.id == first.image.id


async def test_ensure_by_name(world: World, here: Client, disk: Path) -> None:
    """Where no digest is known the name counts, if there is one image of it only."""
    with pytest.raises(ValueError, match="no image 'web', and no data"):
        await workflows.ensure_image(here, name="web")
    if world.dialect == "rackspace":
        await here.objects.create_container("disks")
        with pytest.raises(ValueError, match="by way of a container"):
            await workflows.ensure_image(here, disk, name="web")
        ensured = await workflows.ensure_image(here, disk, name="web", container="disks", tags=["new"])
        assert (ensured.action, ensured.image.tags) == ("created", ("new",))
    else:
        await made(world, here, "web")
    ensured = await workflows.ensure_image(here, name="web", properties={"colour": "red"})
    assert (ensured.action, ensured.image.properties["colour"]) == ("updated", "red")
    await made(world, here, "web")
    with pytest.raises(ConflictError, match="several images are called 'web'"):
        await workflows.ensure_image(here, name="web")


async def test_share(world: World, here: Client) -> None:
    """An image is shared and accepted in one call; whoever was a member before stays one."""
    image_id = await made(world, here, "web")
    consumer = client_of(world, world.dialect, REGIONS[world.dialect][0], world.emulator.consumer)
    member_id = world.emulator.consumer.tenant_id
    for _ in range(2):
        (member,) = await workflows.share(here, image_id, [member_id], accept_with=consumer)
        assert (member.member_id, member.status) == (member_id, "accepted")
    more = await workflows.share(here, image_id, [member_id, "999"], accept_with={member_id: consumer})
    assert [(member.member_id, member.status) for member in more] == [(member_id, "accepted"), ("999", "pending")]


@openstack
async def test_share_what_is_private(world: World, here: Client) -> None:
    """A private image becomes one that can be shared."""
    image_id = await made(world, here, "web")
    await here.images.update(image_id, {"visibility": "private"})
    await workflows.share(here, image_id, ["999"])
    assert (await here.images.get(image_id)).visibility == "shared"


async def test_share_that_fails(world: World, here: Client) -> None:
    """Who was added is removed again when a later step fails, and mistakes are told at once."""
    image_id = await made(world, here, "web")
    await here.members.create(image_id, "before")
    world.emulator.faults.status(403, method="PUT", path="/members/")
    with pytest.raises(AioImagesError, match="403") as raised:
        await workflows.share(here, image_id, ["before", "new"], accept_with={"new": here})
    assert "did not be accepted" in raised.value.__notes__[0] or "accepted" in raised.value.__notes__[0]
    assert [member.member_id async for member in here.members.list(image_id)] == ["before"]
    for members, accept_with in (([], None), ("new", None), (["a", "b"], here), (["a"], {"b": here})):
        with pytest.raises(ValueError, match=r"members|accept_with"):
            await workflows.share(here, image_id, members, accept_with=accept_with)


async def test_capture(world: World, here: Client) -> None:
    """Servers become images, many at once."""
    region = REGIONS[world.dialect][0]
    ids = [world.emulator.add_server(world.emulator.producer, region=region, name=f"s{i}") for i in range(3)]
    assert {server.id async for server in here.servers.list()} == set(ids)

    async def capture(server_id: str) -> Any:
        return await workflows.capture_server(here, server_id, name=f"of {server_id}", metadata={"why": "backup"})

    async with here.bulk.map(capture, ids) as outcomes:
        images = {outcome.key: outcome.unwrap() async for outcome in outcomes}
    assert images.keys() == set(ids)
    for server_id, image in images.items():
        assert (image.name, image.status) == (f"of {server_id}", "active")
        assert (image.properties["instance_uuid"], image.properties["why"]) == (server_id, "backup")
    with pytest.raises(NotFoundError):
        await workflows.capture_server(here, "no-such-server", name="x")


@pytest.mark.parametrize("status", ["killed", "deleted"])
async def test_capture_that_fails(world: World, here: Client, status: str) -> None:
    """An image that the service gives up is not left behind."""
    region = REGIONS[world.dialect][0]
    server_id = world.emulator.add_server(world.emulator.producer, region=region, name="web")
    world.emulator.script_capture(status=status)
    with pytest.raises((TransferError, NotFoundError)):
        await workflows.capture_server(here, server_id, name="lost", timeout=10)
    assert await left(here) == set()


async def test_cloud_without_cloud_files(world: World) -> None:
    """A cloud without Cloud Files is told from one with them."""
    wire = await world.site.wire(world.site.producer)
    client = world.client(StaticToken(wire.token, f"{wire.root}/v2"), region=None)
    with pytest.raises(EndpointNotFoundError, match="object-store"):
        await client.objects.get_container("disks")


Job = Callable[[World, Client, Client, Path], Awaitable[object]]


async def import_job(world: World, here: Client, there: Client, path: Path) -> object:
    """Import a disk."""
    del world, there
    return await workflows.import_disk(
        here, path, name="web", container="moves", properties={"a": "b"}, segment_bytes=1_000_000
    )


async def export_job(world: World, here: Client, there: Client, path: Path) -> object:
    """Export a disk."""
    del there
    image_id = await made(world, here, "kept")
    return await workflows.export_disk(here, image_id, path.with_name("out.vhd"), container="moves")


async def copy_job(world: World, here: Client, there: Client, path: Path) -> object:
    """Copy an image."""
    del path
    image_id = await made(world, here, "kept")
    return await workflows.copy_image(image_id, source=here, target=there, container="moves")


async def capture_job(world: World, here: Client, there: Client, path: Path) -> object:
    """Capture a server."""
    del there, path
    server_id = world.emulator.add_server(world.emulator.producer, region=REGIONS[world.dialect][0], name="server")
    return await workflows.capture_server(here, server_id, name="web")


JOBS: dict[str, Job] = {"import": import_job, "export": export_job, "copy": copy_job, "capture": capture_job}


@attrs.frozen
class Walk:
    """Runs a job again and again, each time with something going wrong a little later."""

    world: World
    clients: tuple[Client, Client]
    path: Path
    job: Job

    async def run(self, strike: Callable[[], Awaitable[None]] | None) -> bool:
        """Run the job, cancelled when `strike` is over; return whether it went well, and see that nothing is left."""
        running = asyncio.ensure_future(self.job(self.world, *self.clients, self.path))
        if strike is not None:
            await strike()
            running.cancel()
        with suppress(asyncio.CancelledError, AioImagesError):
            await running
        went_well = not running.cancelled() and running.exception() is None
        self.world.emulator.faults.clear()
        await asyncio.sleep(0.3)
        names = await left(*self.clients)
        assert {name for name in names if name.startswith("moves/")} == set()
        if not went_well:
            assert names <= {"image kept"}
            await self._begin_anew()
        return went_well

    async def _begin_anew(self) -> None:
        for image in await self.clients[0].images.list(name="kept").collect():
            await self.clients[0].images.delete(image.id)


@pytest.fixture
async def clients(here: Client, there: Client) -> tuple[Client, Client]:
    """Give the clients of two regions with a container in each."""
    for client in (here, there):
        await client.objects.create_container("moves")
        await client.images.list().first()
    return here, there


@rackspace
@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
async def test_fault_at_each_step(world: World, clients: tuple[Client, Client], disk: Path, name: str) -> None:
    """A refusal of any request of a job, each in turn, leaves nothing behind in either region."""
    walk = Walk(world, clients, disk, JOBS[name])
    for step in range(60):
        world.emulator.faults.status(403, after=step, times=1)
        if await walk.run(None):
            break
    else:
        raise AssertionError("the job never went well")
    assert step >= 3


@rackspace
@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
async def test_cancellation_at_many_moments(
    world: World, clients: tuple[Client, Client], disk: Path, name: str
) -> None:
    """A job that is cancelled, at whatever moment, leaves nothing behind in either region."""
    walk = Walk(world, clients, disk, JOBS[name])
    for step in range(0, 40, 2):
        if await walk.run(partial(asyncio.sleep, 0.01 * step)):
            break
