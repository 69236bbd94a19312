"""Store an object in Cloud Files, and fetch it."""

import tempfile
from pathlib import Path

from playground import run

from aioimages import Client


async def main(client: Client, folder: Path) -> None:
    """Store a file in segments, look at it, fetch it back, and delete it."""
    (folder / "disk.vhd").write_bytes(bytes(5_000_000))
    await client.objects.create_container("backups")
    await client.objects.upload("backups", "2026/disk.vhd", folder / "disk.vhd", segment_bytes=2_000_000, resume=True)
    found = await client.objects.get("backups", "2026/disk.vhd")
    print(f"{found.size_bytes} bytes, in segments: {found.is_large}")

    done = await client.objects.download("backups", "2026/disk.vhd", folder / "back.vhd")
    print(f"fetched, checked: {done.verified}")
    await client.objects.delete("backups", "2026/disk.vhd")
    print("left:", [left.name async for left in client.objects.list("backups")])
    await client.objects.delete_container("backups")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run(lambda place: main(place.client, Path(name)))
