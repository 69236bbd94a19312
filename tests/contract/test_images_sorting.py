"""`client.images.list`: in every order that the API has."""

from typing import Any

import pytest
from clouds import World

from aioimages import Image

pytestmark = pytest.mark.anyio

ONE_KEY = ["name", "status", "size", "id", "created_at", "updated_at", "container_format", "disk_format"]


async def _three(world: World) -> list[Image]:
    """Make three images that differ in everything that can be sorted by."""
    made = []
    # Formats whose data Glance does not look into.
    for name, disk, size in (("b", "raw", 30), ("a", "aki", 10), ("c", "ari", 20)):
        container = "bare" if disk == "raw" else disk
        made.append(await world.make_image(name, disk_format=disk, container_format=container, data=b"x" * size))
    return made


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", ONE_KEY)
async def test_one_key(world: World, key: str, direction: str) -> None:
    """Images come sorted by any key in either direction."""
    made = await _three(world)
    listed = await world.producer.images.list(sort=f"{key}:{direction}").collect()
    assert {image.id for image in made} == {image.id for image in listed}
    values: list[Any] = [getattr(image, key) for image in listed]
    assert sorted(values, reverse=direction == "desc") == values


async def test_order_of_making(world: World) -> None:
    """The newest come first where nothing is said, and the oldest where that is asked for."""
    made = [image.id for image in await _three(world)]
    assert made[::-1] == [image.id async for image in world.producer.images.list()]
    assert made[::-1] == [image.id async for image in world.producer.images.list(sort="created_at")]
    assert made == [image.id async for image in world.producer.images.list(sort="created_at:asc")]


async def test_order_of_changing(world: World) -> None:
    """The image that was changed last comes first by `updated_at`."""
    made = await _three(world)
    await world.producer.images.update(made[0].id, {"name": "changed"})
    first = await world.producer.images.list(sort="updated_at:desc").first()
    assert first is not None
    assert made[0].id == first.id


async def test_order_over_pages(world: World) -> None:
    """An order holds from page to page."""
    await world.make_images(*"dbeac")
    listing = world.producer.images.list(sort="name:asc", page_size=2)
    assert list("abcde") == [image.name async for image in listing]


@pytest.mark.dialects("openstack")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (["disk_format:asc", "name:asc"], ["b", "d", "a", "c"]),
        (["disk_format:asc", "name:desc"], ["d", "b", "c", "a"]),
        (["disk_format:desc", "name:asc"], ["a", "c", "b", "d"]),
        ("disk_format:desc,name:desc", ["c", "a", "d", "b"]),
        (["disk_format", "name:asc"], ["a", "c", "b", "d"]),
        ("disk_format:asc, name", ["d", "b", "c", "a"]),
    ],
    ids=str,
)
async def test_several_keys(world: World, sort: Any, expected: list[str]) -> None:
    """Images come sorted by one key and then another, each in its direction, over pages too."""
    await world.make_images("a", "c", disk_format="raw")
    await world.make_images("b", "d", disk_format="qcow2")
    for page_size in (1, 10):
        listing = world.producer.images.list(sort=sort, page_size=page_size)
        assert expected == [image.name async for image in listing]


@pytest.mark.parametrize("sort", ["colour", "name:up", "checksum:asc", ":asc"])
async def test_unknown_order(world: World, sort: str) -> None:
    """An order that there is not is refused at once."""
    with pytest.raises(ValueError, match="sort"):
        world.producer.images.list(sort=sort)
    assert world.watch.requests == []
