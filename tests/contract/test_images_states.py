"""Deactivating and reactivating images, the tasks of an image, and waiting for one."""

import asyncio
import uuid

import anyio
import pytest
from clouds import World
from watch import client_tasks

from aioimages import (
    ForbiddenError,
    NotFoundError,
    Task,
    TaskFailedError,
    TaskTimeoutError,
    TransferError,
    UnsupportedOperationError,
)

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


async def _begin_import(world: World, *, good: bool) -> str:
    """Let the service fetch the data of a new image, and return the image's id."""
    image = await world.make_image()
    wire = await world.site.wire(world.site.producer)
    await wire.start_import(image.id, world.import_source(good=good))
    return image.id


async def _finished_task(world: World, image_id: str) -> Task:
    """Return the one task of an image, which ends a moment after the image is active."""
    with anyio.fail_after(10):
        while True:
            (task,) = await world.producer.images.tasks(image_id)
            if task.is_final:
                return task
            await asyncio.sleep(0.05)


@openstack
async def test_deactivate_and_reactivate(world: World) -> None:
    """An image with data is deactivated and reactivated, each as often as one likes."""
    image = await world.make_image(data=b"data")
    for _ in range(2):
        await world.producer.images.deactivate(image.id)
        assert (await world.producer.images.get(image.id)).status == "deactivated"
    for _ in range(2):
        await world.producer.images.reactivate(image.id)
        assert (await world.producer.images.get(image.id)).status == "active"


@openstack
async def test_deactivate_an_image_without_data(world: World) -> None:
    """An image without data cannot be deactivated, nor reactivated."""
    image = await world.make_image()
    with pytest.raises(ForbiddenError, match="queued"):
        await world.producer.images.deactivate(image.id)
    with pytest.raises(ForbiddenError, match="queued"):
        await world.producer.images.reactivate(image.id)


@openstack
async def test_deactivate_an_unknown_image(world: World) -> None:
    """An image that is not there can be neither deactivated nor reactivated."""
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError):
        await world.producer.images.deactivate(missing)
    with pytest.raises(NotFoundError):
        await world.producer.images.reactivate(missing)


@rackspace
@pytest.mark.parametrize("name", ["deactivate", "reactivate", "tasks"])
async def test_what_rackspace_lacks(world: World, name: str) -> None:
    """What Rackspace does not have is refused before any request, by name."""
    with pytest.raises(UnsupportedOperationError, match="Rackspace Cloud Images lacks"):
        await getattr(world.producer.images, name)("some-id")
    assert world.watch.requests == []


@openstack
async def test_tasks_of_an_import(world: World) -> None:
    """The import of an image's data is a task of the image, which its owner sees with its outcome."""
    image_id = await _begin_import(world, good=True)
    await world.producer.images.wait(image_id, timeout=30)
    task = await _finished_task(world, image_id)
    assert ("api_image_import", "success", image_id) == (task.type, task.status, task.image_id)
    assert world.site.producer.project_id == task.owner
    assert task.created_at is not None
    assert task.created_at.tzinfo is not None
    assert task.request_id


@openstack
async def test_tasks_of_an_image_without_any(world: World) -> None:
    """An image that nothing was done with has no tasks."""
    image = await world.make_image()
    assert await world.producer.images.tasks(image.id) == []


@openstack
async def test_tasks_of_an_unknown_image(world: World) -> None:
    """An image that is not there has no list of tasks, nor has somebody else's."""
    with pytest.raises(NotFoundError):
        await world.producer.images.tasks(str(uuid.uuid4()))
    image = await world.make_image()
    with pytest.raises(NotFoundError):
        await world.consumer.images.tasks(image.id)


@openstack
async def test_wait_for_an_import(world: World) -> None:
    """Waiting for an import ends with the image, active and with its size."""
    image_id = await _begin_import(world, good=True)
    image = await world.producer.images.wait(image_id, timeout=30)
    assert (image_id, "active") == (image.id, image.status)
    assert image.size


@openstack
async def test_wait_for_a_failed_import(world: World) -> None:
    """Waiting for an import that fails ends with the reason, though the image only goes back to `queued`."""
    image_id = await _begin_import(world, good=False)
    with pytest.raises(TaskFailedError) as caught:
        await world.producer.images.wait(image_id, timeout=30)
    assert caught.value.task is not None
    assert ("failure", image_id) == (caught.value.task.status, caught.value.task.image_id)
    assert caught.value.code is None
    assert caught.value.reason
    assert caught.value.reason in str(caught.value)
    assert (await world.producer.images.get(image_id)).status == "queued"


@openstack
async def test_wait_for_a_second_import(world: World) -> None:
    """An import that follows a failed one is waited for as if it were the first."""
    image_id = await _begin_import(world, good=False)
    with pytest.raises(TaskFailedError):
        await world.producer.images.wait(image_id, timeout=30)
    wire = await world.site.wire(world.site.producer)
    await wire.start_import(image_id, world.import_source())
    assert (await world.producer.images.wait(image_id, timeout=30)).status == "active"


async def test_wait_for_what_is_there(world: World) -> None:
    """An image that is where it should be is returned at once."""
    image = await world.make_image(data=b"data")
    assert image == await world.producer.images.wait(image.id, timeout=5)


@openstack
async def test_wait_for_another_status(world: World) -> None:
    """Any status can be waited for."""
    image = await world.make_image(data=b"data")

    async def deactivate_soon() -> None:
        await asyncio.sleep(0.1)
        await world.producer.images.deactivate(image.id)

    async with anyio.create_task_group() as group:
        group.start_soon(deactivate_soon)
        waited = await world.producer.images.wait(image.id, status="deactivated", timeout=10)
    assert waited.status == "deactivated"


@openstack
@pytest.mark.parametrize("timeout", [0, 0.3])
async def test_wait_too_short(world: World, timeout: float) -> None:
    """A wait that ends too early says what the image is still, and is a `TimeoutError` too."""
    image = await world.make_image()
    with pytest.raises(TaskTimeoutError, match="still queued, not active") as caught:
        await world.producer.images.wait(image.id, timeout=timeout)
    assert isinstance(caught.value, TimeoutError)


@rackspace
@pytest.mark.parametrize("status", ["saving", "queued"])
async def test_wait_too_short_on_rackspace(world: World, status: str) -> None:
    """A wait for an image that does not change ends in time."""
    image = await world.make_image(status=status)
    with pytest.raises(TaskTimeoutError, match=f"still {status}, not active"):
        await world.producer.images.wait(image.id, timeout=0.2)


@rackspace
@pytest.mark.parametrize("status", ["killed", "deleted", "pending_delete"])
async def test_wait_for_a_lost_image(world: World, status: str) -> None:
    """A wait ends when the image will never be what is waited for."""
    image_id = world.emulator.add_image(world.emulator.producer, status=status)
    with pytest.raises(TransferError, match=f"is {status} and will never be active"):
        await world.producer.images.wait(image_id, timeout=5)


async def test_wait_for_a_deletion(world: World) -> None:
    """An image that goes while it is being waited for is deleted: that is what was waited for, or never will be."""
    image = await world.make_image(data=b"data")
    for_deletion = asyncio.create_task(world.producer.images.wait(image.id, status="deleted", timeout=10))
    for_activity = asyncio.create_task(world.producer.images.wait(image.id, status="deactivated", timeout=10))
    await asyncio.sleep(0.1)
    await world.producer.images.delete(image.id)
    assert (await for_deletion).status == "deleted"
    with pytest.raises(TransferError, match="is deleted and will never be deactivated"):
        await for_activity


async def test_wait_for_an_unknown_image(world: World) -> None:
    """An image that is not there cannot be waited for."""
    with pytest.raises(NotFoundError):
        await world.producer.images.wait(str(uuid.uuid4()), timeout=5)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
async def test_impossible_timeout(world: World, timeout: float) -> None:
    """A time-out that cannot be is refused before any request."""
    with pytest.raises(ValueError, match="timeout"):
        await world.producer.images.wait("some-id", timeout=timeout)
    assert world.watch.requests == []


@openstack
async def test_cancelled_wait(world: World) -> None:
    """A cancelled wait leaves neither an asyncio task nor a request behind."""
    image = await world.make_image()
    before = client_tasks()
    waiting = asyncio.create_task(world.producer.images.wait(image.id))
    await asyncio.sleep(0.3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client_tasks() <= before
    sent = len(world.watch.requests)
    await asyncio.sleep(0.3)
    assert sent == len(world.watch.requests)
