"""`client.images.list`: every filter of the API, in the dialects that have it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clouds import World

from aioimages import Image, Operator, eq, gt, gte, in_, lt, lte, neq

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


async def _names(world: World, **filters: Any) -> list[str | None]:
    """Return the names of the producer's images that fit, in their order."""
    return sorted([image.name async for image in world.producer.images.list(**filters)], key=str)


@pytest.mark.parametrize(
    "name", ["web", "ünï", "a b", "a,b", "100%", "a&b=c", "a+b", 'say "hi"', "a:b", "in:a", "a:b,c"]
)
async def test_name(world: World, name: str) -> None:
    """An image is found by its whole name, whatever is in it."""
    await world.make_images(name, "other", "a", "b")
    assert [name] == await _names(world, name=name)


@openstack
async def test_name_in(world: World) -> None:
    """`in_` finds any of several names, also with commas, colons and blanks in them."""
    await world.make_images("a", "b,c", "d:e", "f g", "other")
    assert await _names(world, name=in_("a", "b,c", "d:e", "f g", "missing")) == ["a", "b,c", "d:e", "f g"]


@openstack
async def test_id(world: World) -> None:
    """An image is found by its id."""
    image, _ = await world.make_images("a", "b")
    assert await _names(world, id=image.id) == ["a"]


@openstack
async def test_id_in(world: World) -> None:
    """`in_` finds any of several ids."""
    first, second, _ = await world.make_images("a", "b", "c")
    assert await _names(world, id=in_(first.id, second.id)) == ["a", "b"]


async def test_status(world: World) -> None:
    """Images are found by what has become of them."""
    await world.make_image("ready", data=b"data")
    await _make_queued(world, "waiting")
    assert await _names(world, status="active") == ["ready"]
    assert await _names(world, status="queued") == ["waiting"]
    assert await _names(world, status="killed") == []


async def _make_queued(world: World, name: str) -> Image:
    options: dict[str, Any] = {"status": "queued"} if world.dialect == "rackspace" else {}
    return await world.make_image(name, **options)


@openstack
async def test_status_in(world: World) -> None:
    """`in_` finds any of several statuses."""
    await world.make_image("ready", data=b"data")
    await world.make_image("waiting")
    assert await _names(world, status=in_("active", "queued")) == ["ready", "waiting"]
    assert await _names(world, status=in_("queued", "saving")) == ["waiting"]


@openstack
@pytest.mark.parametrize("visibility", ["private", "shared", "community"])
async def test_visibility_of_ones_own(world: World, visibility: str) -> None:
    """One's own images are found by who may see them."""
    for each in ("private", "shared", "community"):
        await world.make_image(each, visibility=each)
    assert [visibility] == await _names(world, visibility=visibility)


async def test_visibility_public(world: World) -> None:
    """Public images are found apart from one's own."""
    await world.make_image("everybody's", owner=world.site.admin, visibility="public")
    await world.make_image("mine")
    assert await _names(world, visibility="public") == ["everybody's"]
    assert await _names(world) == ["everybody's", "mine"]


@rackspace
async def test_visibility_private(world: World) -> None:
    """One's own images are found apart from the public ones."""
    await world.make_image("everybody's", owner=world.site.admin, visibility="public")
    await world.make_image("mine", visibility="private")
    assert await _names(world, visibility="private") == ["mine"]


@openstack
async def test_visibility_all(world: World) -> None:
    """`all` brings in what others have put up for the community."""
    await world.make_image("theirs", owner=world.site.consumer, visibility="community")
    await world.make_image("mine")
    assert await _names(world) == ["mine"]
    assert await _names(world, visibility="all") == ["mine", "theirs"]


async def _share_three(world: World) -> None:
    """Share three images with the consumer, who accepts one and rejects one."""
    consumer = world.site.consumer.project_id
    for status in ("accepted", "rejected", "pending"):
        image = await world.make_image(status)
        await world.share(image)
        await world.consumer.members.update(image.id, consumer, status)


@pytest.mark.parametrize("status", ["accepted", "rejected", "pending", "all"])
async def test_member_status(world: World, status: str) -> None:
    """A consumer finds what is shared with it by the answer that it gave."""
    await _share_three(world)
    listing = world.consumer.images.list(visibility="shared", member_status=status)
    expected = ["accepted", "pending", "rejected"] if status == "all" else [status]
    assert expected == sorted([str(image.name) async for image in listing])


async def test_visibility_shared(world: World) -> None:
    """A consumer who asks for shared images gets those that it has accepted."""
    await _share_three(world)
    assert [image.name async for image in world.consumer.images.list(visibility="shared")] == ["accepted"]


async def test_owner(world: World) -> None:
    """Images are found by whose they are."""
    await _share_three(world)
    await world.make_image("own", owner=world.site.consumer)
    owner = world.site.producer.project_id
    assert [image.name async for image in world.consumer.images.list(owner=owner)] == ["accepted"]
    assert [image.name async for image in world.consumer.images.list(owner=world.site.consumer.project_id)] == ["own"]


async def test_tag(world: World) -> None:
    """Images are found by a tag."""
    await world.make_image("a", tags=["red", "blue"])
    await world.make_image("b", tags=["blue"])
    await world.make_image("c")
    assert await _names(world, tag="blue") == ["a", "b"]
    assert await _names(world, tag=["red"]) == ["a"]


async def test_several_tags(world: World) -> None:
    """Of several tags an image must have all."""
    await world.make_image("a", tags=["red", "blue", "green"])
    await world.make_image("b", tags=["blue"])
    assert await _names(world, tag=["blue", "red"]) == ["a"]
    assert await _names(world, tag=["blue", "yellow"]) == []


@pytest.mark.parametrize("tag", ["two words", "grün", "50%", "a:b", "a,b", "a+b", "x&y=z", "a/b"])
async def test_unusual_tag(world: World, tag: str) -> None:
    """A tag is found whatever is in it."""
    await world.make_image("tagged", tags=[tag])
    await world.make_image("other", tags=["two", "a", "b"])
    assert await _names(world, tag=tag) == ["tagged"]


async def test_sizes(world: World) -> None:
    """Images are found by how large they are, in bytes, both ends included."""
    for size in (10, 20, 30):
        await world.make_image(str(size), data=b"x" * size)
    assert await _names(world, size_min=20) == ["20", "30"]
    assert await _names(world, size_max=20) == ["10", "20"]
    assert await _names(world, size_min=11, size_max=29) == ["20"]


@openstack
async def test_protected(world: World) -> None:
    """Images are found by whether they can be deleted."""
    await world.make_image("kept", protected=True)
    await world.make_image("other")
    assert await _names(world, protected=True) == ["kept"]
    assert await _names(world, protected=False) == ["other"]


@openstack
@pytest.mark.parametrize("name", ["os_hidden", "hidden"])
async def test_hidden(world: World, name: str) -> None:
    """Hidden images are listed only where they are asked for, by the wire's name or the model's."""
    await world.make_image("secret", hidden=True)
    await world.make_image("other")
    assert await _names(world) == ["other"]
    assert await _names(world, **{name: True}) == ["secret"]
    assert await _names(world, **{name: False}) == ["other"]


@openstack
async def test_formats(world: World) -> None:
    """Images are found by the format of their disk and of their container, or any of several."""
    await world.make_image("a", disk_format="raw", container_format="bare")
    await world.make_image("b", disk_format="qcow2", container_format="ovf")
    await world.make_image("c", disk_format="vhd", container_format="docker")
    assert await _names(world, disk_format="qcow2") == ["b"]
    assert await _names(world, disk_format=in_("raw", "vhd")) == ["a", "c"]
    assert await _names(world, container_format="docker") == ["c"]
    assert await _names(world, container_format=in_("bare", "ovf")) == ["a", "b"]


@openstack
@pytest.mark.parametrize("attribute", ["checksum", "os_hash_value"])
async def test_hash(world: World, attribute: str) -> None:
    """An image is found by the hash of its data."""
    image = await world.make_image("a", data=b"one")
    await world.make_image("b", data=b"another")
    assert await _names(world, **{attribute: getattr(image, attribute)}) == ["a"]


@openstack
async def test_hash_algorithm(world: World) -> None:
    """Images are found by the algorithm of their hash."""
    await world.make_image("a", data=b"one")
    await world.make_image("b")
    assert await _names(world, os_hash_algo="sha512") == ["a"]
    assert await _names(world, os_hash_algo="md5") == []


FAR = timedelta(days=1)
NOW = datetime.now(UTC)


@openstack
@pytest.mark.parametrize("attribute", ["created_at", "updated_at"])
@pytest.mark.parametrize(
    ("operator", "found"),
    [
        (gt(NOW - FAR), True),
        (gt(NOW + FAR), False),
        (gte(NOW - FAR), True),
        (gte(NOW + FAR), False),
        (lt(NOW + FAR), True),
        (lt(NOW - FAR), False),
        (lte(NOW + FAR), True),
        (lte(NOW - FAR), False),
        (neq(NOW - FAR), True),
        (eq(NOW - FAR), False),
    ],
    ids=lambda value: value.name if isinstance(value, Operator) else str(value),
)
async def test_times(world: World, attribute: str, operator: Operator, found: bool) -> None:  # noqa: FBT001
    """Images are found by when they were made and changed, before, after, at or not at a moment."""
    await world.make_image("a")
    assert (["a"] if found else []) == await _names(world, **{attribute: operator})


@openstack
async def test_time_with_an_offset(world: World) -> None:
    """A moment is the same in every time zone."""
    image = await world.make_image("a")
    assert image.created_at is not None
    east = (image.created_at - timedelta(hours=1)).astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert await _names(world, created_at=gt(east)) == ["a"]
    assert await _names(world, created_at=lt(east)) == []


@openstack
async def test_time_without_an_operator(world: World) -> None:
    """A moment without an operator is that moment."""
    await world.make_image("a")
    assert await _names(world, created_at=NOW - FAR) == []


@openstack
@pytest.mark.parametrize("value", ["ubuntu", "a b", "a:b", "in:a", "a,b", "ünï", "50%"])
async def test_custom_property(world: World, value: str) -> None:
    """Images are found by their own properties, whatever the value."""
    await world.make_image("a", properties={"os_distro": value, "team": "red"})
    await world.make_image("b", properties={"os_distro": "arch", "team": "red"})
    assert await _names(world, properties={"os_distro": value}) == ["a"]
    assert await _names(world, properties={"os_distro": value, "team": "red"}) == ["a"]
    assert await _names(world, properties={"team": "red"}) == ["a", "b"]
    assert await _names(world, properties={"os_distro": value, "team": "blue"}) == []


@openstack
@pytest.mark.parametrize("name", ["com.example/team", "two words", "schlüssel", "a:b", "page_size"])
async def test_custom_property_with_an_unusual_name(world: World, name: str) -> None:
    """A property is found whatever it is called."""
    await world.make_image("a", properties={name: "x"})
    await world.make_image("b")
    assert await _names(world, properties={name: "x"}) == ["a"]


async def test_filters_together(world: World) -> None:
    """Of several filters an image must fit all."""
    await world.make_image("web", tags=["red"], data=b"x" * 10)
    await world.make_image("web", tags=["red"], data=b"x" * 90)
    await world.make_image("web", tags=["blue"], data=b"x" * 10)
    assert len(await _names(world, name="web", tag="red", size_max=50, status="active")) == 1


async def test_none_is_no_filter(world: World) -> None:
    """A filter that is `None` does not filter."""
    await world.make_image("web")
    assert await _names(world, name=None, status=None, tag=None, properties=None) == ["web"]


@rackspace
@pytest.mark.parametrize(
    ("filters", "named"),
    [
        ({"disk_format": "vhd"}, "disk_format"),
        ({"os_hidden": True}, "os_hidden"),
        ({"hidden": True}, "hidden"),
        ({"created_at": NOW}, "created_at"),
        ({"id": "x"}, "id"),
        ({"name": in_("a", "b")}, "name cannot take in"),
        ({"status": in_("active")}, "status cannot take in"),
        ({"properties": {"os_distro": "ubuntu"}}, "custom properties"),
        ({"sort": ["name", "size"]}, "one key only"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_rackspace_lacks(world: World, filters: dict[str, Any], named: str) -> None:
    """A filter, operator or order that Rackspace lacks is refused at once, and named."""
    with pytest.raises(ValueError, match=named):
        world.producer.images.list(**filters)
    assert world.watch.requests == []
