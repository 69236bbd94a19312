"""One watcher for all waits of a client: how many requests it sends, and what it does when some of them go wrong."""

import asyncio
from collections.abc import Sequence

import aiohttp
import anyio
import pytest
from clouds import World
from journals import disks
from watch import client_tasks

from aioimages import Client, PollPolicy, RateLimitedError, RetryPolicy, ServerError, Task, TaskTimeoutError

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")
of_a_second = pytest.mark.emulator(task_seconds=(0.5, 1.0), seed=3)
never_done = pytest.mark.emulator(task_seconds=(600, 600))


def patient(world: World, **options: object) -> Client:
    """Return a client that looks ten times a second at the most."""
    person = world.site.producer if world.dialect == "rackspace" else world.site.admin
    settings = {"poll": PollPolicy(first=0.1, ceiling=1.0), **options}
    return world.client(world.credentials(person), **settings)


async def begin(world: World, count: int) -> list[str]:
    """Let the service begin many imports."""
    begun: Sequence[Task] = await asyncio.gather(*(world.import_disk(f"disk-{number}") for number in range(count)))
    world.watch.clear()
    return [task.id for task in begun]


def looks(world: World, task_ids: Sequence[str]) -> tuple[int, int]:
    """Return how many listings of tasks were asked for, and how many single tasks."""
    singles = sum(len(world.watch.to(f"/tasks/{task_id}")) for task_id in task_ids)
    return len(world.watch.to("/tasks")), singles


@emulator
@of_a_second
async def test_many_tasks(world: World) -> None:
    """Many tasks are listed together, and each is asked for by itself once, when it has become final."""
    task_ids = await begin(world, 120)
    outcomes = await patient(world).tasks.wait_all(task_ids, timeout=60)
    assert all(outcome.ok for outcome in outcomes)
    listings, singles = looks(world, task_ids)
    assert singles == 120
    assert 2 <= listings <= 40
    assert {"pending", "processing"} == {
        part.partition("=")[2]
        for request in world.watch.to("/tasks")
        for part in request.query.split("&")
        if part.startswith("status=")
    }


@emulator
@of_a_second
async def test_pages_of_a_listing(world: World) -> None:
    """A crowd that fills several pages is seen whole."""
    task_ids = await begin(world, 230)
    outcomes = await patient(world).tasks.wait_all(task_ids, timeout=60)
    assert all(outcome.ok for outcome in outcomes)
    assert looks(world, task_ids)[1] == 230


@emulator
@of_a_second
async def test_few_tasks(world: World) -> None:
    """Two tasks are asked for by themselves: a listing would cost as much."""
    task_ids = await begin(world, 2)
    await patient(world).tasks.wait_all(task_ids, timeout=60)
    assert looks(world, task_ids)[0] == 0


@emulator
@of_a_second
@pytest.mark.parametrize("status", [403, 404, 501])
async def test_refused_listing(world: World, status: int) -> None:
    """Where the listing is refused, each task is asked for by itself, and the listing never again."""
    task_ids = await begin(world, 20)
    world.emulator.faults.status(status, method="GET", path="/tasks$", times=None)
    outcomes = await patient(world).tasks.wait_all(task_ids, timeout=60)
    assert all(outcome.ok for outcome in outcomes)
    assert looks(world, task_ids)[0] == 1


@emulator
@of_a_second
async def test_listing_that_fails_for_a_while(world: World) -> None:
    """Trouble with the listing that may pass is looked through."""
    task_ids = await begin(world, 20)
    fault = world.emulator.faults.status(503, method="GET", path="/tasks$", times=2)
    client = patient(world, retry=RetryPolicy(attempts=1))
    outcomes = await client.tasks.wait_all(task_ids, timeout=60)
    assert all(outcome.ok for outcome in outcomes)
    assert fault.hits == 2
    assert looks(world, task_ids)[1] == 20


@emulator
@of_a_second
async def test_listing_that_never_answers_well(world: World) -> None:
    """Waits without an end that have seen nothing yet end with the trouble; those with an end wait for it."""
    task_ids = await begin(world, 20)
    world.emulator.faults.status(503, method="GET", path="/tasks", times=None)
    client = patient(world, retry=RetryPolicy(attempts=1))
    outcomes = await client.tasks.wait_all(task_ids, timeout=None)
    assert {ServerError} == {type(outcome.error) for outcome in outcomes}
    outcomes = await client.tasks.wait_all(task_ids, timeout=0.5)
    assert {TaskTimeoutError} == {type(outcome.error) for outcome in outcomes}


@emulator
@of_a_second
async def test_cancelled_waits_among_others(world: World) -> None:
    """Whoever waits first, and gives up, takes nothing from the others; and nothing is left behind."""
    task_ids = await begin(world, 12)
    client = patient(world)
    before = client_tasks()
    waits = [asyncio.create_task(client.tasks.wait(task_id, timeout=60)) for task_id in task_ids]
    await asyncio.sleep(0.3)
    for wait in waits[:6]:
        wait.cancel()
    done = await asyncio.gather(*waits, return_exceptions=True)
    assert [isinstance(one, Task) for one in done] == [False] * 6 + [True] * 6
    assert client_tasks() <= before


@emulator
@of_a_second
async def test_many_waits_for_one_task(world: World) -> None:
    """However many wait for one task, it is asked for once a round, and each gets it."""
    (task_id,) = await begin(world, 1)
    client = patient(world)
    done = await asyncio.gather(*(client.tasks.wait(task_id, timeout=60) for _ in range(50)))
    assert {task_id} == {task.id for task in done}
    listings, singles = looks(world, [task_id])
    assert listings + singles <= 14


@emulator
@pytest.mark.emulator(task_seconds=(1.0, 1.0))
async def test_what_was_learned(world: World) -> None:
    """Once it is known how long tasks take here, nobody looks long before that."""
    client = patient(world, poll=PollPolicy(first=0.05, growth=1.0, ceiling=5.0))
    await client.tasks.wait_all(await begin(world, 10), timeout=60)
    (task_id,) = await begin(world, 1)
    await client.tasks.wait(task_id, timeout=60)
    assert looks(world, [task_id])[1] <= 4


@emulator
@never_done
async def test_tasks_that_never_end(world: World) -> None:
    """Tasks that do not end are looked at less and less often, and time out together."""
    task_ids = await begin(world, 60)
    outcomes = await patient(world).tasks.wait_all(task_ids, timeout=3)
    assert {TaskTimeoutError} == {type(outcome.error) for outcome in outcomes}
    listings, singles = looks(world, task_ids)
    assert singles == 0
    assert listings <= 60


@emulator
@never_done
async def test_time_out_in_a_crowd(world: World) -> None:
    """One that waits shorter than the others ends on time, and knows what its task was last."""
    task_ids = await begin(world, 20)
    client = patient(world)
    crowd = asyncio.create_task(client.tasks.wait_all(task_ids[1:], timeout=30))
    start = anyio.current_time()
    with pytest.raises(TaskTimeoutError, match="still p") as caught:
        await client.tasks.wait(task_ids[0], timeout=0.4)
    assert anyio.current_time() - start < 2
    assert caught.value.task is not None
    assert (task_ids[0], "import") == (caught.value.task.id, caught.value.task.type)
    crowd.cancel()
    await asyncio.wait([crowd])


@emulator
@of_a_second
async def test_peace_that_a_server_asks_for(world: World) -> None:
    """A server that names a time is left alone until then, by all calls."""
    task_ids = await begin(world, 20)
    client = patient(world)
    fault = world.emulator.faults.status(429, headers={"Retry-After": "1"}, method="GET", path="/tasks$")
    waiting = asyncio.create_task(client.tasks.wait_all(task_ids, timeout=60))
    await asyncio.sleep(0.4)
    assert fault.hits
    asked = len(world.emulator.requests)
    image = asyncio.create_task(client.images.list(page_size=1).first())
    await asyncio.sleep(0.5)
    assert len(world.emulator.requests) == asked
    await image
    assert all(outcome.ok for outcome in await waiting)


@emulator
async def test_calls_to_a_service_with_a_limit(world: World) -> None:
    """A service that takes so many requests a second gets hardly more, and every call is answered in the end."""
    image = await world.make_image("web")
    client = patient(world)
    await client.images.get(image.id)
    world.emulator.faults.limit(100, path="/images/")
    start = anyio.current_time()
    found = await asyncio.gather(*(client.images.get(image.id) for _ in range(500)))
    assert {image.id} == {one.id for one in found}
    assert 3.9 <= anyio.current_time() - start <= 9
    limited = [request for request in world.emulator.requests if "/images/" in request.path]
    late = [request.status for request in limited if request.started > limited[0].started + 1]
    assert late.count(429) <= 0.2 * len(late)


@emulator
@pytest.mark.slow
async def test_service_that_refuses_everything(world: World) -> None:
    """Against a service that refuses everything, calls end with its error, and few requests are sent for them."""
    image = await world.make_image("web")
    client = patient(world, retry=RetryPolicy(attempts=2, base=0.05))
    await client.images.get(image.id)
    world.emulator.faults.status(429, path="/images/", times=None)
    sent = len(world.emulator.requests)
    start = anyio.current_time()
    got = await asyncio.gather(*(client.images.get(image.id) for _ in range(8)), return_exceptions=True)
    assert {RateLimitedError} == {type(one) for one in got}
    seconds = anyio.current_time() - start
    assert len(world.emulator.requests) - sent <= 16 + 20 * seconds


@emulator
@openstack
async def test_many_images(world: World) -> None:
    """Images on their way are looked at together; those that the listing leaves out, by themselves."""
    images = await world.make_images(*(f"image-{number}" for number in range(30)))
    client = world.client(world.credentials(world.site.producer))
    waits = [asyncio.create_task(client.images.wait(image.id, timeout=60)) for image in images]
    await asyncio.sleep(0.3)
    hidden = images[0].id
    await world.producer.images.update(hidden, {"os_hidden": True})
    for image in images:
        await world.producer.images.upload(image.id, b"disk")
    done = await asyncio.gather(*waits)
    assert [(image.id, "active") for image in images] == [(image.id, image.status) for image in done]
    by_themselves = {
        request.path.rpartition("/")[2]
        for request in world.watch.requests
        if request.method == "GET" and "/images/" in request.path
    }
    assert hidden in by_themselves
    assert any("id=in%3A" in request.query for request in world.watch.to("/images"))


@emulator
@openstack
async def test_image_that_is_deleted_meanwhile(world: World) -> None:
    """An image that goes while it is waited for in a crowd is an error of its own."""
    images = await world.make_images(*(f"image-{number}" for number in range(10)))
    waits = [asyncio.create_task(world.producer.images.wait(image.id, timeout=1.0)) for image in images]
    await asyncio.sleep(0.2)
    await world.producer.images.delete(images[3].id)
    done = await asyncio.gather(*waits, return_exceptions=True)
    assert "will never be active" in str(done[3])
    assert {TaskTimeoutError} == {type(one) for number, one in enumerate(done) if number != 3}


@emulator
@rackspace
async def test_images_without_a_common_look(world: World) -> None:
    """Where a listing cannot be restricted to some ids, each image is asked for by itself."""
    images = await world.make_images(*(f"image-{number}" for number in range(10)))
    world.watch.clear()
    waits = (world.producer.images.wait(image.id, status="queued", timeout=10) for image in images)
    await asyncio.gather(*waits)
    assert world.watch.to("/images") == []


@emulator
@of_a_second
async def test_imports_through_an_outage(world: World) -> None:
    """Imports outlast an outage that begins before the first look, also where they may take for ever."""
    fault = world.emulator.faults.status(503, method="GET", path="/tasks", times=5)
    client = patient(world, retry=RetryPolicy(attempts=1))
    async with client.bulk.import_images(disks(world, 20)) as outcomes:
        assert all([outcome.ok async for outcome in outcomes])
    assert fault.hits == 5


@emulator
async def test_wait_between_common_looks(world: World) -> None:
    """A wait that would be over before all are looked at again is looked at by itself."""
    world.emulator.script_task(seconds=600, count=5)
    endless = await begin(world, 5)
    world.emulator.script_task(seconds=0.1)
    (short,) = await begin(world, 1)
    client = patient(world, poll=PollPolicy(first=0.3, floor=5.0, ceiling=5.0))
    waiting = asyncio.create_task(client.tasks.wait_all(endless, timeout=None))
    await asyncio.sleep(0.8)
    assert (await client.tasks.wait(short, timeout=0.5)).status == "success"
    waiting.cancel()
    await asyncio.wait([waiting])


@emulator
@of_a_second
async def test_error_of_the_users_own(world: World) -> None:
    """An error in what the user has hooked in ends the wait that it befalls, as it is, and no other."""
    first, second = await begin(world, 2)
    hooks = aiohttp.TraceConfig()

    async def refuse(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        if first in str(params.url):
            raise KeyError("the hook is broken")

    hooks.on_request_start.append(refuse)
    client = patient(world, trace_configs=[hooks])
    broken, well = await client.tasks.wait_all([first, second], timeout=60)
    assert isinstance(broken.error, KeyError)
    assert well.ok
    assert (await client.tasks.wait(second)).status == "success"


@emulator
@of_a_second
async def test_listing_that_is_broken_for_good(world: World) -> None:
    """Where the listing fails again and again, each is looked at by itself, also by those who wait for ever."""
    task_ids = await begin(world, 20)
    world.emulator.faults.status(503, method="GET", path="/tasks$", times=None)
    outcomes = await patient(world, retry=RetryPolicy(attempts=1)).tasks.wait_all(task_ids, timeout=None)
    assert all(outcome.ok for outcome in outcomes)


@emulator
@of_a_second
async def test_listing_that_takes_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that does not come to its end holds up nobody for ever."""
    monkeypatch.setattr("aioimages._watching._LONGEST_LOOK_SECONDS", 0.5)
    task_ids = await begin(world, 20)
    world.emulator.faults.hang(method="GET", path="/tasks$", times=None)
    outcomes = await patient(world).tasks.wait_all(task_ids, timeout=None)
    assert all(outcome.ok for outcome in outcomes)


@emulator
@of_a_second
async def test_one_listing_that_makes_no_sense(world: World) -> None:
    """A listing that cannot be read once is asked for again after a while."""
    task_ids = await begin(world, 20)
    world.emulator.faults.body(b"<html>", method="GET", path="/tasks$")
    client = patient(world, poll=PollPolicy(first=0.1, ceiling=0.2))
    assert all(outcome.ok for outcome in await client.tasks.wait_all(task_ids, timeout=60))
    assert looks(world, task_ids)[0] > 2


@emulator
@never_done
async def test_watcher_that_is_cancelled(world: World) -> None:
    """A program that cancels all tasks that there are leaves nobody waiting."""
    (task_id,) = await begin(world, 1)
    waiting = asyncio.create_task(patient(world).tasks.wait(task_id))
    await asyncio.sleep(0.3)
    (watcher,) = [task for task in asyncio.all_tasks() if task.get_name() == "aioimages watcher"]
    watcher.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await waiting
