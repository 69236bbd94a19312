"""Large data, through the client and a real Glance, in a process whose memory is watched."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest
from clouds import World

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live"), pytest.mark.slow]

MIB = 2**20
SIZE = 2**30
# What an idle client may grow by, whatever the size of the data.
GROWTH = 64 * MIB
MOVE = """
import asyncio, resource, sys
from aioimages import Client, StaticToken

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(300_000):
            yield piece

async def main(endpoint, source, target, way):
    async with Client(StaticToken(sys.stdin.readline().strip(), endpoint)) as client:
        image = await client.images.create(name="large", disk_format="raw", container_format="bare")
        idle = peak()
        await client.images.upload(image.id, source if way == "sized" else lambda: pieces(source))
        uploaded = peak()
        done = await client.images.download(image.id, target, parts=int(way == "sized") + 1)
        print(done.verified, done.hash_value, uploaded - idle, peak() - idle)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a file of 1 GiB."""
    path = tmp_path_factory.mktemp("large") / "source"
    piece = os.urandom(MIB)
    with path.open("wb") as file:
        for number in range(SIZE // MIB):
            file.write(number.to_bytes(8) + piece[8:])
    yield path
    path.unlink()


def sha512_of(path: Path) -> str:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


@pytest.mark.parametrize("way", ["sized", "chunked"])
async def test_one_gibibyte(world: World, source: Path, tmp_path: Path, way: str) -> None:
    """1 GiB goes up and comes down byte for byte, verified, in memory that hardly grows."""
    wire = await world.site.wire(world.site.producer)
    target = tmp_path / "disk.raw"
    command = [sys.executable, "-W", "error", "-c", MOVE, wire.root, str(source), str(target), way]

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, input=f"{wire.token}\n", capture_output=True, text=True, timeout=250, check=False
        )

    ran = await anyio.to_thread.run_sync(run)
    assert ran.stderr == ""
    verified, digest, uploading, moving = ran.stdout.split()
    same = await anyio.to_thread.run_sync(lambda: sha512_of(source) == sha512_of(target) == digest)
    target.unlink()  # a gigabyte is not left to later
    assert (verified, same) == ("True", True)
    assert int(uploading) < GROWTH
    assert int(moving) < GROWTH
