"""Large disks through a real Swift, and the way of a disk through the embedded cloud with a real Swift behind it."""

import asyncio
import hashlib
import os
from pathlib import Path

import anyio.to_thread
import pytest
from clouds import QUICK, World
from disks import fixed_vhd
from wire import Wire

from aioimages import Client, Progress, ProgressEvent, RackspaceApiKey, vhd, workflows
from aioimages.emulator import Emulator, ObjectStore

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live"), pytest.mark.slow]

MIB = 2**20
SEGMENT = 64 * MIB


def large_vhd(path: Path, size: int) -> None:
    """Make a fixed VHD of random data."""
    small = fixed_vhd(size)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.write(small[-512:])


def digest(path: Path) -> str:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Stop:
    """Sets an event when so many bytes were sent."""

    def __init__(self, after: int) -> None:
        self.reached = asyncio.Event()
        self._after = after

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        if event.done >= self._after:
            self.reached.set()


async def segments(client: Client) -> set[str]:
    """Return the names of the segments that are there."""
    return {found.name async for found in client.objects.list("disks", prefix="web.vhd.segments/")}


def number(segment: str) -> str:
    """Return which of its object's segments one is, from its path or name."""
    return segment.rpartition("/")[2]


async def test_large_disk(world: World, wire: Wire, tmp_path: Path) -> None:
    """1.2 GB go up in segments; an interrupted upload goes on; they come back the same, and go without a trace."""
    assert wire.objects_root
    path, back = tmp_path / "web.vhd", tmp_path / "back.vhd"
    await anyio.to_thread.run_sync(large_vhd, path, 1200 * MIB)
    vhd.check(await anyio.to_thread.run_sync(vhd.read, path))
    client = world.producer
    stop: Progress = Stop(after=400 * MIB)
    uploading = asyncio.create_task(
        client.objects.upload("disks", "web.vhd", path, segment_bytes=SEGMENT, resume=True, progress=stop)
    )
    assert isinstance(stop, Stop)
    await stop.reached.wait()
    uploading.cancel()
    await asyncio.wait([uploading])
    finished = await segments(client)
    assert 1 <= len(finished) < 19
    world.watch.clear()
    stored = await client.objects.upload("disks", "web.vhd", path, segment_bytes=SEGMENT, resume=True)
    puts = [request.path for request in world.watch.requests if request.method == "PUT"]
    sent = [number(path) for path in puts if ".segments/" in path]
    assert set(sent).isdisjoint(number(name) for name in finished)
    assert len(sent) <= 19 - len(finished)
    assert finished <= await segments(client)
    assert (stored.is_large, stored.size_bytes) == (True, path.stat().st_size)
    done = await client.objects.download("disks", "web.vhd", back, parts=2)
    assert done.verified
    assert await anyio.to_thread.run_sync(lambda: digest(path) == digest(back))
    await client.objects.delete("disks", "web.vhd")
    assert [found.name async for found in client.objects.list("disks")] == []


async def test_vhd_at_both_ends_of_an_object(world: World, wire: Wire) -> None:
    """What a disk is, the first and the last bytes of an object tell."""
    assert wire.objects_root
    data = fixed_vhd(5 * MIB)
    objects = world.producer.objects
    await objects.upload("disks", "web.vhd", data, segment_bytes=2 * MIB)
    size = (await objects.get("disks", "web.vhd")).size_bytes
    first = await objects.read("disks", "web.vhd", 0, vhd.FIRST_BYTES)
    last = await objects.read("disks", "web.vhd", size - vhd.LAST_BYTES, size)
    found = vhd.parse(first, last, size)
    assert (found.virtual_size_bytes, found.disk_type) == (5 * MIB, vhd.DiskType.FIXED)


async def test_disk_in_and_out(wire: Wire, tmp_path: Path) -> None:
    """A disk becomes an image and a disk again, by way of the real Swift, where nothing stays."""
    path, back = tmp_path / "web.vhd", tmp_path / "back.vhd"
    await anyio.to_thread.run_sync(large_vhd, path, 48 * MIB)
    async with Emulator(object_store=ObjectStore(url=str(wire.objects_root), token=wire.token)) as cloud:
        account = cloud.producer
        credentials = RackspaceApiKey(account.username, account.api_key, auth_url=cloud.rackspace_auth_url)
        async with Client(credentials, region="DFW", poll=QUICK) as client:
            image = await workflows.import_disk(
                client, path, name="web", container="disks", properties={"a": "b"}, segment_bytes=16 * MIB
            )
            assert (image.status, image.properties["a"]) == ("active", "b")
            await workflows.export_disk(client, image.id, back, container="disks")
            assert [found.name async for found in client.objects.list("disks")] == []
    assert await anyio.to_thread.run_sync(lambda: digest(path) == digest(back))
