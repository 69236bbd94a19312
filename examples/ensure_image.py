"""See that an image is there, and as it should be."""

import tempfile
from pathlib import Path

from playground import embedded_openstack, run

from aioimages import Client, workflows


async def main(client: Client, disk: Path) -> None:
    """Run as often as you like: it makes the image where there is none, changes what is to be, and says which."""
    for version in ("12", "12", "13"):
        ensured = await workflows.ensure_image(
            client, disk, name="web", disk_format="raw", properties={"os_version": version}
        )
        print(f"version {version}: {ensured.action}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disk.raw"
        path.write_bytes(bytes(5_000_000))
        run(lambda place: main(place.client, path), embedded_openstack)
