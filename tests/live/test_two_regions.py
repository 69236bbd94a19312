"""Images that move between the real Glances of two regions."""

import os

import pytest
from clouds import World

from aioimages import Image, workflows

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]


async def test_twenty_copies_at_once(world: World) -> None:
    """Images are copied to another region concurrently, whole, with their names, tags and properties."""
    one, two = world.producer, world.client(world.credentials(world.site.producer), region=world.site.second_region)
    originals = {}
    for number in range(20):
        image = await one.images.create(
            name=f"web-{number}",
            disk_format="raw",
            container_format="bare",
            tags=["copied"],
            properties={"os_distro": "debian"},
            data=os.urandom(300_000 + number),
        )
        originals[image.id] = image

    async def copy(image_id: str) -> Image:
        return await workflows.copy_image(image_id, source=one, target=two)

    async with two.bulk.map(copy, originals, concurrency=8) as outcomes:
        copies = {outcome.key: outcome.unwrap() async for outcome in outcomes}
    assert copies.keys() == originals.keys()
    there = {image.id: image async for image in two.images.list()}
    assert there.keys() == {image.id for image in copies.values()}
    assert there.keys().isdisjoint(originals)
    for image_id, original in originals.items():
        image = there[copies[image_id].id]
        assert (image.status, image.size, image.name) == ("active", original.size, original.name)
        assert (image.os_hash_algo, image.os_hash_value) == (original.os_hash_algo, original.os_hash_value)
        assert (image.tags, image.properties["os_distro"]) == (("copied",), "debian")
