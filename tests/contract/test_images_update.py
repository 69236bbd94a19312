"""`client.images.update` and `patch`."""

import asyncio
import uuid
from typing import Any

import pytest
from clouds import World

from aioimages import BadRequestError, ConflictError, ForbiddenError, NotFoundError, StatusError

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "new"),
        ("name", "ünï ★ a:b,c"),
        ("tags", ["a", "grün", "two words", "a/b", "50%"]),
        ("tags", []),
        ("protected", True),
        ("min_disk", 20),
        ("min_ram", 1024),
        ("disk_format", "vhd"),
        ("container_format", "ovf"),
    ],
    ids=str,
)
async def test_attribute(world: World, name: str, value: Any) -> None:
    """An attribute takes its new value, in the answer and afterwards."""
    options: dict[str, Any] = {"status": "queued"} if world.dialect == "rackspace" else {}
    image = await world.make_image(tags=["old"], **options)
    changed = await world.producer.images.update(image.id, {name: value})
    expected = set(value) if name == "tags" else value
    for seen in (changed, await world.producer.images.get(image.id)):
        actual = getattr(seen, name)
        assert expected == (set(actual) if name == "tags" else actual)


@openstack
@pytest.mark.parametrize(("name", "attribute"), [("visibility", "visibility"), ("os_hidden", "hidden")])
async def test_openstack_attribute(world: World, name: str, attribute: str) -> None:
    """Visibility and hiding can be changed where there are such things."""
    image = await world.make_image()
    value = {"visibility": "community", "os_hidden": True}[name]
    changed = await world.producer.images.update(image.id, {name: value})
    assert value == getattr(changed, attribute)


@openstack
async def test_name_of_none(world: World) -> None:
    """An image can lose its name."""
    image = await world.make_image("web")
    assert (await world.producer.images.update(image.id, {"name": None})).name is None


@pytest.mark.parametrize("value", ["ubuntu", "ünï", "a b", "", '{"json": [1, 2]}', "x" * 3000])
async def test_new_property(world: World, value: str) -> None:
    """A property that the image did not have is set, whatever the value."""
    image = await world.make_image()
    changed = await world.producer.images.update(image.id, {"team": value})
    assert value == changed.properties["team"]
    assert value == (await world.producer.images.get(image.id)).properties["team"]


async def test_property_again(world: World) -> None:
    """A property that the image has is overwritten."""
    image = await world.make_image(properties={"team": "red", "other": "kept"})
    changed = await world.producer.images.update(image.id, {"team": "blue"})
    assert {name: changed.properties[name] for name in ("team", "other")} == {"team": "blue", "other": "kept"}


@pytest.mark.parametrize("name", ["~/.ssh/", "a/b", "~0", "~1", "two words", "schlüssel", "a.b:c", '"quoted"', "a%2Fb"])
async def test_property_with_an_unusual_name(world: World, name: str) -> None:
    """A property can be set, overwritten and removed whatever it is called."""
    image = await world.make_image()
    assert (await world.producer.images.update(image.id, {name: "1"})).properties[name] == "1"
    assert (await world.producer.images.update(image.id, {name: "2"})).properties[name] == "2"
    assert name not in (await world.producer.images.update(image.id, {}, remove=[name])).properties


@pytest.mark.parametrize("name", ["os_distro", "os_version", "kernel_id", "ramdisk_id"])
async def test_common_property(world: World, name: str) -> None:
    """The properties that many images have are set and overwritten like any other."""
    image = await world.make_image()
    value = str(uuid.uuid4())
    assert value == (await world.producer.images.update(image.id, {name: value})).properties[name]
    again = str(uuid.uuid4())
    assert again == (await world.producer.images.update(image.id, {name: again})).properties[name]


async def test_remove(world: World) -> None:
    """Properties are removed, and the others stay."""
    image = await world.make_image(properties={"a": "1", "b": "2", "c": "3"})
    changed = await world.producer.images.update(image.id, {}, remove=["a", "c"])
    assert {"b"} == changed.properties.keys() & {"a", "b", "c"}


async def test_everything_in_one_request(world: World) -> None:
    """Changes and removals of attributes and properties go in one PATCH."""
    image = await world.make_image("old", properties={"a": "1", "b": "2"})
    world.watch.clear()
    changes = {"name": "new", "tags": ["x"], "a": "9", "new": "n", "min_disk": 3}
    changed = await world.producer.images.update(image.id, changes, remove=["b"])
    assert (changed.name, changed.tags, changed.min_disk) == ("new", ("x",), 3)
    assert {name: value for name, value in changed.properties.items() if name in "abnew"} == {"a": "9", "new": "n"}
    assert sum(request.method == "PATCH" for request in world.watch.requests) == 1


async def test_remove_a_missing_property(world: World) -> None:
    """Removing a property that the image does not have is a conflict that names it, and nothing else is changed."""
    image = await world.make_image("old")
    with pytest.raises(ConflictError, match="missing"):
        await world.producer.images.update(image.id, {"name": "new"}, remove=["missing"])
    assert (await world.producer.images.get(image.id)).name == "old"


async def test_concurrent_updates_of_many_images(world: World) -> None:
    """Changes of different images do not wait for each other's images, and all arrive."""
    images = await world.make_images(*"abcde")
    await asyncio.gather(*(world.producer.images.update(image.id, {"name": image.id}) for image in images))
    assert {image.id for image in images} == {image.name async for image in world.producer.images.list()}


async def test_unknown_image(world: World) -> None:
    """An image that is not there cannot be changed."""
    with pytest.raises(NotFoundError):
        await world.producer.images.update(str(uuid.uuid4()), {"name": "new"})


async def test_somebody_elses_image(world: World) -> None:
    """An image that everybody sees is still its owner's to change."""
    image = await world.make_image(owner=world.site.admin, visibility="public")
    with pytest.raises(ForbiddenError):
        await world.producer.images.update(image.id, {"name": "mine"})


@openstack
async def test_refused_value(world: World) -> None:
    """What the service does not take is a refusal with its sentence."""
    image = await world.make_image()
    with pytest.raises(BadRequestError, match="floppy") as caught:
        await world.producer.images.update(image.id, {"disk_format": "floppy"})
    assert "\n" not in str(caught.value)


@openstack
async def test_publishing_without_the_right(world: World) -> None:
    """An account that may not publish images cannot make one public."""
    image = await world.make_image()
    with pytest.raises(ForbiddenError):
        await world.producer.images.update(image.id, {"visibility": "public"})


@openstack
async def test_format_of_an_image_with_data(world: World) -> None:
    """The format of an image that has its data stays what it is."""
    image = await world.make_image(data=b"data")
    with pytest.raises(ForbiddenError):
        await world.producer.images.update(image.id, {"disk_format": "qcow2"})


@rackspace
async def test_rackspaces_own_properties(world: World) -> None:
    """Properties that Rackspace keeps to itself are refused before any request."""
    image = await world.make_image()
    world.watch.clear()
    with pytest.raises(ValueError, match=r"com\.rackspace"):
        await world.producer.images.update(image.id, {"com.rackspace__1__options": "1"})
    assert world.watch.requests == []


async def test_patch(world: World) -> None:
    """A JSON patch goes to the service as it is."""
    image = await world.make_image(properties={"a": "1", "b": "2"})
    operations = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "replace", "path": "/a", "value": "9"},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/c~1d~0e", "value": "3"},
    ]
    changed = await world.producer.images.patch(image.id, operations)
    assert changed.name == "new"
    assert {name: value for name, value in changed.properties.items() if name in {"a", "b", "c/d~e"}} == {
        "a": "9",
        "c/d~e": "3",
    }


@pytest.mark.parametrize("kind", ["replace", "remove"])
async def test_patch_of_a_missing_property(world: World, kind: str) -> None:
    """A property that is not there can be neither replaced nor removed."""
    image = await world.make_image()
    with pytest.raises(ConflictError):
        await world.producer.images.patch(image.id, [{"op": kind, "path": "/missing", "value": "x"}])


async def test_patch_of_what_the_service_sets(world: World) -> None:
    """What only the service sets cannot be changed."""
    image = await world.make_image()
    with pytest.raises(ForbiddenError):
        await world.producer.images.patch(image.id, [{"op": "replace", "path": "/status", "value": "active"}])


async def test_patch_of_a_base_attribute(world: World) -> None:
    """An attribute of every image cannot be removed."""
    image = await world.make_image()
    with pytest.raises(ForbiddenError):
        await world.producer.images.patch(image.id, [{"op": "remove", "path": "/name"}])


async def test_patch_is_all_or_nothing(world: World) -> None:
    """Where one operation is refused, none is carried out."""
    image = await world.make_image("old")
    operations = [{"op": "replace", "path": "/name", "value": "new"}, {"op": "remove", "path": "/missing"}]
    with pytest.raises(StatusError):
        await world.producer.images.patch(image.id, operations)
    assert (await world.producer.images.get(image.id)).name == "old"
