"""Fetch an image's data."""

import tempfile
from pathlib import Path

from playground import embedded_openstack, run

from aioimages import Client


async def main(client: Client, image_id: str, target: Path) -> None:
    """Fetch an image's data to a file, and then piece by piece."""
    done = await client.images.download(image_id, target, resume=True)
    print(f"{done.size_bytes} bytes in the file, checked with {done.hash_algo}: {done.verified}")

    size = 0
    async with client.images.download(image_id) as stream:
        async for piece in stream:
            size += len(piece)
    print(f"{size} bytes in pieces, checked: {stream.result and stream.result.verified}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(lambda place: main(place.client, place.image_id, Path(folder) / "disk.raw"), embedded_openstack)
