"""The workloads by way of bare aiohttp, orjson and dictionaries: the limit for anything built on aiohttp."""

import asyncio
import time
from typing import Any, Final

import aiohttp
import orjson
from loops import in_flight

__all__ = ["first", "gets", "import_tasks", "listing", "opened", "renames", "warm_up"]

_PATCH: Final = "application/openstack-images-v2.1-json-patch"
_POLL_SECONDS: Final = 0.2
_PAGE_SIZE: Final = 1000


def opened(url: str, concurrency: int) -> aiohttp.ClientSession:
    """Return a session for the service at a URL."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    return aiohttp.ClientSession(url, connector=connector, headers={"X-Auth-Token": "token"})


async def _ask(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> Any:
    async with session.request(method, url, **options) as response:
        return orjson.loads(await response.read())


async def warm_up(session: aiohttp.ClientSession) -> None:
    """Connect."""
    await _ask(session, "GET", "/v2/images/x")


async def _items(session: aiohttp.ClientSession, kind: str, query: str) -> list[Any]:
    items = []
    while query:
        page = await _ask(session, "GET", f"/v2/{kind}?{query}")
        items += page[kind]
        query = page.get("next", "").partition("?")[2]
    return items


async def listing(session: aiohttp.ClientSession, count: int, page_size: int) -> None:
    """List all images."""
    assert len(await _items(session, "images", f"limit={page_size}")) == count


async def gets(session: aiohttp.ClientSession, count: int, width: int) -> None:
    """Get images."""
    await in_flight(width, count, lambda _: _ask(session, "GET", "/v2/images/x"))


async def renames(session: aiohttp.ClientSession, count: int, width: int) -> None:
    """Rename images."""
    body = orjson.dumps([{"op": "add", "path": "/name", "value": "new"}])
    headers = {"Content-Type": _PATCH}
    await in_flight(
        width,
        count,
        lambda number: _ask(session, "PATCH", f"/v2/images/x{number}", data=body, headers=headers),
    )


async def import_tasks(session: aiohttp.ClientSession, count: int, width: int) -> dict[str, float]:
    """Begin imports, list the unfinished ones every 0.2 s, and get those that are no longer among them."""
    waiting: dict[str, None] = {}
    notices: dict[str, float] = {}

    async def begin(number: int) -> None:
        properties = {"name": f"disk-{number}"}
        disk = {"import_from": f"http://disks.example/{number}.vhd", "image_properties": properties}
        task = await _ask(session, "POST", "/v2/tasks", data=orjson.dumps({"type": "import", "input": disk}))
        waiting[task["id"]] = None

    async def finish(task_id: str) -> None:
        task = await _ask(session, "GET", f"/v2/tasks/{task_id}")
        if task["status"] in {"success", "failure"}:
            notices[task_id] = time.monotonic()
            del waiting[task_id]

    begun = asyncio.create_task(in_flight(width, count, begin))
    while waiting or not begun.done():
        due = time.monotonic() + _POLL_SECONDS
        gone = dict(waiting)
        for status in ("pending", "processing") if gone else ():
            for task in await _items(session, "tasks", f"type=import&status={status}&limit={_PAGE_SIZE}"):
                gone.pop(task["id"], None)
        ids = list(gone)
        await in_flight(width, len(ids), lambda number, ids=ids: finish(ids[number]))  # type: ignore[misc]
        if waiting or not begun.done():
            await asyncio.sleep(due - time.monotonic())
    await begun
    return notices


def first(url: str) -> float:
    """Sign in and list one image, and return when it was there."""

    async def main() -> float:
        domain = {"name": "Default"}
        user = {"name": "user", "domain": domain, "password": "password"}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "project", "domain": domain}}
        body = orjson.dumps({"auth": {"identity": identity, "scope": scope}})
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/v3/auth/tokens", data=body) as response:
                headers = {"X-Auth-Token": response.headers["X-Subject-Token"]}
                catalog = orjson.loads(await response.read())["token"]["catalog"]
            endpoint = next(service["endpoints"][0]["url"] for service in catalog if service["type"] == "image")
            async with session.get(f"{endpoint}/images?limit=1", headers=headers) as response:
                assert orjson.loads(await response.read())["images"]
                return time.monotonic()

    return asyncio.run(main())
