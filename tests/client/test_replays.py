"""Every operation, and what becomes of it when its first request goes wrong: done once, or an error that says so."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from clouds import World

from aioimages import (
    AioImagesError,
    AmbiguousOutcomeError,
    AuthenticationError,
    Client,
    ForbiddenError,
    Image,
    NotFoundError,
    RetryPolicy,
    StatusError,
)
from aioimages.emulator.faults import Fault

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.dialects("openstack")]

FAST = RetryPolicy(attempts=3, base=0.01)
LOST = ("drop", "drop_reply", "500", "502", "503", "504")
REFUSED = (400, 403, 404, 405, 409, 410, 413, 415, 416, 501)


@dataclass(frozen=True)
class Place:
    """What the operations work on: everything belongs to whoever calls them."""

    client: Client
    world: World
    queued: str
    image: str
    deactivated: str
    server: str

    async def image_now(self, image_id: str) -> Image:
        """Return an image as it is."""
        return await self.world.admin.images.get(image_id)

    async def is_gone(self, image_id: str) -> bool:
        """Say whether there is no such image any more."""
        try:
            await self.image_now(image_id)
        except NotFoundError:
            return True
        return False


@pytest.fixture
async def place(world: World) -> Place:
    """Make things to work on, and sign in."""
    account, region = world.emulator.admin, world.site.region
    consumer = world.site.consumer.project_id
    image, queued, deactivated = (
        world.emulator.add_image(
            account,
            region=region,
            data=data,
            name=name,
            tags=["old"],
            disk_format="raw",
            container_format="bare",
            **{"visibility": "shared", "os_version": "1", **more},
        )
        for name, data, more in [
            ("full", b"data", {"stores": "fast,cheap"}),
            ("queued", None, {}),
            ("deactivated", b"data", {"status": "deactivated"}),
        ]
    )
    await world.admin.members.create(deactivated, consumer)
    await world.consumer.members.update(deactivated, consumer, "pending")
    world.emulator.put_object(account, "things/thing", b"data", region=region)
    world.emulator.create_container(account, "empty", region=region)
    server = world.emulator.add_server(account, region=region, name="web")
    client = world.client(world.credentials(world.site.admin), retry=FAST)
    await client.schemas.image()
    for made in (client, world.consumer):
        await made.images.list().first()
    await client.objects.list_containers().first()
    return Place(client, world, queued, image, deactivated, server)


@dataclass(frozen=True)
class Operation:
    """An operation: what it sends, how it is called, and what holds once it is done."""

    method: str
    path: str
    call: Callable[[Place], Awaitable[object]]
    is_done: Callable[[Place], Awaitable[bool]]

    def requests(self, place: Place) -> int:
        """How many requests for it came."""
        return place.world.emulator.count(self.method, self.path)


async def _sign_in(place: Place) -> None:
    client = place.world.client(place.world.credentials(place.world.site.admin), retry=FAST)
    await client.project_id()


async def _always(_: Place) -> bool:
    return True


async def _names(place: Place, name: str) -> bool:
    return len([image async for image in place.world.admin.images.list(name=name)]) == 1


async def _has_members(place: Place, image_id: str, members: list[str]) -> bool:
    return [member.member_id async for member in place.world.admin.members.list(image_id)] == members


async def _answer(place: Place) -> None:
    client = place.world.client(place.world.credentials(place.world.site.consumer), retry=FAST)
    await client.members.update(place.deactivated, place.world.site.consumer.project_id, "accepted")


async def _member_status(place: Place) -> bool:
    consumer = place.world.site.consumer.project_id
    return (await place.world.admin.members.get(place.deactivated, consumer)).status == "accepted"


async def _has_no_more_than_one_import(place: Place) -> bool:
    return len(await place.world.admin.images.tasks(place.queued)) == 1


async def _imported(place: Place) -> None:
    uri = place.world.site.put_file("disk.raw", b"data")
    await place.client.images.start_import(place.queued, "web-download", uri=uri)


def _objects(place: Place, container: str = "things") -> list[str]:
    return place.world.emulator.objects(place.world.emulator.admin, container, region=place.world.site.region)


async def _lacks_thing(place: Place) -> bool:
    return _objects(place) == []


async def _has_copy(place: Place) -> bool:
    return _objects(place) == ["copy", "thing"]


async def _has_container(place: Place) -> bool:
    return "new" in [container.name async for container in place.world.admin.objects.list_containers()]


async def _lacks_container(place: Place) -> bool:
    return "empty" not in [container.name async for container in place.world.admin.objects.list_containers()]


def _consumer(place: Place) -> str:
    return place.world.site.consumer.project_id


async def _is(place: Place, image_id: str, holds: Callable[[Image], bool]) -> bool:
    return holds(await place.image_now(image_id))


# What may be sent again: doing it twice is doing it once, or is known for what it is.
SAFE = {
    "sign in": Operation("POST", r"/tokens$", _sign_in, _always),
    "show": Operation("GET", r"/images/[^/]+$", lambda it: it.client.images.get(it.image), _always),
    "list": Operation("GET", r"/images$", lambda it: it.client.images.list().first(), _always),
    "create": Operation(
        "POST", r"/images$", lambda it: it.client.images.create(name="new"), lambda it: _names(it, "new")
    ),
    "update": Operation(
        "PATCH",
        r"/images/[^/]+$",
        lambda it: it.client.images.update(it.queued, {"name": "new", "os_version": "2"}),
        lambda it: _names(it, "new"),
    ),
    "delete": Operation(
        "DELETE",
        r"/images/[^/]+$",
        lambda it: it.client.images.delete(it.queued),
        lambda it: it.is_gone(it.queued),
    ),
    "add a tag": Operation(
        "PUT",
        r"/tags/new$",
        lambda it: it.client.images.add_tag(it.queued, "new"),
        lambda it: _is(it, it.queued, lambda image: sorted(image.tags) == ["new", "old"]),
    ),
    "remove a tag": Operation(
        "DELETE",
        r"/tags/old$",
        lambda it: it.client.images.remove_tag(it.queued, "old"),
        lambda it: _is(it, it.queued, lambda image: not image.tags),
    ),
    "deactivate": Operation(
        "POST",
        r"/deactivate$",
        lambda it: it.client.images.deactivate(it.image),
        lambda it: _is(it, it.image, lambda image: image.status == "deactivated"),
    ),
    "reactivate": Operation(
        "POST",
        r"/reactivate$",
        lambda it: it.client.images.reactivate(it.deactivated),
        lambda it: _is(it, it.deactivated, lambda image: image.status == "active"),
    ),
    "share": Operation(
        "POST",
        r"/members$",
        lambda it: it.client.members.create(it.image, _consumer(it)),
        lambda it: _has_members(it, it.image, [_consumer(it)]),
    ),
    "answer a sharing": Operation("PUT", r"/members/", _answer, _member_status),
    "stop sharing": Operation(
        "DELETE",
        r"/members/",
        lambda it: it.client.members.delete(it.deactivated, _consumer(it)),
        lambda it: _has_members(it, it.deactivated, []),
    ),
    "import": Operation("POST", r"/import$", _imported, _has_no_more_than_one_import),
    "delete from a store": Operation(
        "DELETE",
        r"/stores/cheap/",
        lambda it: it.client.stores.delete("cheap", it.image),
        lambda it: _is(it, it.image, lambda image: image.stores == ("fast",)),
    ),
    "create a container": Operation(
        "PUT", r"/new$", lambda it: it.client.objects.create_container("new"), _has_container
    ),
    "delete a container": Operation(
        "DELETE", r"/empty$", lambda it: it.client.objects.delete_container("empty"), _lacks_container
    ),
    "copy an object": Operation(
        "PUT", r"/things/copy$", lambda it: it.client.objects.copy("things", "thing", "things", "copy"), _has_copy
    ),
    "delete an object": Operation(
        "DELETE", r"/things/thing$", lambda it: it.client.objects.delete("things", "thing"), _lacks_thing
    ),
}
# What a second request would do a second time.
ONCE = {
    "capture": Operation(
        "POST", r"/action$", lambda it: it.client.servers.create_image(it.server, name="captured"), _always
    ),
    "add a location": Operation(
        "POST",
        r"/locations$",
        lambda it: it.client.images.add_location(it.queued, it.world.site.put_file("disk.raw", b"data")),
        _always,
    ),
}


def _put_in(place: Place, operation: Operation, fault: str, times: int | None = 1) -> Fault:
    which: dict[str, Any] = {"method": operation.method, "path": operation.path, "times": times}
    faults = place.world.emulator.faults
    if fault.isdigit():
        return faults.status(int(fault), **which)
    return faults.drop_reply(**which) if fault == "drop_reply" else faults.drop(**which)


@pytest.mark.parametrize("fault", [*LOST, "408", "429"])
@pytest.mark.parametrize("name", SAFE)
async def test_what_is_sent_again(place: Place, name: str, fault: str) -> None:
    """What can be done twice, or is known when it is met again, is sent again: it succeeds, and is done once."""
    operation = SAFE[name]
    before = operation.requests(place)
    struck = _put_in(place, operation, fault)
    await operation.call(place)
    assert struck.hits == 1
    assert operation.requests(place) == before + 2
    assert await operation.is_done(place)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("name", ONCE)
async def test_what_is_sent_once(place: Place, name: str, fault: str) -> None:
    """What would be done twice is not sent again: nobody knows whether it was done, and the error says so."""
    operation = ONCE[name]
    struck = _put_in(place, operation, fault, times=None)
    with pytest.raises(AmbiguousOutcomeError) as raised:
        await operation.call(place)
    assert (struck.hits, raised.value.attempts) == (1, 1)


@pytest.mark.parametrize("name", ONCE)
async def test_what_was_not_looked_at(place: Place, name: str) -> None:
    """What the service has refused to look at is sent again, whatever it is."""
    operation = ONCE[name]
    before = operation.requests(place)
    _put_in(place, operation, "429")
    await operation.call(place)
    assert operation.requests(place) == before + 2


@pytest.mark.parametrize("name", [*SAFE, *ONCE])
async def test_what_is_final(place: Place, name: str) -> None:
    """What a service refuses for good is asked for once, and what comes of it is an error."""
    operation = {**SAFE, **ONCE}[name]
    for status in REFUSED:
        fault = _put_in(place, operation, str(status), times=None)
        with pytest.raises(AioImagesError) as raised:
            await operation.call(place)
        assert fault.hits == 1, status
        assert isinstance(raised.value, StatusError | AuthenticationError)
        place.world.emulator.faults.clear()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refused_sign_in(place: Place, status: int) -> None:
    """Credentials that are refused are shown once."""
    fault = _put_in(place, SAFE["sign in"], str(status), times=None)
    with pytest.raises(AuthenticationError) as raised:
        await _sign_in(place)
    assert (fault.hits, raised.value.attempts) == (1, 1)


async def test_data_that_are_in_this_store_only(place: Place) -> None:
    """A refusal to delete the last copy stays one, also where an answer was lost before it."""
    await place.client.stores.delete("cheap", place.image)
    fault = place.world.emulator.faults.drop(method="DELETE", path=r"/stores/fast/")
    with pytest.raises(ForbiddenError):
        await place.client.stores.delete("fast", place.image)
    assert fault.hits == 1
    assert (await place.image_now(place.image)).stores == ("fast",)
