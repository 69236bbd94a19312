"""`client.images`: creating, getting and deleting."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from clouds import World

from aioimages import ConflictError, ForbiddenError, NotFoundError, UnsupportedOperationError

pytestmark = pytest.mark.anyio


@pytest.mark.dialects("openstack")
async def test_create(world: World) -> None:
    """An image is made with everything that was said of it, and waits for its data."""
    image = await world.producer.images.create(
        name="web",
        disk_format="qcow2",
        container_format="bare",
        visibility="private",
        tags=["blue", "green"],
        properties={"os_distro": "ubuntu", "team/lead": "Zoë"},
        min_disk=10,
        min_ram=512,
        protected=False,
        hidden=False,
    )
    assert (image.name, image.disk_format, image.container_format) == ("web", "qcow2", "bare")
    assert (image.status, image.visibility) == ("queued", "private")
    assert {"blue", "green"} == set(image.tags)
    assert image.properties == {"os_distro": "ubuntu", "team/lead": "Zoë"}
    assert (image.min_disk, image.min_ram, image.protected, image.hidden) == (10, 512, False, False)
    assert (None, None, world.site.producer.project_id) == (image.size, image.checksum, image.owner)
    assert image == await world.producer.images.get(image.id)


@pytest.mark.dialects("openstack")
async def test_create_with_nothing(world: World) -> None:
    """An image can be made without saying anything of it."""
    image = await world.producer.images.create()
    assert (image.status, image.name, image.disk_format) == ("queued", None, None)


@pytest.mark.dialects("openstack")
async def test_create_with_an_id_of_ones_own(world: World) -> None:
    """The caller may choose the id; a second image with it is a conflict."""
    wanted = str(uuid.uuid4())
    assert wanted == (await world.producer.images.create(id=wanted)).id
    with pytest.raises(ConflictError):
        await world.producer.images.create(id=wanted)


@pytest.mark.dialects("openstack")
@pytest.mark.parametrize("name", ["ünï ★", "a:b", "a,b", 'say "hi"', "50% off + more", "../up", "x" * 255])
async def test_create_with_an_unusual_name(world: World, name: str) -> None:
    """A name comes back as it was given, whatever is in it."""
    image = await world.producer.images.create(name=name)
    assert name == (await world.producer.images.get(image.id)).name


@pytest.mark.dialects("openstack")
async def test_create_public_without_the_right(world: World) -> None:
    """An account that may not publish images is refused, and no image is left behind."""
    with pytest.raises(ForbiddenError):
        await world.producer.images.create(name="public", visibility="public")
    assert await world.producer.images.list(name="public").collect() == []


@pytest.mark.dialects("rackspace")
async def test_create_on_rackspace(world: World) -> None:
    """Rackspace makes no images this way: that is said before any request, with what there is instead."""
    with pytest.raises(UnsupportedOperationError, match="lacks creating images"):
        await world.producer.images.create(name="web")
    assert world.watch.requests == []


async def test_get(world: World) -> None:
    """An image comes with its attributes as values: aware times, sizes in bytes, tags, and the rest as properties."""
    data = b"x" * 2000
    made = await world.make_image("web", data=data, tags=["b", "a"], properties={"os_distro": "ubuntu"})
    image = await world.producer.images.get(made.id)
    assert (made.id, "web", "active", 2000) == (image.id, image.name, image.status, image.size)
    assert ({"a", "b"}, "ubuntu") == (set(image.tags), image.properties["os_distro"])
    assert image.created_at is not None
    assert image.created_at.tzinfo is not None
    assert abs(datetime.now(UTC) - image.created_at) < timedelta(minutes=5)
    assert image.self_url is not None
    assert image.self_url.endswith(f"/v2/images/{image.id}")
    assert world.site.producer.project_id == image.owner


@pytest.mark.dialects("openstack")
async def test_get_with_data(world: World) -> None:
    """An image with data says its sizes, its hashes and where it is kept."""
    image = await world.make_image(data=b"hello world")
    assert (image.status, image.size, image.virtual_size) == ("active", 11, 11)
    assert image.checksum == "5eb63bbbe01eeed093cb22bb8f5acdc3"
    assert image.os_hash_algo == "sha512"
    assert (image.os_hash_value or "").startswith("309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f")
    assert image.stores


async def test_get_unknown(world: World) -> None:
    """An id that there is not is an error that names it and the request."""
    missing = str(uuid.uuid4())
    with pytest.raises(NotFoundError) as caught:
        await world.producer.images.get(missing)
    assert (caught.value.status, caught.value.method) == (404, "GET")
    assert missing in caught.value.detail
    assert f"/v2/images/{missing}" in str(caught.value)
    assert caught.value.request_id
    assert "<" not in str(caught.value)


async def test_get_of_somebody_else(world: World) -> None:
    """An image of somebody else's is as if it were not there."""
    image = await world.make_image()
    with pytest.raises(NotFoundError):
        await world.consumer.images.get(image.id)


async def test_get_of_a_public_image(world: World) -> None:
    """A public image can be got by everybody."""
    image = await world.make_image(owner=world.site.admin, visibility="public")
    assert image.id == (await world.consumer.images.get(image.id)).id


async def test_delete(world: World) -> None:
    """A deleted image is gone from sight and from listings."""
    image = await world.make_image()
    await world.producer.images.delete(image.id)
    with pytest.raises(NotFoundError):
        await world.producer.images.get(image.id)
    assert await world.producer.images.list(name=image.name).collect() == []


async def test_delete_twice(world: World) -> None:
    """A second delete says that there is no such image."""
    image = await world.make_image()
    await world.producer.images.delete(image.id)
    with pytest.raises(NotFoundError):
        await world.producer.images.delete(image.id)


async def test_delete_of_a_protected_image(world: World) -> None:
    """A protected image cannot be deleted until the protection is taken away."""
    image = await world.make_image(protected=True)
    with pytest.raises(ForbiddenError):
        await world.producer.images.delete(image.id)
    await world.producer.images.update(image.id, {"protected": False})
    await world.producer.images.delete(image.id)


async def test_delete_of_somebody_else(world: World) -> None:
    """An image of somebody else's cannot be deleted, nor found out about."""
    image = await world.make_image()
    with pytest.raises(NotFoundError):
        await world.consumer.images.delete(image.id)
    assert image.id == (await world.producer.images.get(image.id)).id


@pytest.mark.dialects("openstack")
async def test_deleted_id_is_not_given_again(world: World) -> None:
    """The id of a deleted image stays taken."""
    image = await world.make_image()
    await world.producer.images.delete(image.id)
    with pytest.raises(ConflictError):
        await world.producer.images.create(id=image.id)
