"""Import many disks, and fetch the images, by the machines of a Dask cluster."""

import asyncio
import tempfile
from pathlib import Path

from distributed import LocalCluster

from aioimages import Credentials, DownloadRequest, ImportRequest, KeystonePassword
from aioimages.distributed import Cluster
from aioimages.emulator import Emulator


async def main(scheduler: str, credentials: Credentials, import_from: str, journal: Path) -> list[str]:
    """Import disks. When this program or a worker ends before they are all there, none is imported twice."""
    cluster = Cluster(scheduler, credentials, region="RegionOne", concurrency=64)
    requests = [ImportRequest(import_from, f"web-{number}") for number in range(20)]
    image_ids = []
    async with cluster.import_images(requests, journal=journal) as outcomes:
        async for outcome in outcomes:
            print(outcome.key.name, "is", outcome.value.image_id if outcome.value else outcome.error)
            if outcome.value:
                image_ids.append(outcome.value.image_id)
    print(outcomes.report)
    return image_ids


async def fetch(scheduler: str, credentials: Credentials, image_ids: list[str], folder: Path) -> None:
    """Fetch images, four at a time by each worker, to a folder that all workers have."""
    cluster = Cluster(scheduler, credentials, region="RegionOne")
    requests = [DownloadRequest(image_id, folder / f"{image_id}.raw") for image_id in image_ids]
    async with cluster.download_images(requests, concurrency=4, journal=folder / "run.db") as outcomes:
        async for outcome in outcomes:
            print(outcome.key.path, "has", f"{outcome.value.size_bytes} bytes" if outcome.value else outcome.error)
    print(outcomes.report)


async def on_emulator() -> None:
    """Run both on two workers of this machine and on the embedded cloud, where administrators may import."""
    async with (
        Emulator() as cloud,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", asynchronous=True) as workers,
    ):
        admin = cloud.admin
        credentials = KeystonePassword(
            cloud.keystone_auth_url, admin.username, admin.password, project_name=admin.project_name
        )
        import_from = cloud.put_file("web.raw", bytes(5_000_000))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            image_ids = await main(workers.scheduler_address, credentials, import_from, folder / "imports.db")
            await fetch(workers.scheduler_address, credentials, image_ids, folder)


if __name__ == "__main__":
    asyncio.run(on_emulator())
