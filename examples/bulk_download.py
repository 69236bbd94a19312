"""Fetch the data of many images."""

import tempfile
from pathlib import Path

from playground import embedded_openstack, run

from aioimages import Client, DownloadRequest


async def main(client: Client, folder: Path) -> None:
    """Fetch all of one's own images, eight at a time; started again, it goes on where it was, also within a file."""
    own = client.images.list(owner=await client.project_id(), status="active")
    requests = [DownloadRequest(image.id, folder / f"{image.id}.raw") async for image in own]
    async with client.bulk.download_images(requests, journal=folder / "run.db") as outcomes:
        async for outcome in outcomes:
            print(outcome.key.path, "has", f"{outcome.value.size_bytes} bytes" if outcome.value else outcome.error)
    print(outcomes.report)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run(lambda place: main(place.client, Path(name)), embedded_openstack)
