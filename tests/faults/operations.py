"""Every operation of the public face, on a small scale: what is there before, and what is called."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from disks import fixed_vhd

from aioimages import Client, DownloadRequest, ExportRequest, ImportRequest, workflows
from aioimages.emulator import Account

__all__ = ["Here", "Operation", "each_operation"]

DATA = b"data" * 5000
DISK = fixed_vhd(3072)


@dataclass
class Here:
    """Where an operation is tried: an empty cloud, and who is at work in it.

    Attributes:
        world: The cloud.
        client: The client of somebody who may do anything there.
        other: The same person's client in another region.
        consumer: Somebody else's client.
        account: Who the first one is.
        folder: An empty folder.
    """

    world: World
    client: Client
    other: Client
    consumer: Client
    account: Account
    folder: Path

    @property
    def region(self) -> str:
        """The client's region."""
        return self.world.site.region

    def image(self, data: bytes | None = DATA, **attributes: Any) -> str:
        """Make an image, and return its id."""
        visibility = "private" if self.world.dialect == "rackspace" else "shared"
        formats = {"disk_format": "vhd", "container_format": "bare", "name": "web", "visibility": visibility}
        return self.world.emulator.add_image(self.account, region=self.region, data=data, **{**formats, **attributes})

    def shared_image(self) -> str:
        """Make an image that the consumer is a member of."""
        image_id = self.image()
        stored = self.world.emulator._world.regions[self.region].images[image_id]
        now = self.world.emulator._world.clock.moment()
        stored.members[self.world.site.consumer.project_id] = {
            "member_id": self.world.site.consumer.project_id,
            "image_id": image_id,
            "status": "pending",
            "created_at": now,
            "updated_at": now,
            "schema": "/v2/schemas/member",
        }
        return image_id

    def stored(self, data: bytes = DATA, name: str = "web.vhd") -> str:
        """Store an object in the container `disks`, and return its path."""
        self.world.emulator.put_object(self.account, f"disks/{name}", data, region=self.region)
        return f"disks/{name}"

    def container(self, name: str = "disks") -> str:
        """Make a container, and return its name."""
        self.world.emulator.create_container(self.account, name, region=self.region)
        return name

    def file(self, data: bytes = DATA) -> Path:
        """Write a file, and return its path."""
        path = self.folder / "source"
        path.write_bytes(data)
        return path

    def source(self) -> str:
        """Return what can be imported."""
        if self.world.dialect == "rackspace":
            return self.stored(DISK)
        return self.world.emulator.put_file("web.img", DATA)


Begin = Callable[[Here], Coroutine[Any, Any, Any]]
BOTH = ("openstack", "rackspace")


@dataclass(frozen=True)
class Operation:
    """An operation.

    Attributes:
        name: What it is called.
        begin: Makes what must be there before, and returns what is to be awaited.
        dialects: Where there is such an operation.
        of_many: Whether it does several things, each of which may be done or not.
        stride: How many steps it goes on each time.
        keeps: What the names of files end with that it leaves when it is ended, to go on with them.
    """

    name: str
    begin: Begin
    dialects: tuple[str, ...]
    of_many: bool
    keeps: tuple[str, ...]
    stride: int


_OPERATIONS: list[Operation] = []


def each_operation() -> list[Any]:
    """Return all operations as parameters of a test."""
    return [pytest.param(one, id=one.name, marks=pytest.mark.dialects(*one.dialects)) for one in _OPERATIONS]


def operation(
    *dialects: str, of_many: bool = False, keeps: tuple[str, ...] = (), stride: int = 1
) -> Callable[[Callable[[Here], Any]], Callable[[Here], Any]]:
    """Note an operation."""

    def noted(begin: Callable[[Here], Any]) -> Callable[[Here], Any]:
        _OPERATIONS.append(Operation(begin.__name__, begin, dialects or BOTH, of_many, keeps, stride))
        return begin

    return noted


async def drained(outcomes: Any) -> None:
    """Take all outcomes of a run; each is a success."""
    async with outcomes as coming:
        async for outcome in coming:
            outcome.unwrap()


async def read(download: Any) -> None:
    """Read a stream to its end."""
    async with download as stream:
        assert b"".join([piece async for piece in stream]) == DATA


# Images.


@operation()
def images_list(here: Here) -> Any:
    for _ in range(5):
        here.image()
    return here.client.images.list(page_size=2).collect()


@operation()
def images_first(here: Here) -> Any:
    here.image()
    return here.client.images.list().first()


@operation()
def images_get(here: Here) -> Any:
    return here.client.images.get(here.image())


@operation()
def images_update(here: Here) -> Any:
    return here.client.images.update(here.image(old="x"), {"name": "new", "os_distro": "debian"}, remove=["old"])


@operation()
def images_patch(here: Here) -> Any:
    return here.client.images.patch(here.image(), [{"op": "replace", "path": "/name", "value": "new"}])


@operation()
def images_delete(here: Here) -> Any:
    return here.client.images.delete(here.image())


@operation()
def images_add_tag(here: Here) -> Any:
    return here.client.images.add_tag(here.image(), "new")


@operation()
def images_remove_tag(here: Here) -> Any:
    return here.client.images.remove_tag(here.image(tags=["old"]), "old")


@operation("openstack")
def images_deactivate(here: Here) -> Any:
    return here.client.images.deactivate(here.image())


@operation("openstack")
def images_reactivate(here: Here) -> Any:
    return here.client.images.reactivate(here.image(status="deactivated"))


@operation("openstack")
def images_tasks(here: Here) -> Any:
    return here.client.images.tasks(here.image())


@operation()
def images_wait(here: Here) -> Any:
    return here.client.images.wait(here.image())


@operation("openstack")
def images_create(here: Here) -> Any:
    return here.client.images.create(name="made")


@operation("openstack")
def images_create_with_data(here: Here) -> Any:
    return here.client.images.create(name="made", disk_format="raw", container_format="bare", data=DATA)


@operation("openstack")
def images_create_of_file(here: Here) -> Any:
    return here.client.images.create(name="made", disk_format="raw", container_format="bare", data=here.file())


@operation("openstack")
def images_upload(here: Here) -> Any:
    return here.client.images.upload(here.image(None), here.file())


@operation("openstack")
def images_stage(here: Here) -> Any:
    return here.client.images.stage(here.image(None), DATA)


@operation("openstack")
def images_start_import(here: Here) -> Any:
    return here.client.images.start_import(here.image(None), "web-download", uri=here.source())


@operation("openstack")
def images_import_from_url(here: Here) -> Any:
    return here.client.images.import_from(here.source(), name="made", disk_format="raw")


@operation("openstack")
def images_import_from_data(here: Here) -> Any:
    return here.client.images.import_from(DATA, name="made", disk_format="raw", stores=["cheap"])


@operation("rackspace")
def images_import_from_object(here: Here) -> Any:
    return here.client.images.import_from(here.source(), name="made")


@operation("openstack")
def images_download(here: Here) -> Any:
    return here.client.images.download(here.image(), here.folder / "target")


@operation("openstack")
def images_download_stream(here: Here) -> Any:
    return read(here.client.images.download(here.image()))


@operation("openstack")
def images_locations(here: Here) -> Any:
    return here.client.images.locations(here.image())


# Members.


@operation()
def members_list(here: Here) -> Any:
    return here.client.members.list(here.shared_image()).collect()


@operation()
def members_get(here: Here) -> Any:
    return here.client.members.get(here.shared_image(), here.world.site.consumer.project_id)


@operation()
def members_create(here: Here) -> Any:
    return here.client.members.create(here.image(), here.world.site.consumer.project_id)


@operation()
def members_update(here: Here) -> Any:
    return here.consumer.members.update(here.shared_image(), here.world.site.consumer.project_id, "accepted")


@operation()
def members_delete(here: Here) -> Any:
    return here.client.members.delete(here.shared_image(), here.world.site.consumer.project_id)


# Tasks.


async def imported(here: Here, source: str, count: int) -> list[str]:
    tasks = [await here.client.tasks.import_image(source, name=f"disk-{number}") for number in range(count)]
    return [task.id for task in tasks]


@operation()
def tasks_list(here: Here) -> Any:
    return here.client.tasks.list().collect()


@operation()
def tasks_import_image(here: Here) -> Any:
    return here.client.tasks.import_image(here.source(), name="made")


@operation("rackspace")
def tasks_export_image(here: Here) -> Any:
    return here.client.tasks.export_image(here.image(), container=here.container())


@operation(of_many=True)
def tasks_get_and_wait(here: Here) -> Any:
    async def wait(source: str) -> None:
        task_id = (await imported(here, source, 1))[0]
        await here.client.tasks.get(task_id)
        await here.client.tasks.wait(task_id)

    return wait(here.source())


@operation(of_many=True)
def tasks_wait_all(here: Here) -> Any:
    async def wait(source: str) -> None:
        for outcome in await here.client.tasks.wait_all(await imported(here, source, 3)):
            outcome.unwrap()

    return wait(here.source())


@operation()
def tasks_lost_and_found(here: Here) -> Any:
    here.world.emulator.faults.clear()
    here.world.emulator.faults.drop_reply(method="POST", path="/tasks$")
    return here.client.tasks.import_image(here.source(), name="made")


# Objects.


@operation()
def objects_list_containers(here: Here) -> Any:
    here.container()
    return here.client.objects.list_containers().collect()


@operation()
def objects_create_container(here: Here) -> Any:
    return here.client.objects.create_container("new")


@operation()
def objects_get_container(here: Here) -> Any:
    return here.client.objects.get_container(here.container())


@operation()
def objects_delete_container(here: Here) -> Any:
    return here.client.objects.delete_container(here.container())


@operation()
def objects_list(here: Here) -> Any:
    here.stored()
    return here.client.objects.list("disks").collect()


@operation()
def objects_get(here: Here) -> Any:
    here.stored()
    return here.client.objects.get("disks", "web.vhd")


@operation()
def objects_upload(here: Here) -> Any:
    return here.client.objects.upload(here.container(), "web.vhd", here.file())


@operation()
def objects_upload_in_segments(here: Here) -> Any:
    return here.client.objects.upload(here.container(), "web.vhd", here.file(), segment_bytes=12_000)


@operation()
def objects_upload_in_segments_again(here: Here) -> Any:
    here.stored(b"old")
    return here.client.objects.upload("disks", "web.vhd", here.file(), segment_bytes=12_000)


@operation()
def objects_download(here: Here) -> Any:
    here.stored()
    return here.client.objects.download("disks", "web.vhd", here.folder / "target")


@operation("rackspace", stride=5)
def objects_download_in_parts(here: Here) -> Any:
    here.stored(bytes(9 * 2**20))
    return here.client.objects.download("disks", "web.vhd", here.folder / "target", parts=2)


@operation()
def objects_download_stream(here: Here) -> Any:
    here.stored()
    return read(here.client.objects.download("disks", "web.vhd"))


@operation()
def objects_read(here: Here) -> Any:
    here.stored()
    return here.client.objects.read("disks", "web.vhd", 100, 200)


@operation()
def objects_delete(here: Here) -> Any:
    here.stored()
    return here.client.objects.delete("disks", "web.vhd")


@operation()
def objects_copy(here: Here) -> Any:
    here.stored()
    return here.client.objects.copy("disks", "web.vhd", "disks", "copy.vhd")


# Stores, and what the service says of itself.


@operation("openstack")
def stores_list(here: Here) -> Any:
    return here.client.stores.list(detail=True)


@operation("openstack")
def stores_delete(here: Here) -> Any:
    return here.client.stores.delete("cheap", here.image(stores="fast,cheap"))


@operation("openstack")
def info_import_methods(here: Here) -> Any:
    return here.client.info.import_methods()


@operation("openstack")
def info_usage(here: Here) -> Any:
    return here.client.info.usage()


@operation()
def info_versions(here: Here) -> Any:
    return here.client.info.versions()


@operation()
def schemas_image(here: Here) -> Any:
    return here.client.schemas.image()


@operation()
def project_id(here: Here) -> Any:
    return here.client.project_id()


@operation()
def first_call(here: Here) -> Any:
    """The first call of a client: it signs in, and finds the service."""

    async def begin() -> None:
        async with here.world.client(here.world.credentials(here.world.site.producer)) as client:
            await client.schemas.image()

    return begin()


# Servers.


@operation()
def servers_list(here: Here) -> Any:
    here.world.emulator.add_server(here.account, region=here.region, name="web")
    return here.client.servers.list().collect()


@operation()
def servers_create_image(here: Here) -> Any:
    server_id = here.world.emulator.add_server(here.account, region=here.region, name="web")
    return here.client.servers.create_image(server_id, name="made")


# Many at once.


@operation(of_many=True)
def bulk_map(here: Here) -> Any:
    return drained(here.client.bulk.map(here.client.images.delete, [here.image() for _ in range(3)]))


@operation(of_many=True)
def bulk_import_images(here: Here) -> Any:
    source = here.source()
    return drained(here.client.bulk.import_images([ImportRequest(source, f"disk-{number}") for number in range(3)]))


@operation(of_many=True, keeps=("run.db", "run.db-lock"))
def bulk_import_images_with_a_journal(here: Here) -> Any:
    source = here.source()
    journal = here.folder / "run.db"
    return drained(here.client.bulk.import_images([ImportRequest(source, "disk")], journal=journal))


@operation("rackspace", of_many=True)
def bulk_export_images(here: Here) -> Any:
    requests = [ExportRequest(here.image(), here.container(f"disks-{number}")) for number in range(2)]
    return drained(here.client.bulk.export_images(requests))


@operation("openstack", of_many=True, keeps=(".part",))
def bulk_download_images(here: Here) -> Any:
    requests = [DownloadRequest(here.image(), here.folder / str(number)) for number in range(2)]
    return drained(here.client.bulk.download_images(requests))


# Workflows.


@operation("rackspace")
def workflows_import_disk(here: Here) -> Any:
    return workflows.import_disk(
        here.client, here.file(DISK), name="made", container="new", create_container=True, tags=["new"]
    )


@operation("rackspace")
def workflows_export_disk(here: Here) -> Any:
    image_id = here.image()
    return workflows.export_disk(here.client, image_id, here.folder / "target", container=here.container())


@operation("rackspace")
def workflows_ensure_image_by_import(here: Here) -> Any:
    path = here.file(DISK)
    return workflows.ensure_image(here.client, path, name="made", container=here.container(), tags=["gold"])


@operation()
def workflows_copy_image(here: Here) -> Any:
    image_id = here.image(DISK, os_distro="debian")
    is_rackspace = here.world.dialect == "rackspace"
    options: Any = {"container": "new", "create_container": True} if is_rackspace else {}
    return workflows.copy_image(image_id, source=here.client, target=here.other, name="copy", **options)


@operation("openstack")
def workflows_ensure_image(here: Here) -> Any:
    return workflows.ensure_image(here.client, DATA, name="made", disk_format="raw", tags=["gold"])


@operation()
def workflows_share(here: Here) -> Any:
    consumer = here.world.site.consumer.project_id
    return workflows.share(here.client, here.image(), [consumer], accept_with=here.consumer)


@operation()
def workflows_capture_server(here: Here) -> Any:
    server_id = here.world.emulator.add_server(here.account, region=here.region, name="web")
    return workflows.capture_server(here.client, server_id, name="made")
