"""Check disks before they are sent."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path

from aioimages import VhdError, vhd
from aioimages.demo.disks import disks


async def main(paths: Iterable[Path]) -> None:
    """Say of each disk whether Cloud Images would take it."""
    for path in paths:
        try:
            disk = await asyncio.to_thread(vhd.read, path)
            vhd.check(disk)
        except VhdError as error:
            print(f"{path.name}: {error}")
        else:
            print(f"{path.name}: fine, a disk of {disk.virtual_size_bytes} bytes in a file of {disk.file_size_bytes}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for made in disks(10):
            Path(name, f"{made.name}.vhd").write_bytes(made.data)
        asyncio.run(main(sorted(Path(name).glob("*.vhd"))))
