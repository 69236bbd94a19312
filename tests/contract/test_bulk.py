"""`client.bulk`: many at once, an outcome for each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from clouds import World
from disks import NOT_A_DISK, fixed_vhd
from watch import client_tasks

from aioimages import ExportRequest, ImportRequest, NotFoundError, Outcome, PollPolicy, Task, TaskFailedError

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


async def test_map(world: World) -> None:
    """A function is applied to every key; one that fails is an outcome with its error."""
    images = await world.make_images("a", "b", "c")
    keys = [*(image.id for image in images), "no-such-image"]
    async with world.producer.bulk.map(world.producer.images.get, keys) as outcomes:
        by_key = {outcome.key: outcome async for outcome in outcomes}
    assert set(keys) == by_key.keys()
    assert {image.id: image for image in images} == {key: found.value for key, found in by_key.items() if found.ok}
    with pytest.raises(NotFoundError):
        by_key["no-such-image"].unwrap()


async def test_map_over_a_listing(world: World) -> None:
    """Keys may come from a listing as it goes."""
    images = await world.make_images(*"abcde")

    async def ids() -> AsyncIterator[str]:
        async for image in world.producer.images.list(page_size=2):
            yield image.id

    async with world.producer.bulk.map(world.producer.images.delete, ids(), concurrency=2) as outcomes:
        done = [outcome async for outcome in outcomes]
    assert {image.id for image in images} == {outcome.key for outcome in done if outcome.ok}
    assert await world.producer.images.list().collect() == []


async def test_map_is_bounded(world: World) -> None:
    """No more than `concurrency` keys are worked on at a time, and all are once."""
    running = peak = 0

    async def work(key: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.001)
        running -= 1
        return key * 2

    async with world.producer.bulk.map(work, range(200), concurrency=7) as outcomes:
        values = [outcome.value async for outcome in outcomes]
    assert sorted(values, key=int) == [number * 2 for number in range(200)]  # type: ignore[arg-type]
    assert peak == 7


async def test_leaving_early(world: World) -> None:
    """Leaving the block cancels what is not done, and leaves no asyncio task behind."""
    before = client_tasks()

    async def work(key: int) -> int:
        await asyncio.sleep(0 if key == 0 else 60)
        return key

    async with world.producer.bulk.map(work, range(100), concurrency=10) as outcomes:
        assert (await anext(outcomes)).value == 0
    assert client_tasks() <= before


@pytest.mark.parametrize("keys", ["one-id", 5, None])
async def test_what_is_not_several(world: World, keys: object) -> None:
    """A single id is refused at once: its letters are no ids."""
    with pytest.raises(TypeError, match="keys"):
        world.producer.bulk.map(world.producer.images.get, keys)  # type: ignore[arg-type]


async def test_import_images(world: World) -> None:
    """Disks are imported concurrently, and each outcome has the task, or why it failed."""
    requests = [ImportRequest(world.import_source(good=number != 3), f"disk-{number}") for number in range(6)]
    async with world.importer.bulk.import_images(requests, timeout=120) as outcomes:
        done = {outcome.key.name: outcome async for outcome in outcomes}
    assert {request.name for request in requests} == done.keys()
    assert [name for name, outcome in done.items() if not outcome.ok] == ["disk-3"]
    assert isinstance(done["disk-3"].error, TaskFailedError)
    for name, outcome in done.items():
        if outcome.ok:
            assert name == (await world.importer.images.get(str(outcome.unwrap().image_id))).name


async def test_import_of_nothing(world: World) -> None:
    """No disks are no outcomes, and no request."""
    world.watch.clear()
    async with world.importer.bulk.import_images([]) as outcomes:
        assert [outcome async for outcome in outcomes] == []
    assert world.watch.requests == []


async def test_requests_of_another_kind(world: World) -> None:
    """What is not an `ImportRequest` is refused before anything is sent."""
    with pytest.raises(TypeError, match="ImportRequest"):
        world.importer.bulk.import_images([ExportRequest("id", "container")])  # type: ignore[list-item]


@rackspace
async def test_export_images(world: World) -> None:
    """Images are exported concurrently, and each outcome's task says where the disk is."""
    world.emulator.create_container(world.emulator.producer, "exports")
    images = [await world.make_image(f"image-{number}", data=b"disk") for number in range(4)]
    requests = [ExportRequest(image.id, "exports") for image in images]
    requests.append(ExportRequest(images[0].id, "missing"))
    async with world.producer.bulk.export_images(requests) as outcomes:
        done = [outcome async for outcome in outcomes]
    assert {f"exports/{image.id}.vhd" for image in images} == {
        outcome.unwrap().export_location for outcome in done if outcome.ok
    }
    assert [requests[-1]] == [outcome.key for outcome in done if not outcome.ok]


@emulator
@rackspace
@pytest.mark.slow
@pytest.mark.emulator(task_seconds=(0.2, 3.0), seed=7)
async def test_a_thousand_imports(world: World) -> None:
    """A thousand imports at once have each its right outcome, at most 64 requests in flight, and nothing done twice."""
    bad = {number for number in range(1000) if number % 25 == 7}
    account = world.emulator.producer
    for number in range(1000):
        disk = NOT_A_DISK if number in bad else fixed_vhd(512 * (1 + number % 5))
        world.emulator.put_object(account, f"disks/{number}.vhd", disk)
    client = world.client(world.credentials(world.site.producer), poll=PollPolicy(first=0.3, ceiling=1.0))
    requests = [ImportRequest(f"disks/{number}.vhd", f"image-{number}") for number in range(1000)]
    done: list[Outcome[ImportRequest, Task]] = []
    async with client.bulk.import_images(requests, timeout=120) as outcomes:
        done += [outcome async for outcome in outcomes]

    assert Counter(requests) == Counter(outcome.key for outcome in done)
    failed = {int(outcome.key.name.removeprefix("image-")) for outcome in done if not outcome.ok}
    assert bad == failed
    assert {"NOT_A_VHD"} == {
        outcome.error.code.name if isinstance(outcome.error, TaskFailedError) and outcome.error.code else "?"
        for outcome in done
        if not outcome.ok
    }
    assert world.emulator.count("POST", "/tasks$") == 1000
    assert world.emulator.peak_in_flight <= 64
    listed = await client.images.list(page_size=100).collect()
    assert {outcome.key.name for outcome in done if outcome.ok} == {image.name for image in listed}
    assert {image.id for image in listed} == {outcome.value.image_id for outcome in done if outcome.value}
