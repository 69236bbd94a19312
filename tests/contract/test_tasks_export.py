"""`client.tasks.export_image`, which only Rackspace has."""

import uuid

import pytest
from clouds import World

from aioimages import AioImagesError, ForbiddenError, NotFoundError, StatusError, TaskFailedError

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("rackspace")]


async def _imported(world: World) -> str:
    """Import a disk, and return the image's id."""
    task = await world.import_disk()
    done = await world.producer.tasks.wait(task.id, timeout=10)
    assert done.image_id is not None
    return done.image_id


async def _refusal(world: World, image_id: str, container: str = "exports") -> AioImagesError:
    """Return how an export is refused: at once, or by a task that fails."""

    async def export_it() -> None:
        task = await world.producer.tasks.export_image(image_id, container=container)
        await world.producer.tasks.wait(task.id, timeout=10)

    with pytest.raises(AioImagesError) as caught:
        await export_it()
    return caught.value


async def test_export(world: World) -> None:
    """An export ends with the image's disk in the container that was named."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image_id = await _imported(world)
    task = await world.producer.tasks.export_image(image_id, container="exports")
    assert ("export", {"image_uuid": image_id, "receiving_swift_container": "exports"}) == (task.type, task.input)
    done = await world.producer.tasks.wait(task.id, timeout=10)
    assert f"exports/{image_id}.vhd" == done.export_location
    assert world.emulator.get_object(world.emulator.producer, f"exports/{image_id}.vhd").startswith(bytes(100))


async def test_exported_disk_can_be_imported(world: World) -> None:
    """What was exported can be imported again."""
    world.emulator.create_container(world.emulator.producer, "exports")
    task = await world.producer.tasks.export_image(await _imported(world), container="exports")
    location = (await world.producer.tasks.wait(task.id, timeout=10)).export_location
    assert location is not None
    again = await world.producer.tasks.import_image(location, name="again")
    assert (await world.producer.tasks.wait(again.id, timeout=10)).status == "success"


@pytest.mark.parametrize("container", ["", "a/b", "what?", "a.b", "x" * 257, "a\nb"])
async def test_impossible_container(world: World, container: str) -> None:
    """A container's name that is not allowed is refused before any request."""
    with pytest.raises(ValueError, match="a container's name"):
        await world.producer.tasks.export_image("some-id", container=container)
    assert world.watch.requests == []


async def test_missing_container(world: World) -> None:
    """An export into a container that is not there fails."""
    error = await _refusal(world, await _imported(world), "nowhere")
    assert isinstance(error, TaskFailedError | StatusError)


async def test_image_of_somebody_else(world: World) -> None:
    """An image that is shared with one can be seen, but not exported."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image = await world.make_image(owner=world.site.consumer)
    await world.consumer.members.create(image.id, world.site.producer.project_id)
    await world.producer.members.update(image.id, world.site.producer.project_id, "accepted")
    error = await _refusal(world, image.id)
    assert isinstance(error, TaskFailedError | ForbiddenError)


async def test_public_image(world: World) -> None:
    """A public image is not one's own, so it cannot be exported."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image = await world.make_image(owner=world.site.admin, visibility="public")
    error = await _refusal(world, image.id)
    assert isinstance(error, TaskFailedError | ForbiddenError)


async def test_unknown_image(world: World) -> None:
    """An image that is not there cannot be exported."""
    world.emulator.create_container(world.emulator.producer, "exports")
    error = await _refusal(world, str(uuid.uuid4()))
    assert isinstance(error, TaskFailedError | NotFoundError)


async def test_deactivated_image(world: World) -> None:
    """A deactivated image cannot be exported."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image = await world.make_image(status="deactivated")
    error = await _refusal(world, image.id)
    assert isinstance(error, TaskFailedError | StatusError)
