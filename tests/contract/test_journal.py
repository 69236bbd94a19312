"""A journal for bulk: whatever ends a run, it goes on where it was, and does nothing twice."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from journals import LOST_AFTER, disks, images_made, imported, person_who_imports, rows, tasks_made, until

from aioimages import (
    AmbiguousOutcomeError,
    Client,
    ExportRequest,
    ImportRequest,
    TaskExpiredError,
    TaskFailedError,
    TaskTimeoutError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal is to be."""
    return tmp_path / "run.db"


async def test_run_that_is_over(world: World, path: Path) -> None:
    """What is done, and what has failed for good, is not done again: the outcomes come from the journal."""
    requests = disks(world, 4, bad=2)
    first, report = await imported(world, requests, path)
    assert (report.total, report.done, report.failed, report.resumed, report.open) == (4, 3, 1, 0, 0)
    world.watch.clear()
    again, report = await imported(world, requests, str(path))

    assert (report.total, report.done, report.failed, report.resumed, report.open) == (4, 3, 1, 4, 0)
    assert not [request for request in world.watch.requests if request.path.endswith("/tasks")]
    was = {outcome.key: outcome for outcome in first}
    assert was.keys() == {outcome.key for outcome in again} == set(requests)
    for outcome in again:
        before = was[outcome.key]
        assert (outcome.ok, str(outcome.error)) == (before.ok, str(before.error))
        if outcome.value and before.value:
            assert outcome.value.image_id == before.value.image_id
            assert outcome.value.result == before.value.result
            assert outcome.value.created_at == before.value.created_at
            assert outcome.value.input is None
        elif isinstance(outcome.error, TaskFailedError) and isinstance(before.error, TaskFailedError):
            assert (outcome.error.code, outcome.error.reason) == (before.error.code, before.error.reason)
        else:
            pytest.fail(f"{outcome} was {before}")


@emulator
@pytest.mark.parametrize("step", ["asking", "awaiting"])
async def test_going_on(world: World, path: Path, step: str) -> None:
    """A run that was cancelled goes on from the step where each item was, and asks for nothing twice."""
    requests = disks(world, 8)
    world.emulator.script_task(seconds=0.6, count=8)
    if step == "asking":
        world.emulator.faults.delay(1, method="POST", path="/tasks$", times=None)
    running = asyncio.create_task(imported(world, requests, path))
    await until(path, step, 8)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rows(path) == [step] * 8

    done, report = await imported(world, requests, path, lost_after=5)
    assert [outcome.ok for outcome in done] == [True] * 8
    assert report.resumed == 0
    assert tasks_made(world) == 8
    assert await images_made(world) == sorted(request.name for request in requests)
    assert rows(path) == ["done"] * 8


@emulator
async def test_finished_ones_come_first(world: World, path: Path) -> None:
    """The outcomes that an earlier run has had are given again before any other."""
    requests = disks(world, 9)
    for seconds in (0.01, 0.01, 60.0) * 3:
        world.emulator.script_task(seconds=seconds)
    async with world.importer.bulk.import_images(requests, journal=path) as outcomes:
        early = [await anext(outcomes) for _ in range(6)]
    assert outcomes.report.open == 3
    world.emulator.advance(60)
    again, report = await imported(world, requests, path)
    assert {outcome.key for outcome in again[:6]} == {outcome.key for outcome in early}
    assert (report.done, report.resumed) == (9, 6)


@emulator
@rackspace
async def test_going_on_with_a_name(world: World, path: Path) -> None:
    """An image that was imported under a name of its own gets the right one, also by a later run."""
    requests = [ImportRequest(world.import_source(), "web")] * 3
    hanging = world.emulator.faults.hang(method="PATCH", path="/images/", times=None)
    running = asyncio.create_task(imported(world, requests, path, unique_names=True))
    await until(path, "renaming", 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert hanging.hits
    assert all(name and name.startswith("web-") for name in await images_made(world))
    world.emulator.faults.clear()

    done, _ = await imported(world, requests, path, unique_names=True)
    assert [outcome.ok for outcome in done] == [True] * 3
    assert await images_made(world) == ["web"] * 3
    assert tasks_made(world) == 3
    assert len(set(rows(path, "asked_name"))) == 3


@emulator
async def test_errors_that_pass(world: World, path: Path) -> None:
    """An item that met an error which is not its task's is tried again by the next run."""
    requests = disks(world, 3)
    world.emulator.faults.status(403, method="POST", path="/tasks$", times=3)
    done, report = await imported(world, requests, path)
    assert report.failures == {"ForbiddenError": 3}
    assert rows(path) == ["new"] * 3
    assert rows(path, "error") == ["ForbiddenError"] * 3

    done, report = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 3
    assert report.resumed == 0
    assert rows(path, "error") == [None] * 3


@emulator
async def test_waits_that_are_over(world: World, path: Path) -> None:
    """A task that is not done in time is awaited again by the next run; one that expired is not asked for again."""
    requests = disks(world, 2)
    world.emulator.script_task(seconds=0.5, count=2)
    done, _ = await imported(world, requests, path, timeout=0.05)
    assert {type(outcome.error) for outcome in done} == {TaskTimeoutError}
    assert rows(path) == ["awaiting"] * 2
    world.emulator.advance(1)
    await world.importer.tasks.list().collect()
    world.emulator.advance(10 * 24 * 3600)

    done, _ = await imported(world, requests, path, client=world.client(world.credentials(person_who_imports(world))))
    assert {type(outcome.error) for outcome in done} == {TaskExpiredError}
    assert tasks_made(world) == 2


# Lost answers.


@emulator
async def test_lost_answers(world: World, path: Path) -> None:
    """A task whose answer is lost is found again; many are found in the same listings."""
    requests = disks(world, 40)
    world.emulator.script_task(seconds=0.3, count=40)
    fault = world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=None)
    done, _ = await imported(world, requests, path)
    assert fault.hits == 40
    assert [outcome.ok for outcome in done] == [True] * 40
    assert tasks_made(world) == 40
    assert len({outcome.unwrap().id for outcome in done}) == 40
    assert await images_made(world) == sorted(request.name for request in requests)
    listings = [request for request in world.emulator.requests if "sort_key=created_at" in request.query]
    assert len(listings) <= 8


@emulator
async def test_answers_that_make_no_sense(world: World, path: Path) -> None:
    """An answer that cannot be understood does not say that nothing was done."""
    requests = disks(world, 2)

    async def strike(request: Any, handler: Any) -> Any:
        answer = await handler(request)
        answer.body = b"<html>"
        return answer

    world.emulator.faults._add(strike, {"method": "POST", "path": "/tasks$", "times": 2})
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 2
    assert tasks_made(world) == 2


@emulator
async def test_questions_that_got_lost(world: World, path: Path) -> None:
    """What cannot be found after three looks was never asked for: it is asked for once more, and then no more."""
    requests = disks(world, 3)
    fault = world.emulator.faults.drop(method="POST", path="/tasks$", times=3)
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 3
    assert (fault.hits, tasks_made(world)) == (3, 3)

    other = path.with_name("other.db")
    requests = [ImportRequest(request.import_from, f"other-{request.name}") for request in requests]
    fault = world.emulator.faults.drop(method="POST", path="/tasks$", times=None)
    done, _ = await imported(world, requests, other)
    assert {type(outcome.error) for outcome in done} == {AmbiguousOutcomeError}
    assert fault.hits == 6
    assert rows(other) == ["asking"] * 3

    world.emulator.faults.clear()
    done, _ = await imported(world, requests, other)
    assert [outcome.ok for outcome in done] == [True] * 3


@emulator
async def test_no_journal(world: World) -> None:
    """Without a journal, a task whose answer is lost is found again, too; one that never was is asked for at Glance."""
    requests = disks(world, 20)
    world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=10)
    done, _ = await imported(world, requests, None)
    assert [outcome.ok for outcome in done] == [True] * 20
    assert tasks_made(world) == 20

    fault = world.emulator.faults.drop(method="POST", path="/tasks$", times=2)
    _, report = await imported(world, [ImportRequest(request.import_from, "other") for request in requests[:1]], None)
    assert report.failures == {"AmbiguousOutcomeError": 1}
    assert fault.hits == (1 if world.dialect == "rackspace" else 2)


@emulator
@openstack
async def test_equal_items(world: World, path: Path) -> None:
    """Equal items are done as often as they are asked for: their requests have ids."""
    requests = disks(world, 1) * 5
    world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=None)
    done, _ = await imported(world, requests, path)
    assert len({outcome.unwrap().image_id for outcome in done}) == 5
    assert tasks_made(world) == 5
    sent = [
        r.headers["x-openstack-request-id"]
        for r in world.emulator.requests
        if r.method == "POST" and "/tasks" in r.path and "identity" not in r.path
    ]
    assert sorted(sent) == sorted(rows(path, "request_id"))


@emulator
@rackspace
async def test_equal_items_without_ids(world: World, path: Path) -> None:
    """Where requests have no ids, equal items are refused at once, unless they get names of their own."""
    requests = [*disks(world, 2), *disks(world, 0), ImportRequest(world.import_source(), "web")] * 2
    world.watch.clear()
    with pytest.raises(ValueError, match=r"could not tell two equal imports apart: items 1 and 4"):
        world.importer.bulk.import_images(requests, journal=path)
    assert rows(path) == []
    assert world.watch.requests == []

    world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=None)
    done, _ = await imported(world, requests, path, unique_names=True)
    assert len({outcome.unwrap().image_id for outcome in done}) == 6
    assert await images_made(world) == ["disk-0", "disk-0", "disk-1", "disk-1", "web", "web"]
    assert tasks_made(world) == 6


@emulator
@rackspace
async def test_tasks_of_others(world: World, path: Path) -> None:
    """A task that another program made of other things, or that was there before, is none of the run's."""
    requests = disks(world, 2)
    old = await world.importer.tasks.import_image(requests[0].import_from, name=requests[0].name)
    world.emulator._world.regions["DFW"].tasks[old.id].created_at -= 120
    await world.importer.tasks.import_image(requests[0].import_from, name="another")
    world.emulator.faults.drop(method="POST", path="/tasks$", times=2)
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 2
    assert old.id not in {outcome.unwrap().id for outcome in done}
    assert tasks_made(world) == 4


@emulator
@rackspace
async def test_exports(world: World, path: Path) -> None:
    """A repeated export that meets the object of the first is no failure, when the first was of this run."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image = await world.make_image("web", data=b"disk")
    request, bulk = ExportRequest(image.id, "exports"), world.producer.bulk
    world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=1)
    # The listing lags behind until the task was asked for again.
    nothing = b'{"tasks": [], "schema": "/v2/schemas/tasks", "first": "/v2/tasks"}'
    world.emulator.faults.body(nothing, method="GET", path="/tasks$", content_type="application/json", times=3)
    async with bulk.export_images([request], journal=path, lost_after=LOST_AFTER) as outcomes:
        assert (await anext(outcomes)).unwrap().export_location == f"exports/{image.id}.vhd"
    assert tasks_made(world) == 2

    for task in world.emulator._world.regions["DFW"].tasks.values():
        task.created_at -= 120
    async with bulk.export_images([request], journal=path.with_name("b.db"), lost_after=LOST_AFTER) as outcomes:
        assert "already has an object" in str((await anext(outcomes)).error)
    assert rows(path.with_name("b.db")) == ["failed"]
    with pytest.raises(ValueError, match="two equal exports"):
        bulk.export_images([request, request], journal=path)


async def test_client_that_is_closed(world: World, path: Path) -> None:
    """A client that is closed amid a run leaves a journal to go on with."""
    requests = disks(world, 4)
    client: Client = world.client(world.credentials(person_who_imports(world)))
    async with client.bulk.import_images(requests, journal=path) as outcomes:
        await until(path, "awaiting", 1)
        await client.close()
        ended = [outcome async for outcome in outcomes]
    assert {type(outcome.error).__name__ for outcome in ended if not outcome.ok} <= {"ClientClosedError"}
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 4
    assert len({outcome.unwrap().image_id for outcome in done}) == 4
