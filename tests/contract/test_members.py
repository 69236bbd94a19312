"""`client.members`: sharing an image, and what its consumer makes of it."""

import uuid
from typing import Any

import pytest
from clouds import World

from aioimages import ConflictError, ForbiddenError, Image, NotFoundError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shared(world: World) -> Image:
    """Make an image that is shared with the consumer, who has not answered yet."""
    image = await world.make_image("shared")
    await world.share(image)
    return image


async def _sees(world: World, image: Image, **filters: Any) -> bool:
    return image.id in [found.id async for found in world.consumer.images.list(**filters)]


async def test_create(world: World) -> None:
    """Sharing an image makes a member that has not answered yet."""
    image = await world.make_image()
    member = await world.producer.members.create(image.id, world.site.consumer.project_id)
    assert (image.id, world.site.consumer.project_id, "pending") == (member.image_id, member.member_id, member.status)
    assert member.created_at is not None
    assert member.updated_at is not None


async def test_create_twice(world: World, shared: Image) -> None:
    """Sharing an image with the same account again is a conflict, and changes nothing."""
    with pytest.raises(ConflictError):
        await world.producer.members.create(shared.id, world.site.consumer.project_id)
    assert len(await world.producer.members.list(shared.id).collect()) == 1


async def test_create_for_an_unknown_image(world: World) -> None:
    """An image that is not there cannot be shared."""
    with pytest.raises(NotFoundError):
        await world.producer.members.create(str(uuid.uuid4()), world.site.consumer.project_id)


async def test_create_by_somebody_else(world: World, shared: Image) -> None:
    """Only the owner shares an image."""
    with pytest.raises((ForbiddenError, NotFoundError)):
        await world.consumer.members.create(shared.id, world.site.admin.project_id)


@pytest.mark.dialects("openstack")
async def test_create_for_a_private_image(world: World) -> None:
    """A private image cannot be shared until it is made shareable."""
    image = await world.make_image(visibility="private")
    with pytest.raises(ForbiddenError):
        await world.producer.members.create(image.id, world.site.consumer.project_id)
    await world.producer.images.update(image.id, {"visibility": "shared"})
    await world.producer.members.create(image.id, world.site.consumer.project_id)


async def test_create_for_a_public_image(world: World) -> None:
    """Everybody has a public image already, so it cannot be shared."""
    image = await world.make_image(owner=world.site.admin, visibility="public")
    with pytest.raises(ForbiddenError):
        await world.admin.members.create(image.id, world.site.consumer.project_id)


async def test_list(world: World, shared: Image) -> None:
    """The owner sees everybody that an image is shared with."""
    await world.producer.members.create(shared.id, world.site.admin.project_id)
    members = await world.producer.members.list(shared.id).collect()
    assert {world.site.consumer.project_id, world.site.admin.project_id} == {member.member_id for member in members}
    assert {shared.id} == {member.image_id for member in members}


async def test_list_of_an_image_without_members(world: World) -> None:
    """An image that is shared with nobody has no members."""
    image = await world.make_image()
    assert await world.producer.members.list(image.id).collect() == []


async def test_list_as_a_member(world: World, shared: Image) -> None:
    """A member sees itself only."""
    await world.producer.members.create(shared.id, world.site.admin.project_id)
    members = await world.consumer.members.list(shared.id).collect()
    assert [world.site.consumer.project_id] == [member.member_id for member in members]


async def test_list_of_an_unknown_image(world: World) -> None:
    """An image that is not there has no list of members."""
    with pytest.raises(NotFoundError):
        await world.producer.members.list(str(uuid.uuid4())).collect()


async def test_first(world: World, shared: Image) -> None:
    """The first member comes without the others."""
    first = await world.producer.members.list(shared.id).first()
    assert first is not None
    assert world.site.consumer.project_id == first.member_id


async def test_get(world: World, shared: Image) -> None:
    """Owner and member see the same member."""
    consumer = world.site.consumer.project_id
    seen_by_owner = await world.producer.members.get(shared.id, consumer)
    seen_by_itself = await world.consumer.members.get(shared.id, consumer)
    assert seen_by_owner == seen_by_itself
    assert seen_by_owner.status == "pending"


async def test_get_unknown(world: World, shared: Image) -> None:
    """An account that the image is not shared with is not found among its members."""
    with pytest.raises(NotFoundError):
        await world.producer.members.get(shared.id, world.site.admin.project_id)


@pytest.mark.parametrize("status", ["accepted", "rejected", "pending"])
async def test_update(world: World, shared: Image, status: str) -> None:
    """The consumer accepts an image, rejects it, or puts it off, and the owner sees the answer."""
    consumer = world.site.consumer.project_id
    member = await world.consumer.members.update(shared.id, consumer, status)
    assert status == member.status
    assert status == (await world.producer.members.get(shared.id, consumer)).status


async def test_update_back_and_forth(world: World, shared: Image) -> None:
    """A consumer may think again, as often as it likes, and its listing follows."""
    consumer = world.site.consumer.project_id
    for status in ("accepted", "rejected", "accepted", "pending"):
        await world.consumer.members.update(shared.id, consumer, status)
        assert (status == "accepted") is await _sees(world, shared)


async def test_update_by_the_owner(world: World, shared: Image) -> None:
    """The owner cannot answer for the consumer."""
    with pytest.raises(ForbiddenError):
        await world.producer.members.update(shared.id, world.site.consumer.project_id, "accepted")


async def test_update_of_an_image_that_is_not_shared(world: World) -> None:
    """Nobody accepts what was not offered."""
    image = await world.make_image()
    with pytest.raises(NotFoundError):
        await world.consumer.members.update(image.id, world.site.consumer.project_id, "accepted")


async def test_update_to_an_unknown_status(world: World, shared: Image) -> None:
    """An answer that there is not is refused before any request, with those that there are."""
    world.watch.clear()
    with pytest.raises(ValueError, match="accepted, pending or rejected"):
        await world.consumer.members.update(shared.id, world.site.consumer.project_id, "maybe")
    assert world.watch.requests == []


async def test_consumer_sees_an_image_when_it_has_accepted_it(world: World, shared: Image) -> None:
    """An offered image can be got by its id at once, and stands in the consumer's listing when it has been accepted."""
    assert shared.id == (await world.consumer.images.get(shared.id)).id
    assert not await _sees(world, shared)
    await world.consumer.members.update(shared.id, world.site.consumer.project_id, "accepted")
    assert await _sees(world, shared)


async def test_consumer_cannot_change_what_it_was_given(world: World, shared: Image) -> None:
    """A shared image stays its owner's: the consumer neither changes nor deletes it."""
    await world.consumer.members.update(shared.id, world.site.consumer.project_id, "accepted")
    with pytest.raises(ForbiddenError):
        await world.consumer.images.update(shared.id, {"name": "mine"})
    with pytest.raises(ForbiddenError):
        await world.consumer.images.delete(shared.id)
    assert (await world.producer.images.get(shared.id)).name == "shared"


async def test_delete(world: World, shared: Image) -> None:
    """An image that is no longer shared is out of the consumer's sight."""
    consumer = world.site.consumer.project_id
    await world.consumer.members.update(shared.id, consumer, "accepted")
    await world.producer.members.delete(shared.id, consumer)
    assert await world.producer.members.list(shared.id).collect() == []
    assert not await _sees(world, shared)
    with pytest.raises(NotFoundError):
        await world.consumer.images.get(shared.id)


async def test_delete_twice(world: World, shared: Image) -> None:
    """An account that is no member cannot be removed."""
    await world.producer.members.delete(shared.id, world.site.consumer.project_id)
    with pytest.raises(NotFoundError):
        await world.producer.members.delete(shared.id, world.site.consumer.project_id)


async def test_delete_by_the_consumer(world: World, shared: Image) -> None:
    """A consumer cannot take itself off the list; it rejects."""
    with pytest.raises(ForbiddenError):
        await world.consumer.members.delete(shared.id, world.site.consumer.project_id)


async def test_share_again(world: World, shared: Image) -> None:
    """An account that was removed can be added again, and is asked anew."""
    consumer = world.site.consumer.project_id
    await world.consumer.members.update(shared.id, consumer, "accepted")
    await world.producer.members.delete(shared.id, consumer)
    assert (await world.producer.members.create(shared.id, consumer)).status == "pending"
