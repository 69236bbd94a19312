"""Disks made by qemu-img, through the client and a real Glance."""

import subprocess
import warnings
from pathlib import Path

import anyio.to_thread
import pytest
from clouds import World
from real_cloud import RealCloud

from aioimages import FormatWarning, StatusError

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]

# What qemu calls the formats.
FORMATS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}


async def disk(folder: Path, disk_format: str) -> Path:
    """Make a disk with something on it."""
    raw, made = folder / "source.raw", folder / f"disk.{disk_format}"
    raw.write_bytes(b"something" * 100_000 + bytes(10_000_000))
    command = ["qemu-img", "convert", "-f", "raw", "-O", FORMATS[disk_format], str(raw), str(made)]
    await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, timeout=60))
    return made


@pytest.mark.usefixtures("real_cloud")
@pytest.mark.parametrize("disk_format", FORMATS)
async def test_each_format(world: World, tmp_path: Path, disk_format: str) -> None:
    """A disk of each format is taken without a warning, and comes back as it was."""
    made = await disk(tmp_path, disk_format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = await world.producer.images.create(
            name=disk_format, disk_format=disk_format, container_format="bare", data=made
        )
    assert image.status == "active"
    await world.producer.images.download(image.id, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == made.read_bytes()


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk"])
async def test_format_that_is_another_one(
    world: World, real_cloud: RealCloud, tmp_path: Path, disk_format: str
) -> None:
    """Of a disk that is not of its image's format the client warns, and the service refuses it."""
    assert real_cloud.region
    made = await disk(tmp_path, disk_format)
    with pytest.warns(FormatWarning, match=f"look like {disk_format}"), pytest.raises(StatusError):
        await world.producer.images.create(name="vhd", disk_format="vhd", container_format="bare", data=made)
    assert [image async for image in world.producer.images.list(name="vhd")] == []
