"""`client.schemas`."""

import pytest
from clouds import World

pytestmark = pytest.mark.anyio

NAMES = ("image", "images", "member", "members", "task", "tasks")


@pytest.mark.parametrize("name", NAMES)
async def test_schema_by_name(world: World, name: str) -> None:
    """Each schema comes as a document that says its own name and describes properties."""
    schema = await world.producer.schemas.get(name)
    assert name == schema["name"]
    assert schema["properties"]


async def test_image(world: World) -> None:
    """The schema of an image describes its attributes."""
    schema = await world.producer.schemas.image()
    assert {"id", "name", "status", "tags", "min_disk"} <= schema["properties"].keys()


async def test_images(world: World) -> None:
    """The schema of a listing of images has images in it."""
    assert "images" in (await world.producer.schemas.images())["properties"]


async def test_member(world: World) -> None:
    """The schema of a member describes who it is and what it answered."""
    schema = await world.producer.schemas.member()
    assert {"member_id", "image_id", "status"} <= schema["properties"].keys()


async def test_members(world: World) -> None:
    """The schema of a listing of members has members in it."""
    assert "members" in (await world.producer.schemas.members())["properties"]


async def test_task(world: World) -> None:
    """The schema of a task describes its state and its result."""
    schema = await world.producer.schemas.task()
    assert {"id", "type", "status", "input", "result", "message"} <= schema["properties"].keys()


async def test_tasks(world: World) -> None:
    """The schema of a listing of tasks has tasks in it."""
    assert "tasks" in (await world.producer.schemas.tasks())["properties"]


async def test_unknown_schema(world: World) -> None:
    """A schema that the API does not have is refused before any request, with a list of those that it has."""
    with pytest.raises(ValueError, match="image, images, member, members, task, tasks"):
        await world.producer.schemas.get("flavor")
    assert world.watch.requests == []
