"""Import a folder of disks."""

import tempfile
from pathlib import Path

from playground import run

from aioimages import Client, Image, workflows
from aioimages.demo.disks import disks


async def main(client: Client, paths: list[Path], container: str) -> None:
    """Make an image of each VHD of a folder, four at a time; one that is none does not stop the others."""

    async def bring(path: Path) -> Image:
        return await workflows.import_disk(client, path, name=path.stem, container=container, tags=["new"])

    async with client.bulk.map(bring, paths, concurrency=4) as outcomes:
        async for outcome in outcomes:
            print(outcome.key.name, "became", outcome.value.id if outcome.value else outcome.error)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for disk in disks(3):
            (Path(name) / f"{disk.name}.vhd").write_bytes(disk.data)
        (Path(name) / "broken.vhd").write_bytes(b"this is no disk")
        run(lambda place: main(place.client, sorted(Path(name).glob("*.vhd")), place.container))
