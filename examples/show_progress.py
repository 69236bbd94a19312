"""Show how far things are."""

import tempfile
from pathlib import Path

from playground import embedded_openstack, run

from aioimages import Client, ProgressEvent
from aioimages.progress import RichProgress


class Plain:
    """Prints how far things are when they end."""

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        if event.is_last:
            print(f"{event.phase}: {event.done} of {event.total} {event.unit}")


async def main(client: Client, image_id: str, target: Path) -> None:
    """Show a download as a bar, and one as a line."""
    with RichProgress() as progress:
        await client.images.download(image_id, target, progress=progress)
    await client.images.download(image_id, target, progress=Plain())

    async with client.bulk.map(client.images.get, [image_id], progress=Plain()) as outcomes:
        print([outcome.ok async for outcome in outcomes])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(lambda place: main(place.client, place.image_id, Path(folder) / "disk.raw"), embedded_openstack)
