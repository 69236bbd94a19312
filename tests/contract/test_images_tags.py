"""`client.images.add_tag` and `remove_tag`."""

import uuid

import pytest
from clouds import World

from aioimages import Client, Image, NotFoundError

pytestmark = pytest.mark.anyio

TAGS = [
    "web",
    "two words",
    "grün",
    "★",
    "50%",
    "%41",
    "a:b",
    "a,b",
    "a+b",
    "a?b#c&d",
    "a/b",
    "a\\b",
    "..",
    ".",
    "...",
    "x" * 255,
]


async def _tags(client: Client, image: Image) -> set[str]:
    return set((await client.images.get(image.id)).tags)


@pytest.mark.parametrize("tag", TAGS, ids=lambda tag: tag[:12])
async def test_add_and_remove(world: World, tag: str) -> None:
    """A tag is added, found and removed again, whatever is in it, and the others stay."""
    image = await world.make_image(tags=["kept"])
    await world.producer.images.add_tag(image.id, tag)
    assert {"kept", tag} == await _tags(world.producer, image)
    assert [image.id] == [found.id async for found in world.producer.images.list(tag=tag)]
    await world.producer.images.remove_tag(image.id, tag)
    assert {"kept"} == await _tags(world.producer, image)


@pytest.mark.parametrize("tag", ["web", "grün"])
async def test_add_twice(world: World, tag: str) -> None:
    """A tag that the image has already is no error, and stays one."""
    image = await world.make_image()
    await world.producer.images.add_tag(image.id, tag)
    await world.producer.images.add_tag(image.id, tag)
    assert (tag,) == (await world.producer.images.get(image.id)).tags


@pytest.mark.parametrize("tag", ["web", "grün"])
async def test_remove_twice(world: World, tag: str) -> None:
    """A tag that is gone cannot be removed again."""
    image = await world.make_image(tags=[tag])
    await world.producer.images.remove_tag(image.id, tag)
    with pytest.raises(NotFoundError):
        await world.producer.images.remove_tag(image.id, tag)


@pytest.mark.parametrize("tag", ["missing", "vermißt"])
async def test_remove_missing(world: World, tag: str) -> None:
    """A tag that the image never had cannot be removed, and nothing else is."""
    image = await world.make_image(tags=["kept"])
    with pytest.raises(NotFoundError):
        await world.producer.images.remove_tag(image.id, tag)
    assert {"kept"} == await _tags(world.producer, image)


@pytest.mark.parametrize("tag", ["web", "grün"])
async def test_unknown_image(world: World, tag: str) -> None:
    """An image that is not there takes no tags and loses none."""
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError):
        await world.producer.images.add_tag(missing, tag)
    with pytest.raises(NotFoundError):
        await world.producer.images.remove_tag(missing, tag)


@pytest.mark.parametrize("tag", ["", "   ", "x" * 256])
async def test_impossible_tag(world: World, tag: str) -> None:
    """A tag that no image can have is refused before any request."""
    image = await world.make_image()
    world.watch.clear()
    with pytest.raises(ValueError, match="a tag has 1 to 255 characters"):
        await world.producer.images.add_tag(image.id, tag)
    with pytest.raises(ValueError, match="a tag has 1 to 255 characters"):
        await world.producer.images.remove_tag(image.id, tag)
    with pytest.raises(ValueError, match="a tag is valid Unicode"):
        await world.producer.images.add_tag(image.id, "\ud800")
    assert world.watch.requests == []
