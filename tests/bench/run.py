"""Measure the client beside bare aiohttp with orjson and dictionaries, which is the limit for anything built on it.

Each workload runs several times, the two in turns, in one process; the server has a process of its own. Ratios of
medians are what counts: the seconds depend on the machine.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import transfers
from server import IMAGES, serve

from aioimages import Client, StaticToken

GETS: Final = 3000
PATCHES: Final = 1000
IN_FLIGHT: Final = 64
Workload = Callable[[str], Coroutine[Any, Any, None]]
PATCH: Final = "application/openstack-images-v2.1-json-patch"


def listing(page_size: int) -> tuple[Workload, Workload]:
    """List all images, by bare aiohttp and by the client."""

    async def bare(url: str) -> None:
        seen, query = 0, f"limit={page_size}"
        async with aiohttp.ClientSession() as session:
            while query:
                async with session.get(f"{url}/images?{query}", headers={"X-Auth-Token": "token"}) as response:
                    page = orjson.loads(await response.read())
                seen += len(page["images"])
                query = page.get("next", "").partition("?")[2]
        assert seen == IMAGES

    async def ours(url: str) -> None:
        async with Client(StaticToken("token", url)) as client:
            assert sum([1 async for _ in client.images.list(page_size=page_size)]) == IMAGES

    return bare, ours


async def _workers(count: int, work: Callable[[], Awaitable[object]]) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await work()

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def bare_gets(url: str) -> None:
    """Get images by bare aiohttp."""
    async with aiohttp.ClientSession() as session:

        async def get() -> None:
            async with session.get(f"{url}/images/x", headers={"X-Auth-Token": "token"}) as response:
                orjson.loads(await response.read())

        await _workers(GETS, get)


async def our_gets(url: str) -> None:
    """Get images by the client."""
    async with Client(StaticToken("token", url), concurrency=IN_FLIGHT) as client:
        await _workers(GETS, lambda: client.images.get("x"))


async def bare_patches(url: str) -> None:
    """Rename images by bare aiohttp."""
    body = orjson.dumps([{"op": "add", "path": "/name", "value": "new"}])
    headers = {"X-Auth-Token": "token", "Content-Type": PATCH}
    async with aiohttp.ClientSession() as session:

        async def patch() -> None:
            async with session.patch(f"{url}/images/x", data=body, headers=headers) as response:
                orjson.loads(await response.read())

        await _workers(PATCHES, patch)


async def our_patches(url: str) -> None:
    """Rename images by the client, each image once: changes of one image go one after the other."""
    names = iter(range(PATCHES))
    async with Client(StaticToken("token", url), concurrency=IN_FLIGHT) as client:
        await _workers(PATCHES, lambda: client.images.update(f"x{next(names)}", {"name": "new"}))


WORKLOADS: Final[dict[str, tuple[Workload, Workload]]] = {
    "list 10,000 images, pages of 1,000": listing(1000),
    "list 10,000 images, pages of 100": listing(100),
    "3,000 gets, 64 in flight": (bare_gets, our_gets),
    "1,000 renames, 64 in flight": (bare_patches, our_patches),
}


def seconds(workload: Workload, url: str) -> float:
    """Return how long a workload takes, in a loop of its own."""
    start = time.perf_counter()
    asyncio.run(workload(url))
    return time.perf_counter() - start


def _server(connection: Connection) -> None:
    async def main() -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda port: connection.send(port.result()))
        await serve(ready)

    asyncio.run(main())


def main() -> None:
    """Run all workloads in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the seconds of every round to this file")
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_server, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v2"
    results: dict[str, object] = {}
    print("| workload | bare aiohttp, s | aioimages, s | ratio |\n|---|---|---|---|")
    for name, pair in WORKLOADS.items():
        rounds = [[seconds(workload, url) for workload in pair] for _ in range(arguments.rounds + 1)][1:]
        bare, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        results[name] = rounds
        print(f"| {name} | {bare:.3f} | {ours:.3f} | {ours / bare:.2f} |", flush=True)
    server.terminate()
    results |= transfers.measure(arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
