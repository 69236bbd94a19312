"""Faults 44, 50 and 51: answers to what makes something are lost, and each thing is still made once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import anyio
import pytest
from clouds import World

from aioimages import (
    AmbiguousOutcomeError,
    Client,
    ExportRequest,
    ImportRequest,
    RetryPolicy,
    StaticToken,
    Task,
    TaskFailedError,
    TimeoutPolicy,
)
from faults.conftest import Stage

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")
T = TypeVar("T")

lost_task = pytest.mark.fault(50, 51)

MANY = 1000
SHARE = 0.3
# Long enough for whatever is on its way to be done.
IMPATIENT = TimeoutPolicy(connect=2.0, read=2.0, call=10.0, lost_after=0.3)


def importer(stage: Stage, **options: Any) -> Client:
    """Return the client of somebody who may ask for tasks, and does not look for lost ones for long."""
    return stage.client(stage.importer, **{"timeout": IMPATIENT, **options})


def tasks_of(world: World) -> list[Any]:
    """Return all tasks of the region, the oldest first, as the embedded cloud has them."""
    return list(world.emulator._world.regions[world.site.region].tasks.values())


async def tasks_there(stage: Stage) -> set[str]:
    """Return the ids of all tasks, as the cloud lists them."""
    return {task.id async for task in stage.world.importer.tasks.list()}


def asked(stage: Stage) -> int:
    """Return how often a task was asked for."""
    return len(stage.proxy.to("/tasks", "POST"))


def listings(stage: Stage) -> int:
    """Return how often tasks were listed."""
    return len(stage.proxy.to("/tasks", "GET"))


async def ended(calls: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """Return what comes of calls that are made at the same time."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    with anyio.fail_after(20):
        while not is_so():  # noqa: ASYNC110  # nobody tells of it
            await anyio.sleep(0.01)


# The figures.


@openstack
@emulator
@pytest.mark.slow
@pytest.mark.fault(44)
async def test_a_thousand_images(world: World) -> None:
    """1,000 images, of whose creations 30 % get no answer, are 1,000 images, and each call returns its own."""
    fault = world.emulator.faults.drop_reply(method="POST", path="/images$", times=None, share=SHARE)
    # One answer in 400 is lost five times.
    patient = RetryPolicy(attempts=15, base=0.01, ceiling=0.1)
    client = world.client(world.credentials(world.site.producer), retry=patient)
    made = await asyncio.gather(*(client.images.create(name=f"image-{number}") for number in range(MANY)))
    assert fault.hits > SHARE * MANY
    assert [image.name for image in made] == [f"image-{number}" for number in range(MANY)]
    assert world.emulator._world.regions[world.site.region].images.keys() == {image.id for image in made}


@emulator
@pytest.mark.slow
@pytest.mark.fault(50, 51)
@pytest.mark.emulator(task_seconds=(1.0, 3.0))
async def test_a_thousand_imports(world: World) -> None:
    """1,000 imports, of which 30 % get no answer, are 1,000 tasks and images, and each call returns its own task."""
    fault = world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=None, share=SHARE)
    source = world.import_source()
    calls = (world.importer.tasks.import_image(source, name=f"disk-{number}") for number in range(MANY))
    made = await asyncio.gather(*calls)
    names = [f"disk-{number}" for number in range(MANY)]
    assert fault.hits > SHARE * MANY * 0.9
    assert [task.input["image_properties"]["name"] for task in made if task.input] == names
    assert world.emulator.count("POST", "/tasks$") == MANY
    assert {task.id for task in made} == {task.id for task in tasks_of(world)}
    looks = [one for one in world.emulator.requests if "sort_key=created_at" in one.query and "marker" not in one.query]
    assert len(looks) < fault.hits / 2

    done = await world.importer.tasks.wait_all([task.id for task in made])
    assert len({outcome.unwrap().image_id for outcome in done}) == MANY
    images = await world.importer.images.list(page_size=1000).collect()
    assert Counter(image.name for image in images) == Counter(names)


@rackspace
@emulator
@pytest.mark.slow
@pytest.mark.fault(51)
async def test_a_thousand_equal_imports(world: World) -> None:
    """Of 1,000 equal imports, none is asked for twice; whose answer is lost raises, with the tasks that it may be."""
    fault = world.emulator.faults.drop_reply(method="POST", path="/tasks$", times=None, share=SHARE)
    timeout, source = TimeoutPolicy(lost_after=0.3), world.import_source()
    client = world.client(world.credentials(world.site.producer), timeout=timeout)
    made = await ended(client.tasks.import_image(source, name="web") for _ in range(MANY))
    assert world.emulator.count("POST", "/tasks$") == MANY
    told = [task.id for task in made if isinstance(task, Task)]
    assert len(set(told)) == len(told) == MANY - fault.hits
    lost = [error for error in made if isinstance(error, AmbiguousOutcomeError)]
    assert len(lost) == fault.hits
    assert all(error.candidates for error in lost)
    unknown = {task.id for task in tasks_of(world)} - set(told)
    assert unknown <= {task.id for error in lost for task in error.candidates}


# One at a time.


@lost_task
async def test_found(stage: Stage) -> None:
    """A task whose answer was lost is found among others, and returned as if it had been answered."""
    client, source = importer(stage), stage.world.import_source()
    another = await client.tasks.import_image(source, name="another")
    before = await tasks_there(stage)
    stage.faults.drop_reply(method="POST", path="/tasks$")
    task = await client.tasks.import_image(source, name="web")
    assert {task.id} == await tasks_there(stage) - before
    assert task.id != another.id
    assert (await client.images.get((await client.tasks.wait(task.id)).image_id)).name == "web"
    assert asked(stage) == 2


@openstack
@pytest.mark.fault(50)
async def test_found_by_the_id_of_its_request(stage: Stage) -> None:
    """At Glance tasks may be of equal content: each is known by the id that its request was given."""
    client, source = importer(stage), stage.world.import_source()
    before = await tasks_there(stage)
    stage.faults.drop_reply(method="POST", path="/tasks$", times=None)
    tasks = await asyncio.gather(*(client.tasks.create("import", {
        "import_from": source, "import_from_format": "raw", "image_properties": {"name": "web"},
    }) for _ in range(3)))  # fmt: skip
    sent = {one.headers["X-OpenStack-Request-ID"] for one in stage.proxy.to("/tasks", "POST")}
    assert {task.request_id for task in tasks} == sent
    assert len(sent) == 3
    assert {task.id for task in tasks} == await tasks_there(stage) - before
    await stage.world.importer.tasks.wait_all(await tasks_there(stage) - before)


@openstack
@pytest.mark.fault(50)
async def test_asked_for_once_more(stage: Stage) -> None:
    """At Glance a task that is not there after three looks is asked for once more, with the same id, and no more."""
    client, source = importer(stage), stage.world.import_source()
    before = await tasks_there(stage)
    stage.faults.drop(method="POST", path="/tasks$")
    task = await client.tasks.import_image(source, name="web")
    first, second = (one.headers["X-OpenStack-Request-ID"] for one in stage.proxy.to("/tasks", "POST"))
    assert first == second == task.request_id
    assert listings(stage) == 3

    stage.faults.drop(method="POST", path="/tasks$", times=None)
    lost = r"connection .* was lost .*; no such task was found within 0\.3 s, after 2 attempts$"
    with pytest.raises(AmbiguousOutcomeError, match=lost) as raised:
        await client.tasks.import_image(source, name="web")
    assert (raised.value.attempts, asked(stage)) == (2, 4)
    assert {task.id} == await tasks_there(stage) - before
    await stage.world.importer.tasks.wait_all(await tasks_there(stage) - before)


@openstack
@pytest.mark.fault(50)
async def test_both_answers_lost(stage: Stage) -> None:
    """A second try whose answer is lost, too, is looked for as the first one was."""
    before = await tasks_there(stage)
    stage.faults.drop(method="POST", path="/tasks$")
    stage.faults.drop_reply(method="POST", path="/tasks$")
    task = await importer(stage).tasks.import_image(stage.world.import_source(), name="web")
    assert {task.id} == await tasks_there(stage) - before
    await stage.world.importer.tasks.wait_all(await tasks_there(stage) - before)


@rackspace
@pytest.mark.fault(51)
async def test_import_that_was_never_begun(stage: Stage) -> None:
    """At Rackspace an import is never asked for twice, also where there is no such task."""
    client, source = importer(stage), stage.world.import_source()
    stage.faults.drop(method="POST", path="/tasks$")
    with pytest.raises(AmbiguousOutcomeError, match=r"no such task was found within 0\.3 s") as raised:
        await client.tasks.import_image(source, name="web")
    assert raised.value.candidates == ()
    assert isinstance(raised.value.__cause__, OSError | None)
    assert (asked(stage), listings(stage)) == (1, 3)


@rackspace
@pytest.mark.fault(51)
async def test_export_that_was_never_begun(stage: Stage) -> None:
    """An export is asked for once more where there is no such task: two write the same object, and only one can."""
    client = importer(stage)
    stage.world.emulator.create_container(stage.world.emulator.producer, "exports")
    image = await stage.world.make_image(data=b"disk")
    stage.faults.drop(method="POST", path="/tasks$")
    task = await client.tasks.export_image(image.id, container="exports")
    assert (await client.tasks.wait(task.id)).export_location == f"exports/{image.id}.vhd"
    assert (asked(stage), len(tasks_of(stage.world))) == (2, 1)


@rackspace
@pytest.mark.fault(51)
@pytest.mark.parametrize("in_bulk", [False, True])
async def test_export_that_shows_late(stage: Stage, *, in_bulk: bool) -> None:
    """Where the first export comes to light after the second was asked for, it is the one that counts."""
    client = importer(stage)
    stage.world.emulator.create_container(stage.world.emulator.producer, "exports")
    image = await stage.world.make_image(data=b"disk")
    stage.faults.drop_reply(method="POST", path="/tasks$")
    nothing = b'{"tasks": [], "schema": "/v2/schemas/tasks", "first": "/v2/tasks"}'
    looks = 4 if in_bulk else 3
    stage.faults.body(nothing, method="GET", path="/tasks$", content_type="application/json", times=looks)
    if in_bulk:
        async with client.bulk.export_images([ExportRequest(image.id, "exports")]) as outcomes:
            task = (await anext(outcomes)).unwrap()
    else:
        task = await client.tasks.wait((await client.tasks.export_image(image.id, container="exports")).id)
    assert task.id == tasks_of(stage.world)[0].id
    assert task.export_location == f"exports/{image.id}.vhd"
    with pytest.raises(TaskFailedError, match="already has an object"):
        await client.tasks.wait(tasks_of(stage.world)[1].id)


@rackspace
@pytest.mark.fault(51)
async def test_import_of_somebody_else(stage: Stage) -> None:
    """An import of which there are two, one of another program, raises with both; old ones do not matter."""
    client, source = importer(stage), stage.world.import_source()
    old = await stage.world.importer.tasks.import_image(source, name="web")
    stage.world.emulator._world.regions["DFW"].tasks[old.id].created_at -= 120
    stage.faults.drop_reply(method="POST", path="/tasks$")
    mine = await client.tasks.import_image(source, name="web")
    await client.tasks.import_image(source, name="web")
    theirs = await stage.world.importer.tasks.import_image(source, name="web")
    stage.faults.drop_reply(method="POST", path="/tasks$")
    with pytest.raises(AmbiguousOutcomeError, match=r"; it may be task \S+ or \S+$") as raised:
        await client.tasks.import_image(source, name="web")
    found = {task.id for task in raised.value.candidates}
    assert found == {theirs.id, tasks_of(stage.world)[-1].id}
    assert mine.id not in found

    # What nobody could tell apart once is not taken for another one later.
    stage.faults.drop(method="POST", path="/tasks$")
    stage.world.emulator._world.regions["DFW"].tasks[theirs.id].created_at -= 120
    with pytest.raises(AmbiguousOutcomeError, match=r"; it may be task \S+$"):
        await client.tasks.import_image(source, name="web")


@rackspace
@pytest.mark.fault(51)
async def test_two_of_which_one_was_begun(stage: Stage) -> None:
    """Of two equal imports that were lost at the same time, none is taken for the other."""
    client, source = importer(stage), stage.world.import_source()
    stage.faults.drop_reply(method="POST", path="/tasks$")
    stage.faults.drop(method="POST", path="/tasks$")
    ends = await ended(client.tasks.import_image(source, name="web") for _ in range(2))
    (made,) = tasks_of(stage.world)
    for error in ends:
        assert isinstance(error, AmbiguousOutcomeError)
        assert [task.id for task in error.candidates] == [made.id]


@rackspace
@pytest.mark.fault(51)
async def test_one_that_waits_for_the_other(stage: Stage) -> None:
    """A lost import is told from an equal one on its way, once that is answered."""
    client, source = importer(stage), stage.world.import_source()
    stage.faults.drop_reply(method="POST", path="/tasks$")
    stage.faults.delay_reply(0.1, method="POST", path="/tasks$")
    tasks = await asyncio.gather(*(client.tasks.import_image(source, name="web") for _ in range(2)))
    assert {task.id for task in tasks} == {task.id for task in tasks_of(stage.world)}
    assert len({task.id for task in tasks}) == 2


@rackspace
@pytest.mark.fault(51)
async def test_task_of_which_nothing_is_known(stage: Stage) -> None:
    """A task that nothing tells from others is not looked for, and not asked for again."""
    client = importer(stage)
    stage.faults.drop_reply(method="POST", path="/tasks$")
    with pytest.raises(AmbiguousOutcomeError) as raised:
        await client.tasks.create("import", {"import_from": "disks/web.vhd"})
    assert raised.value.candidates == ()
    assert (asked(stage), listings(stage)) == (1, 0)


@lost_task
async def test_answers_that_make_no_sense(stage: Stage) -> None:
    """An answer that cannot be understood does not say that nothing was done: the task is looked for."""
    before = await tasks_there(stage)
    stage.faults.change(body=lambda _: b"<html>", method="POST", path="/tasks$")
    task = await importer(stage).tasks.import_image(stage.world.import_source(), name="web")
    assert {task.id} == await tasks_there(stage) - before
    await stage.world.importer.tasks.wait_all(await tasks_there(stage) - before)


@emulator
@lost_task
async def test_tasks_that_must_not_be_listed(stage: Stage) -> None:
    """Where tasks must not be listed, the error says so; many that are lost at a time do not ask again and again."""
    client, source = importer(stage), stage.world.import_source()
    stage.faults.drop_reply(method="POST", path="/tasks$", times=None)
    stage.faults.status(403, method="GET", path="/tasks$", times=None)
    ends = await ended(client.tasks.import_image(source, name=f"disk-{number}") for number in range(50))
    for error in ends:
        assert isinstance(error, AmbiguousOutcomeError)
        assert "; it cannot be looked for: 403" in str(error)
    assert asked(stage) == 50
    assert listings(stage) <= 10


@lost_task
async def test_in_time(stage: Stage) -> None:
    """The search ends when the time of the call is over."""
    client = importer(stage, timeout=TimeoutPolicy(call=1.0, lost_after=60.0))
    await client.tasks.list().first()
    stage.faults.drop(method="POST", path="/tasks$")
    begun = anyio.current_time()
    with pytest.raises(AmbiguousOutcomeError, match="it was not found out within 1 s"):
        await client.tasks.import_image(stage.world.import_source(), name="web")
    assert 1.0 <= anyio.current_time() - begun < 2.0


@lost_task
async def test_cancelled_search(stage: Stage) -> None:
    """A search that is cancelled ends at once, and those who shared its listing go on."""
    client, source = importer(stage), stage.world.import_source()
    before = await tasks_there(stage)
    stage.faults.drop_reply(method="POST", path="/tasks$", times=2)
    slow = stage.faults.delay(0.2, method="GET", path="/tasks$")
    searches = [asyncio.create_task(client.tasks.import_image(source, name=name)) for name in ("one", "two")]
    await until(lambda: slow.hits)
    searches[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await searches[0]
    assert (await searches[1]).id in await tasks_there(stage)
    await stage.world.importer.tasks.wait_all(await tasks_there(stage) - before)


@emulator
@lost_task
async def test_closed_client(stage: Stage) -> None:
    """Closing the client ends a search."""
    client, source = importer(stage, timeout=TimeoutPolicy(lost_after=60.0)), stage.world.import_source()
    stage.faults.drop(method="POST", path="/tasks$")
    search = asyncio.create_task(client.tasks.import_image(source, name="web"))
    await until(lambda: listings(stage))
    await client.close()
    with anyio.fail_after(1), pytest.raises(Exception, match="the client was closed"):
        await search


@emulator
@lost_task
async def test_bulk(stage: Stage) -> None:
    """A run without a journal finds its lost tasks, too, in listings that are shared."""
    client, source = importer(stage), stage.world.import_source()
    stage.faults.drop_reply(method="POST", path="/tasks$", times=None)
    requests = [ImportRequest(source, f"disk-{number}") for number in range(60)]
    async with client.bulk.import_images(requests) as outcomes:
        done = [outcome.unwrap() async for outcome in outcomes]
    assert len({task.image_id for task in done}) == asked(stage) == len(tasks_of(stage.world)) == 60
    assert listings(stage) <= 12


@rackspace
@pytest.mark.fault(51)
async def test_image_of_an_object(stage: Stage) -> None:
    """`images.import_from` finds its task again, as `tasks.import_image` does."""
    stage.faults.drop_reply(method="POST", path="/tasks$")
    image = await importer(stage).images.import_from(stage.world.import_source(), name="web")
    assert image.name == "web"
    assert len(tasks_of(stage.world)) == 1


@emulator
@lost_task
async def test_service_that_cannot_be_reached(stage: Stage) -> None:
    """A task that could not even be asked for is not looked for."""
    options = {"dialect": stage.world.dialect, "retry": RetryPolicy(attempts=2, base=0.01)}
    client = stage.world.client(StaticToken("token", "http://127.0.0.1:1/v2"), **options)
    stage.injected = 1
    with pytest.raises(Exception, match="cannot be reached") as raised:
        await client.tasks.import_image(stage.world.import_source(), name="web")
    assert not isinstance(raised.value, AmbiguousOutcomeError)
