"""Export all of one's images."""

import tempfile
from pathlib import Path

from playground import run

from aioimages import Client, Download, Image, workflows


async def main(client: Client, folder: Path, container: str) -> None:
    """Make a VHD of each private image, four at a time."""

    async def take(image: Image) -> Download:
        return await workflows.export_disk(client, image.id, folder / f"{image.id}.vhd", container=container)

    async with client.bulk.map(take, client.images.list(visibility="private"), concurrency=4) as outcomes:
        async for outcome in outcomes:
            print(outcome.key.name, "is", f"{outcome.value.size_bytes} bytes" if outcome.value else outcome.error)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run(lambda place: main(place.client, Path(name), place.container))
