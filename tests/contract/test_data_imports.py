"""Glance's own imports: `start_import`, `images.wait`, `import_from`; stores and locations."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest
from clouds import World

from aioimages import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    Image,
    ProgressEvent,
    TaskFailedError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

DATA = os.urandom(100_000) * 30


class Seen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def update(self, event: ProgressEvent) -> None:
        """Keep it."""
        self.events.append(event)


async def queued(world: World) -> Image:
    """Make an image that waits for its data."""
    return await world.producer.images.create(name="new", disk_format="raw", container_format="bare")


async def test_web_download_to_two_stores(world: World) -> None:
    """The service fetches a file into two stores."""
    image = await queued(world)
    uri = world.site.put_file("disk.raw", DATA)
    await world.producer.images.start_import(image.id, "web-download", uri=uri, stores=["fast", "cheap"])
    image = await world.producer.images.wait(image.id, timeout=30)
    assert (image.size, set(image.stores)) == (len(DATA), {"fast", "cheap"})
    assert (image.os_glance_importing_to_stores, image.os_glance_failed_import) == ((), ())


async def test_copy_to_another_store(world: World) -> None:
    """An image that is active is copied to a further store, and waiting for it waits for the copy."""
    image = await world.make_image(data=DATA)
    await world.admin.images.start_import(image.id, "copy-image", stores=["cheap"])
    image = await world.admin.images.wait(image.id, timeout=30)
    assert set(image.stores) == {"fast", "cheap"}


async def test_import_that_fails(world: World) -> None:
    """An import that fails is an error with the service's reason, though the image says nothing."""
    image = await queued(world)
    uri = world.site.put_file("disk.raw", DATA) + "-is-not-there"
    await world.producer.images.start_import(image.id, "web-download", uri=uri)
    with pytest.raises(TaskFailedError, match=f"failed.*image {image.id}") as raised:
        await world.producer.images.wait(image.id, timeout=30)
    assert raised.value.reason
    assert (await world.producer.images.get(image.id)).status == "queued"


async def test_import_from_another_region(world: World) -> None:
    """The service fetches an image from another region."""
    elsewhere = world.client(world.credentials(world.site.producer), region=world.site.second_region)
    there = await elsewhere.images.create(name="there", disk_format="raw", container_format="bare", data=DATA)
    image = await queued(world)
    await world.producer.images.start_import(
        image.id, "glance-download", glance_region=world.site.second_region, glance_image_id=there.id
    )
    image = await world.producer.images.wait(image.id, timeout=30)
    assert (image.size, image.os_hash_value) == (there.size, there.os_hash_value)


async def test_progress_of_an_import(world: World) -> None:
    """A wait for an import tells how far it is."""
    image = await queued(world)
    seen = Seen()
    await world.producer.images.start_import(image.id, "web-download", uri=world.site.put_file("disk.raw", DATA))
    await world.producer.images.wait(image.id, timeout=30, progress=seen)
    assert seen.events[-1].is_last
    assert {(event.phase, event.key, event.unit) for event in seen.events} == {("import", image.id, "bytes")}
    assert seen.events[-1].done == len(DATA) // 2**20 * 2**20


async def test_imports_that_cannot_begin(world: World) -> None:
    """What cannot begin is refused at once: nothing staged, no such store, no formats, data already."""
    image = await queued(world)
    with pytest.raises(ConflictError):
        await world.producer.images.start_import(image.id, "glance-direct")
    uri = world.site.put_file("disk.raw", DATA)
    with pytest.raises(ConflictError):
        await world.producer.images.start_import(image.id, "web-download", uri=uri, stores=["nowhere"])
    with pytest.raises(BadRequestError):
        await world.producer.images.start_import(image.id, "web-download", uri="http://127.0.0.2:1/disk.raw")
    bare = await world.producer.images.create(name="bare")
    with pytest.raises(ConflictError):
        await world.producer.images.start_import(bare.id, "web-download", uri=uri)
    full = await world.make_image(data=b"data")
    with pytest.raises(ConflictError):
        await world.producer.images.start_import(full.id, "web-download", uri=uri)


async def test_import_from_a_url(world: World) -> None:
    """One call makes an image of what is at a URL."""
    image = await world.producer.images.import_from(
        world.site.put_file("disk.raw", DATA), name="web", disk_format="raw", tags=["new"], timeout=30
    )
    assert (image.name, image.status, image.size, image.tags) == ("web", "active", len(DATA), ("new",))


@pytest.mark.parametrize("stores", [None, ["cheap"], ["fast", "cheap"]])
async def test_import_from_data(world: World, stores: list[str] | None) -> None:
    """One call makes an image of data that are here, in the stores that are asked for."""
    image = await world.producer.images.import_from(DATA, name="web", disk_format="raw", stores=stores, timeout=30)
    assert (image.status, image.size, set(image.stores)) == ("active", len(DATA), set(stores or ["fast"]))


async def test_import_from_a_url_that_fails(world: World) -> None:
    """An image that did not get its data is not left behind, and the error tells why."""
    uri = world.site.put_file("disk.raw", DATA) + "-is-not-there"
    with pytest.raises(TaskFailedError):
        await world.producer.images.import_from(uri, name="gone", disk_format="raw", timeout=30)
    assert [image async for image in world.producer.images.list(name="gone")] == []


async def test_delete_from_a_store(world: World) -> None:
    """An image's data leave one store, but not the last one."""
    image = await world.producer.images.import_from(
        DATA, name="web", disk_format="raw", stores=["fast", "cheap"], timeout=30
    )
    with pytest.raises(ForbiddenError):
        await world.producer.stores.delete("cheap", image.id)
    await world.admin.stores.delete("cheap", image.id)
    assert (await world.producer.images.get(image.id)).stores == ("fast",)
    with pytest.raises(ForbiddenError):
        await world.admin.stores.delete("fast", image.id)


async def test_discovery(world: World) -> None:
    """The cloud tells how it imports, which stores and versions it has, and what quotas there are."""
    methods = await world.producer.info.import_methods()
    assert {"glance-direct", "web-download", "copy-image", "glance-download"} <= set(methods)
    stores = {store.id: store for store in await world.producer.stores.list()}
    assert {"fast", "cheap", "web"} == stores.keys()
    assert [store.id for store in stores.values() if store.default] == ["fast"]
    assert [store.id for store in stores.values() if store.read_only] == ["web"]
    assert "v2.15" in await world.producer.info.versions()
    assert await world.producer.info.usage() == {}
    details = {store.id: store for store in await world.admin.stores.list(detail=True)}
    assert (details["fast"].type, details["web"].type) == ("file", "http")
    with pytest.raises(ForbiddenError):
        await world.producer.stores.list(detail=True)


async def test_locations(world: World) -> None:
    """A service is told where data are; others are not."""
    image = await world.make_image(data=DATA)
    (location,) = await world.admin.images.locations(image.id)
    assert location.metadata["store"] == "fast"
    assert location.url not in repr(location)
    with pytest.raises(ForbiddenError):
        await world.producer.images.locations(image.id)


async def located(world: World) -> Image:
    """Make an image of data that stay where they are, at a URL; their store gives no parts of them."""
    image = await queued(world)
    await world.producer.images.add_location(image.id, world.site.put_file("located.raw", DATA))
    return await world.producer.images.wait(image.id, timeout=30)


async def test_add_location(world: World) -> None:
    """Data that are at a URL become an image's without being moved; the service digests them in its own time."""
    image = await located(world)
    assert (image.status, image.size, image.stores) == ("active", len(DATA), ("web",))
    async with asyncio.timeout(30):
        while image.os_hash_value is None:
            await asyncio.sleep(0.1)
            image = await world.producer.images.get(image.id)
    assert image.os_hash_value == hashlib.new(image.os_hash_algo or "", DATA).hexdigest()


async def test_locations_that_are_refused(world: World) -> None:
    """A place that the service does not fetch from, or that no store knows, is refused; one without data fails."""
    image = await queued(world)
    with pytest.raises(BadRequestError):
        await world.producer.images.add_location(image.id, "http://127.0.0.2:1/disk.raw")
    with pytest.raises(ForbiddenError):
        await world.producer.images.add_location(image.id, "rbd://pool/disk")
    uri = world.site.put_file("disk.raw", DATA)
    await world.producer.images.add_location(image.id, uri, hash_algo="sha512", hash_value="0" * 128)
    with pytest.raises(TaskFailedError):
        await world.producer.images.wait(image.id, timeout=30)
    full = await world.make_image(data=b"data")
    with pytest.raises(ConflictError):
        await world.producer.images.add_location(full.id, uri)


@pytest.mark.parametrize("parts", [1, 3])
async def test_download_from_a_store_without_parts(world: World, tmp_path: Path, parts: int) -> None:
    """A store that gives no parts gives the whole: also where parts are asked for, or part of it is there already."""
    image = await located(world)
    (tmp_path / f".disk.raw.{image.id}.part").write_bytes(DATA[:1_000_000])
    done = await world.producer.images.download(image.id, tmp_path / "disk.raw", parts=parts, resume=True)
    assert (done.verified, done.resumed_bytes) == (True, 1_000_000)
    assert (tmp_path / "disk.raw").read_bytes() == DATA
