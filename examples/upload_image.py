"""Make an image of a disk that is here."""

import tempfile
from pathlib import Path

from playground import embedded_openstack, run

from aioimages import Client, ConflictError


async def main(client: Client, disk: Path) -> None:
    """Make an image and give it its data, in one step or in two."""
    image = await client.images.create(name="web", disk_format="raw", container_format="bare", data=disk)
    print(f"{image.name} is {image.status}: {image.size} bytes, whose {image.os_hash_algo} is what was sent")

    image = await client.images.create(name="other", disk_format="raw", container_format="bare")
    await client.images.upload(image.id, disk)
    try:
        await client.images.upload(image.id, disk)
    except ConflictError as error:
        print(f"as was to be expected: {error}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disk.raw"
        path.write_bytes(bytes(5_000_000))
        run(lambda place: main(place.client, path), embedded_openstack)
