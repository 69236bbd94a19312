"""The cloud of the soak, a process of its own: the emulator with faults by chance, and what is true in it for a judge.

It prints where it is, as a line of JSON, and serves until its standard input ends. The judge asks over a second port,
where nothing goes wrong.
"""

import argparse
import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from functools import partial
from typing import Any, Final

from aiohttp import web

from aioimages.emulator import Emulator, Fault
from aioimages.emulator.faults import Handler
from aioimages.emulator.vhd import fixed_disk

# Longer than the clients of the soak wait for an answer.
_HANG_SECONDS: Final = 3.5
_DATA: Final = r"/file$|/files/v1/[^/]+/[^/]+/."
# All but the files that the cloud itself fetches, and of these all but the identity services.
_SERVICES: Final = "^/(?!files/)"
_SIGNED_IN: Final = "^/(?!files/|[a-z]+/identity/)"
_PAGE: Final = b"<html><head><title>Bad gateway</title></head><body>Please try again</body></html>"
# Of 100 requests that are struck, so many by each.
_WEIGHTS: Final = {
    "503": 16,
    "503, Retry-After": 1,
    "500": 13,
    "502, a page": 8,
    "429": 0.3,
    "429, Retry-After": 0.3,
    "cut before": 18,
    "cut after": 14,
    "answer cut short": 12,
    "no answer": 2,
    "late": 5,
    "late answer": 4,
    "a page for an answer": 1.5,
    "401": 1.4,
    "all tokens revoked": 0.1,
}
# Of the requests that move data, beside that.
_DATA_SHARES: Final = {"upload cut": 0.1, "download cut": 0.15, "download cut at once": 0.05}


def _asked(name: str) -> str:
    """Return the name that was asked for: one that the client makes unique has eight digits more for a while."""
    return re.sub("-[0-9a-f]{8}$", "", name)


class Judged:
    """The cloud, and what a judge may ask of it."""

    def __init__(self, cloud: Emulator, share: float) -> None:
        self._cloud = cloud
        self._service = cloud._service
        self._requests = 0
        self._faults = self._data_faults(share) | self._common_faults(share)

    def _data_faults(self, share: float) -> dict[str, Fault]:
        faults, part = self._cloud.faults, share / 0.2
        shares = {name: min(0.5, part * its) for name, its in _DATA_SHARES.items()}
        return {
            "upload cut": faults.drop_upload(method="PUT", path=_DATA, times=None, share=shares["upload cut"]),
            "download cut": faults.truncate(5000, method="GET", path=_DATA, times=None, share=shares["download cut"]),
            "download cut at once": faults.truncate(
                1, method="GET", path=_DATA, times=None, share=shares["download cut at once"]
            ),
        }

    def _common_faults(self, share: float) -> dict[str, Fault]:
        """Put faults in that strike such a share of all requests, together."""
        left = 1.0
        found: dict[str, Fault] = {}
        for name, strike in self._strikes().items():
            wanted = share * _WEIGHTS[name] / sum(_WEIGHTS.values())
            # To who signs in, 401 would say that the password is wrong.
            path = _SIGNED_IN if name == "401" else _SERVICES
            # The first that takes a request has it, so that each sees only what those before it leave.
            found[name] = strike(path=path, times=None, share=wanted / left)
            left -= wanted
        return found

    def _strikes(self) -> dict[str, Callable[..., Fault]]:
        """Return how each fault is put in."""
        faults, now = self._cloud.faults, formatdate(usegmt=True)
        return {
            "503": partial(faults.status, 503),
            "503, Retry-After": partial(faults.status, 503, headers={"Retry-After": now}),
            "500": partial(faults.status, 500),
            "502, a page": partial(faults.body, _PAGE, status=502),
            "429": partial(faults.status, 429),
            "429, Retry-After": partial(faults.status, 429, headers={"Retry-After": "1"}),
            "cut before": faults.drop,
            "cut after": faults.drop_reply,
            "answer cut short": partial(faults.truncate, 8),
            "no answer": partial(faults.hang, _HANG_SECONDS),
            "late": partial(faults.delay, 0.3),
            "late answer": partial(faults.delay_reply, 0.3),
            "a page for an answer": partial(faults.body, _PAGE),
            "401": partial(faults.status, 401),
            "all tokens revoked": lambda **which: faults._add(self._revoking, which),
        }

    async def _revoking(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._cloud.revoke_tokens()
        return await handler(request)

    def application(self) -> web.Application:
        """Return what the judge asks."""
        application = web.Application()
        application.add_routes([web.get("/truth", self.truth), web.post("/forget", self.forget)])
        return application

    async def truth(self, _: web.Request) -> web.Response:
        """Wait until nothing is going on, and tell what there is: the name of each thing, and its facts."""
        world = self._service.world
        while self._service.recorder._in_flight or world.agenda._entries or world.background:
            await world.settle()
            await asyncio.sleep(0.02)
        self._count()
        there = [*self._images(), *self._tasks(), *self._objects()]
        faults = {name: fault.hits for name, fault in self._faults.items()}
        return web.json_response({"there": there, "requests": self._requests, "faults": faults})

    def _images(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for region in self._service.world.regions.values():
            for image in region.images.values():
                document = image.document
                facts = {
                    "id": image.id,
                    "status": document["status"],
                    "tags": sorted(document["tags"]),
                    "os_distro": document.get("os_distro"),
                    "data": None if image.data is None else hashlib.sha256(image.data).hexdigest(),
                    "members": {name: member["status"] for name, member in image.members.items()},
                }
                yield f"{region.name} image {_asked(document['name'])}", facts

    def _tasks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for region in self._service.world.regions.values():
            for task in region.tasks.values():
                name = task.details.get("image_uuid") or task.details["image_properties"]["name"]
                yield f"{region.name} {task.kind} {_asked(name)}", {"status": task.outcome}

    def _objects(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for region in self._service.world.regions.values():
            for shelf in region.shelves.values():
                for container, content in shelf.containers().items():
                    if container == "disks":
                        continue
                    for name, stored in content.objects.items():
                        whole, is_segment, _ = name.partition(".segments/")
                        if not is_segment:
                            yield f"{region.name} object {container}/{name}", {"etag": stored.etag.strip('"')}
                        elif whole not in content.objects:
                            yield f"{region.name} orphan {container}/{whole}", {"name": name}

    def _count(self) -> None:
        self._requests += len(self._cloud.requests)
        self._cloud.requests.clear()

    async def forget(self, _: web.Request) -> web.Response:
        """Forget everything that was made, so that the cloud does not grow."""
        for region in self._service.world.regions.values():
            region.images.clear()
            region.deleted.clear()
            region.tasks.clear()
            for shelf in region.shelves.values():
                for container, content in shelf.containers().items():
                    if container != "disks":
                        content.objects.clear()
        return web.json_response({})


def _furnish(cloud: Emulator) -> None:
    """Put there what imports take, and where objects go."""
    for number in range(4):
        cloud.put_object(cloud.producer, f"disks/{number}.vhd", fixed_disk(4096 * (number + 1)))
        cloud.put_file(f"{number}.raw", bytes([number]) * 50_000 * (number + 1))
    cloud.put_object(cloud.producer, "disks/bad.vhd", b"no disk")
    for region in ("DFW", "RegionOne"):
        cloud.create_container(cloud.producer, "soak", region=region)
        cloud.create_container(cloud.producer, "exports", region=region)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until the standard input ends."""
    async with AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(
            Emulator(base_images=False, task_seconds=(0.05, 0.5), seed=arguments.seed)
        )
        _furnish(cloud)
        runner = web.AppRunner(Judged(cloud, arguments.faults).application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        place = {
            "rackspace": cloud.rackspace_auth_url,
            "openstack": cloud.keystone_auth_url,
            "files": cloud.file_url(""),
            "judge": f"http://127.0.0.1:{runner.addresses[0][1]}",
        }
        print(json.dumps(place), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--faults", type=float, required=True)
    asyncio.run(serve(parser.parse_args()))
