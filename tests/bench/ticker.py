"""How late a ticker of 5 ms is in an event loop that does other things: `python ticker.py DATA_URL SOURCE URL`.

They are two verified transfers and a listing of 1,000 images, all at the same time.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from data_server import DOWN

from aioimages import Client, StaticToken

_TICK_SECONDS: Final = 0.005


async def _tick(late: list[float]) -> None:
    due = time.perf_counter() + _TICK_SECONDS
    while True:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        late.append(now - due)
        due = max(due + _TICK_SECONDS, now)


async def lateness(data_url: str, source: Path, url: str, target: Path) -> list[float]:
    """Return by how many seconds each tick was late, sorted, during an upload, a download and a listing.

    All of it is done twice, and the second time counts: at the first one, modules are loaded.
    """
    late: list[float] = []
    async with (
        Client(StaticToken("token", f"{data_url}/v2")) as client,
        Client(StaticToken("token", f"{url}/v2")) as lister,
    ):
        for _ in range(2):
            late.clear()
            image = await client.images.create(name="disk", disk_format="raw", container_format="bare")
            ticker = asyncio.create_task(_tick(late))
            await asyncio.gather(
                client.images.download(DOWN, target),
                client.images.upload(image.id, source),
                lister.images.list(page_size=1000).collect(),
            )
            ticker.cancel()
    return sorted(late)


def main() -> None:
    """Measure once, and print the figures in milliseconds."""
    data_url, source, url = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        late = asyncio.run(lateness(data_url, Path(source), url, Path(folder) / "disk"))
    at = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    print(json.dumps({name: 1000 * late[min(int(len(late) * share), len(late) - 1)] for name, share in at.items()}))


if __name__ == "__main__":
    main()
