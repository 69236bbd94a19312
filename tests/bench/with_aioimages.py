"""The workloads by way of the client, as its users write them."""

import asyncio
import time
from typing import Final

from loops import in_flight

from aioimages import Client, ImportRequest, KeystonePassword, PollPolicy, StaticToken

__all__ = ["first", "gets", "import_tasks", "listing", "opened", "renames", "warm_up"]

# The floor that the service is to be spared, which is where bare aiohttp looks at every turn.
_POLL: Final = PollPolicy(first=0.2, ceiling=2.0)


def opened(url: str, concurrency: int) -> Client:
    """Return a client for the service at a URL."""
    return Client(StaticToken("token", f"{url}/v2"), poll=_POLL, concurrency=concurrency)


async def warm_up(client: Client) -> None:
    """Connect."""
    await client.images.get("x")


async def listing(client: Client, count: int, page_size: int) -> None:
    """List all images."""
    assert sum([1 async for _ in client.images.list(page_size=page_size)]) == count


async def gets(client: Client, count: int, width: int) -> None:
    """Get images."""
    await in_flight(width, count, lambda _: client.images.get("x"))


async def renames(client: Client, count: int, width: int) -> None:
    """Rename images, each once: changes of one image go one after the other."""
    await in_flight(width, count, lambda number: client.images.update(f"x{number}", {"name": "new"}))


async def import_tasks(client: Client, count: int, _: int) -> dict[str, float]:
    """Import disks, and return when each task was known to be over."""
    requests = [ImportRequest(f"http://disks.example/{number}.vhd", f"disk-{number}") for number in range(count)]
    async with client.bulk.import_images(requests) as outcomes:
        return {outcome.unwrap().id: time.monotonic() async for outcome in outcomes}


def first(url: str) -> float:
    """Sign in and list one image, and return when it was there."""

    async def main() -> float:
        credentials = KeystonePassword(f"{url}/v3", "user", "password", project_name="project")
        async with Client(credentials) as client:
            assert await client.images.list().first()
            return time.monotonic()

    return asyncio.run(main())
