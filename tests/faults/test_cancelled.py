"""Faults 19, 33 and others: every operation, cancelled whenever it waits for something."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from watch import client_tasks

from faults.operations import Here, Operation, each_operation
from faults.stepping import Walk, counting, named

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.emulator(task_seconds=(0.0, 0.01)),
    pytest.mark.clouds("emulator"),
    pytest.mark.slow,
    pytest.mark.fault(19, 33),
]

# The loop comes round so often until a server has read what was sent to it, or a connection is closed.
TURNS = 30


@pytest.fixture
async def here(world: World, tmp_path: Path) -> AsyncIterator[Here]:
    """Give an empty cloud, in which every client has signed in, and a loop that counts steps."""
    emulator, rackspace = world.emulator, world.dialect == "rackspace"
    person, account = (world.site.producer, emulator.producer) if rackspace else (world.site.admin, emulator.admin)
    client = world.client(world.credentials(person))
    other = world.client(world.credentials(person), region=world.site.second_region)
    folder = tmp_path / "folder"
    folder.mkdir()
    for one in (client, other, world.consumer):
        await one.schemas.image()
        await one.objects.list_containers().collect()
        await one.servers.list().collect()
    problems: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, problem: problems.append(problem))
    loop.set_task_factory(counting)
    yield Here(world, client, other, world.consumer, account, folder)
    loop.set_task_factory(None)
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert problems == []


def begin_anew(here: Here) -> None:
    """Empty the cloud and the folder."""
    for region in here.world.emulator._world.regions.values():
        for things in (region.images, region.tasks, region.shelves, region.servers):
            things.clear()
    for path in here.folder.iterdir():
        path.unlink()


async def settle(here: Here) -> None:
    """Let the cloud do what it was asked for, to the end."""
    emulator = here.world.emulator
    for _ in range(TURNS):
        await asyncio.sleep(0)
    while emulator._service.recorder._in_flight or emulator._world.background:  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0)
    emulator.advance(1)
    await emulator._world.settle()
    while emulator._world.background:  # noqa: ASYNC110
        await asyncio.sleep(0)


def found(here: Here) -> Counter[tuple[object, ...]]:
    """Return everything that there is, without what is made up at random."""
    things: Counter[tuple[object, ...]] = Counter()
    for region in here.world.emulator._world.regions.values():
        for image in region.images.values():
            of_users = {key: str(image.document.get(key)) for key in ("name", "status", "tags", "os_distro", "old")}
            members = tuple((key, member["status"]) for key, member in image.members.items())
            things[region.name, "image", *of_users.values(), image.data, image.staged, members] += 1
        for shelf in region.shelves.values():
            for name, container in shelf.containers().items():
                things[region.name, "container", name] += 1
                for key in container.objects:
                    shown = "an image" if key.removesuffix(".vhd") in region.images else key.partition(".segments/")[0]
                    things[region.name, "object", name, shown, shelf.content(f"{name}/{key}")] += 1
    for path in here.folder.iterdir():
        things["file", path.name, path.read_bytes() if path.suffix != ".db" else b""] += 1
    return things


def check_client(here: Here, others: set[asyncio.Task[object]]) -> None:
    """See that no client has a request in flight, a connection in use, or a task."""
    for client in here.world.clients:
        assert client._session._exchange._limiter.in_flight == 0
        session = client._http._session
        connector = session.connector if session is not None else None
        assert connector is None or not connector._acquired
    left = [named(task) for task in client_tasks() - others if not task.done()]
    assert not left, f"tasks that run still: {left}"


async def tried(here: Here, operation: Operation, step: int) -> tuple[Walk, Counter[Any], Counter[Any]]:
    """Run an operation once, cancelled at a step, and return what there was before and after."""
    begin_anew(here)
    others = client_tasks()
    begun = operation.begin(here)
    before = found(here)
    walk = Walk(step)
    await walk.run(begun)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    check_client(here, others)
    await settle(here)
    return walk, before, found(here)


@pytest.mark.parametrize("operation", each_operation())
async def test_cancelled_at_each_step(here: Here, operation: Operation) -> None:
    """Nothing of it is left open, and the cloud and the files are as if it had been done, or never been asked for."""
    whole, before, after = await tried(here, operation, 0)
    for step in count(1, operation.stride):
        walk, _, left = await tried(here, operation, step)
        if not walk.is_cancelled:
            break
        kept = {thing for thing in left if str(thing[1]).endswith(operation.keeps)} if operation.keeps else set()
        left = Counter({thing: number for thing, number in left.items() if thing not in kept})
        fits = left <= before | after if operation.of_many else left in (before, after)
        assert fits, (
            f"step {step}: too much is {left - before}, too little {before - left}; or {left - after}, {after - left}"
        )
    assert step > 1 or not whole.steps
