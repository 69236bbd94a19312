"""One part of a large run, in a process of its own: `python parts.py PART URL COUNT SCHEDULER` prints figures as JSON.

Only the time of the processor counts here, and the memory: they say what a core can bear, however busy the machine is.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from data_server import DOWN
from loops import in_flight
from runner import peak_mb

from aioimages import Client, ImportRequest, KeystonePassword, StaticToken
from aioimages._bulk.records import Record, Run, Step
from aioimages._bulk.store import Store

_IN_FLIGHT: Final = 64
_TOGETHER: Final = 64

Figures = dict[str, float]


@contextmanager
def _clocked(figures: Figures) -> Iterator[None]:
    """Take the milliseconds of the processor that a block takes, in all threads."""
    start = time.process_time()
    yield
    figures["cpu_ms"] = 1000 * (time.process_time() - start)


def _client(url: str) -> Client:
    return Client(StaticToken("token", f"{url}/v2"), concurrency=_IN_FLIGHT)


def _cluster(url: str, scheduler: str) -> Any:
    # Nothing else here needs Dask, which takes its memory.
    from aioimages.distributed import Cluster  # noqa: PLC0415

    return Cluster(scheduler, StaticToken("token", f"{url}/v2"), concurrency=_IN_FLIGHT)


def _disks(count: int) -> list[ImportRequest]:
    return [ImportRequest(f"http://disks.example/{number}.vhd", f"disk-{number}") for number in range(count)]


async def requests(url: str, count: int, _: str) -> Figures:
    """Get images, many at a time."""
    figures: Figures = {}
    async with _client(url) as client:
        await client.images.get("x")
        with _clocked(figures):
            await in_flight(_IN_FLIGHT, count, lambda _: client.images.get("x"))
    return figures


async def listing(url: str, count: int, _: str) -> Figures:
    """List images in pages of 1,000."""
    figures: Figures = {}
    async with _client(url) as client:
        await client.images.get("x")
        with _clocked(figures):
            assert sum([1 async for _ in client.images.list(page_size=1000)]) == count
    return figures


async def accounts(url: str, count: int, __: str) -> Figures:
    """Sign in, and get an image, with so many clients that stay open."""
    figures: Figures = {}
    credentials = KeystonePassword(f"{url}/v3", "user", "password", project_name="project")
    async with AsyncExitStack() as stack:
        with _clocked(figures):
            for _ in range(count):
                client = await stack.enter_async_context(Client(credentials))
                await client.images.get("x")
    return figures


async def _imports(runner: Any, count: int, **options: Any) -> Figures:
    figures: Figures = {}
    with _clocked(figures):
        async with runner.import_images(_disks(count), **options) as outcomes:
            assert sum([outcome.ok async for outcome in outcomes]) == count
    return figures


async def imports(url: str, count: int, _: str) -> Figures:
    """Import disks."""
    async with _client(url) as client:
        return await _imports(client.bulk, count)


async def noted(url: str, count: int, _: str) -> Figures:
    """Import disks with a journal."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "run.db"
        async with _client(url) as client:
            figures = await _imports(client.bulk, count, journal=journal)
        return {**figures, "journal_bytes": journal.stat().st_size}


async def handed(url: str, count: int, scheduler: str) -> Figures:
    """Import disks on a cluster."""
    return await _imports(_cluster(url, scheduler), count)


async def orders(url: str, count: int, scheduler: str) -> Figures:
    """Have workers get images."""
    from distributed import Client as DaskClient  # noqa: PLC0415  # as above

    figures: Figures = {}
    crew, bulk = _cluster(url, scheduler)._crew()
    images = bulk._images
    async with DaskClient(scheduler, asynchronous=True) as dask, crew.at_work():
        await in_flight(_IN_FLIGHT, _IN_FLIGHT, lambda _: images.get("x"))
        before = await dask.run(time.process_time)
        with _clocked(figures):
            await in_flight(_IN_FLIGHT, count, lambda _: images.get("x"))
        after = await dask.run(time.process_time)
    return {**figures, "workers_ms": 1000 * (sum(after.values()) - sum(before.values()))}


async def download(data_url: str, count: int, _: str) -> Figures:
    """Download so many MiB to a file, and check them."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        async with _client(data_url) as client:
            with _clocked(figures):
                done = await client.images.download(DOWN, Path(folder) / "disk")
        assert done.size_bytes == count * 2**20
    return figures


async def writes(_: str, count: int, __: str) -> Figures:
    """Write steps into a journal, one by one and then many together."""
    records = [Record(number, f"{number:064}", f"disk-{number}", step=Step.ASKING) for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run.db")
        store.open()
        store.begin(Run(kind="import", target="here", started_at="", service_time=None), records)
        seconds = []
        for size in (1, _TOGETHER):
            start = time.perf_counter()
            for first in range(0, count, size):
                store.save(records[first : first + size])
            seconds.append(time.perf_counter() - start)
        store.close()
    return {"one_by_one": count / seconds[0], "together": count / seconds[1]}


_PARTS: Final = {
    part.__name__: part for part in (requests, listing, accounts, download, imports, noted, handed, orders, writes)
}


def main() -> None:
    """Do a part, and print what it took."""
    part, url, count, scheduler = sys.argv[1:]
    # Workers run on asyncio's own loop, and so do most programs.
    figures = asyncio.run(_PARTS[part](url, int(count), scheduler))
    print(json.dumps({**figures, "peak_bytes": 1e6 * peak_mb()}))


if __name__ == "__main__":
    main()
