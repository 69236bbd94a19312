"""Faults 44 to 49: what goes wrong while images are made, changed and shared."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from aioimages import (
    AmbiguousOutcomeError,
    ConflictError,
    Image,
    ServerError,
    TransportError,
)
from faults.conftest import Stage

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")

CREATION: dict[str, Any] = {"method": "POST", "path": "/images$"}
# Carried out or not, answered or not.
TROUBLE: dict[str, Callable[..., Callable[..., object]]] = {
    "500 and nothing done": lambda faults: lambda **which: faults.status(500, **which),
    "500 and done": lambda faults: lambda **which: faults.change(status=500, **which),
    "no answer and nothing done": lambda faults: faults.drop,
    "no answer and done": lambda faults: faults.drop_reply,
}


@pytest.fixture(params=TROUBLE)
def trouble(request: pytest.FixtureRequest, stage: Stage) -> Callable[..., object]:
    """Give what puts in the fault, for the requests that it is told."""
    return TROUBLE[request.param](stage.faults)


async def names(stage: Stage) -> list[str | None]:
    """Return what the images are called."""
    return [image.name async for image in stage.world.producer.images.list()]


async def own_properties(stage: Stage, image: Image) -> Mapping[str, str]:
    """Return those properties of an image that a test has set."""
    found = await stage.world.producer.images.get(image.id)
    return {name: value for name, value in found.properties.items() if name.startswith("key_")}


@openstack
@pytest.mark.fault(44)
@pytest.mark.parametrize("is_chosen", [False, True])
@pytest.mark.parametrize("times", [1, 2])
async def test_creation(stage: Stage, trouble: Callable[..., object], times: int, *, is_chosen: bool) -> None:
    """The request is repeated with the same id, so that there is one image: a 409 says that it was made before."""
    chosen = str(uuid.uuid4()) if is_chosen else None
    trouble(times=times, **CREATION)
    image = await stage.client().images.create(
        id=chosen, name="once", tags=["a", "b"], properties={"key_a": "1"}, min_disk=3
    )
    assert image.id == (chosen or image.id)
    assert (image.name, set(image.tags), image.status) == ("once", {"a", "b"}, "queued")
    assert await names(stage) == ["once"]


@openstack
@pytest.mark.fault(44)
async def test_creation_that_stays_unanswered(stage: Stage) -> None:
    """A service that stays in trouble is that error, after as many tries as the policy allows."""
    stage.faults.status(500, times=None, **CREATION)
    with pytest.raises(ServerError):
        await stage.client().images.create(name="never")
    assert await names(stage) == []


async def _foreign(stage: Stage, how: str) -> str:
    """Return the id of an image that is not the producer's, or no more."""
    owner = stage.world.site.producer if how == "deleted" else stage.world.site.consumer
    visibility = {"community": "community"}.get(how, "private")
    image = await stage.world.make_image("once", owner=owner, visibility=visibility)
    if how == "deleted":
        await stage.world.producer.images.delete(image.id)
    return image.id


@openstack
@pytest.mark.fault(45)
@pytest.mark.parametrize("first", ["", *TROUBLE])
@pytest.mark.parametrize("how", ["private", "community", "deleted"])
async def test_foreign_id(stage: Stage, how: str, first: str) -> None:
    """Somebody else's image is never taken for one's own, however much alike: it is a `ConflictError`."""
    taken = await _foreign(stage, how)
    if first:
        TROUBLE[first](stage.faults)(**CREATION)
    else:
        stage.injected += 1
    with pytest.raises(ConflictError):
        await stage.client().images.create(
            id=taken, name="once", disk_format="raw", container_format="bare", visibility="private"
        )


@openstack
@pytest.mark.fault(45)
@pytest.mark.parametrize("first", ["500 and nothing done", "no answer and nothing done"])
async def test_own_older_image(stage: Stage, first: str) -> None:
    """One's own image of that id which is not as it was asked for may be an older one, and the error has it."""
    older = await stage.world.make_image("older")
    TROUBLE[first](stage.faults)(**CREATION)
    with pytest.raises(AmbiguousOutcomeError) as raised:
        await stage.client().images.create(id=older.id, name="newer")
    assert [candidate.id for candidate in raised.value.candidates] == [older.id]


@pytest.mark.fault(46)
@pytest.mark.parametrize("times", [1, 2])
async def test_removal(stage: Stage, trouble: Callable[..., object], times: int) -> None:
    """It is repeated, and the 409 of the repetition leads to a look at the image, which has the property no more."""
    image = await stage.world.make_image(properties={"key_a": "1", "key_b": "2"})
    trouble(times=times, method="PATCH")
    changed = await stage.client().images.update(image.id, {"name": "new", "tags": ["x"]}, remove=["key_a"])
    assert (changed.name, changed.tags) == ("new", ("x",))
    assert "key_a" not in changed.properties
    assert await own_properties(stage, image) == {"key_b": "2"}


@pytest.mark.fault(46)
async def test_addition(stage: Stage, trouble: Callable[..., object]) -> None:
    """So it is with properties that are added, which Rackspace refuses to do twice."""
    image = await stage.world.make_image(properties={"key_a": "1"})
    trouble(method="PATCH")
    changed = await stage.client().images.update(image.id, {"key_a": "2", "key_b": "3"})
    assert {"key_a": "2", "key_b": "3"}.items() <= changed.properties.items()
    assert await own_properties(stage, image) == {"key_a": "2", "key_b": "3"}


@pytest.mark.fault(46)
@pytest.mark.parametrize("first", ["500 and nothing done", "no answer and nothing done"])
async def test_removal_of_what_is_not_there(stage: Stage, first: str) -> None:
    """A refusal that an earlier try does not explain stays one."""
    image = await stage.world.make_image("old")
    TROUBLE[first](stage.faults)(method="PATCH")
    with pytest.raises(ConflictError):
        await stage.client().images.update(image.id, {"name": "new"}, remove=["key_missing"])
    assert await names(stage) == ["old"]


@pytest.mark.fault(46)
async def test_removal_that_stays_unanswered(stage: Stage) -> None:
    """What is never answered is that error, after as many tries as the policy allows."""
    image = await stage.world.make_image(properties={"key_a": "1"})
    stage.faults.drop(method="PATCH", times=None)
    with pytest.raises(TransportError):
        await stage.client().images.update(image.id, {}, remove=["key_a"])
    assert await own_properties(stage, image) == {"key_a": "1"}


@pytest.mark.fault(47)
async def test_eight_changes_at_once(stage: Stage) -> None:
    """One client makes the changes of an image one after the other, of every kind, and none is lost."""
    image, images = await stage.world.make_image(), stage.client().images
    stage.injected += 1
    await asyncio.gather(
        *(images.update(image.id, {f"key_{number}": "x"}) for number in range(8)),
        *(images.add_tag(image.id, f"tag{number}") for number in range(8)),
        images.patch(image.id, [{"op": "add", "path": "/key_patched", "value": "x"}]),
        images.add_tag(image.id, "grün"),
    )
    assert await own_properties(stage, image) == dict.fromkeys([*(f"key_{n}" for n in range(8)), "key_patched"], "x")
    assert {*(f"tag{number}" for number in range(8)), "grün"} == set(
        (await stage.world.producer.images.get(image.id)).tags
    )


@pytest.mark.fault(47)
async def test_eight_changes_at_once_and_lost_answers(stage: Stage) -> None:
    """So it is when answers are lost among them."""
    image, images = await stage.world.make_image(), stage.client().images
    stage.faults.drop_reply(method="PATCH", after=1, times=2)
    stage.faults.change(status=500, method="PATCH", after=2, times=2)
    await asyncio.gather(*(images.update(image.id, {f"key_{number}": "x"}) for number in range(8)))
    assert await own_properties(stage, image) == dict.fromkeys([f"key_{number}" for number in range(8)], "x")


class _Given:
    """A source that waits in its middle, when the service has begun to take it."""

    def __init__(self, stage: Stage, image: Image, status: str) -> None:
        self.is_half = asyncio.Event()
        self.may_end = asyncio.Event()
        self._stage, self._image, self._status = stage, image, status

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give some."""
        for _ in range(3):
            yield bytes(1_500_000)
        await self._stage.world.producer.images.wait(self._image.id, status=self._status, timeout=10)
        self.is_half.set()
        await self.may_end.wait()
        yield bytes(1_500_000)


UPLOADS: dict[str, tuple[str, str]] = {"upload": ("saving", "active"), "stage": ("uploading", "uploading")}


@openstack
@pytest.mark.fault(48)
@pytest.mark.parametrize("way", UPLOADS)
async def test_changes_during_an_upload(stage: Stage, way: str) -> None:
    """They wait until the upload is over, because the service would forget them then."""
    during, after = UPLOADS[way]
    image = await stage.world.make_image(properties={"key_a": "1"}, tags=["old"])
    images, given = stage.client().images, _Given(stage, image, during)
    uploading = asyncio.create_task(getattr(images, way)(image.id, given.pieces))
    await given.is_half.wait()
    stage.injected += 1
    changing = [
        asyncio.create_task(images.update(image.id, {"name": "new", "key_b": "2"}, remove=["key_a"])),
        asyncio.create_task(images.add_tag(image.id, "young")),
        asyncio.create_task(images.remove_tag(image.id, "old")),
    ]
    done, _ = await asyncio.wait(changing, timeout=0.3)
    assert not done
    given.may_end.set()
    await uploading
    await asyncio.gather(*changing)
    found = await stage.world.producer.images.get(image.id)
    assert (found.status, found.name, found.tags) == (after, "new", ("young",))
    assert await own_properties(stage, image) == {"key_b": "2"}


@openstack
@pytest.mark.fault(48)
async def test_changes_by_another_client_during_an_upload(stage: Stage) -> None:
    """Those of another client are lost, as the service has it: nothing tells of them."""
    image = await stage.world.make_image()
    images, given = stage.client().images, _Given(stage, image, "saving")
    uploading = asyncio.create_task(images.upload(image.id, given.pieces))
    await given.is_half.wait()
    changed = await stage.world.producer.images.update(image.id, {"key_a": "1"})
    assert changed.properties["key_a"] == "1"
    stage.injected += 1
    given.may_end.set()
    await uploading
    assert await own_properties(stage, image) == {}


@openstack
@pytest.mark.fault(48)
async def test_change_by_the_source_of_an_upload(stage: Stage) -> None:
    """A source that would wait for the end of its own upload is an error, and does not hang."""
    image, images = await stage.world.make_image(), stage.client().images

    async def marking() -> AsyncIterator[bytes]:
        yield bytes(1000)
        stage.injected += 1
        await images.update(image.id, {"key_a": "1"})

    with pytest.raises(RuntimeError, match=f"the source of an upload cannot change its own image {image.id}"):
        await images.upload(image.id, marking)
    assert (await images.update(image.id, {"key_a": "1"})).status == "queued"


@openstack
@pytest.mark.fault(48)
async def test_change_during_an_upload_that_is_cancelled(stage: Stage) -> None:
    """A change that waits is made when the upload is cancelled, too."""
    image = await stage.world.make_image()
    images, given = stage.client().images, _Given(stage, image, "saving")
    uploading = asyncio.create_task(images.upload(image.id, given.pieces))
    await given.is_half.wait()
    changing = asyncio.create_task(images.update(image.id, {"key_a": "1"}))
    stage.injected += uploading.cancel()
    await asyncio.wait([uploading])
    await changing
    await stage.world.producer.images.wait(image.id, status="queued", timeout=10)
    assert await own_properties(stage, image) == {"key_a": "1"}


@pytest.mark.fault(49)
@pytest.mark.parametrize("times", [1, 2])
async def test_sharing(stage: Stage, trouble: Callable[..., object], times: int) -> None:
    """It is repeated, and the 409 of the repetition leads to a look at the member, who is there once."""
    image, person = await stage.world.make_image(), stage.world.site.consumer.project_id
    trouble(times=times, method="POST", path="/members$")
    member = await stage.client().members.create(image.id, person)
    assert (member.member_id, member.status) == (person, "pending")
    assert [one.member_id async for one in stage.world.producer.members.list(image.id)] == [person]


@pytest.mark.fault(49)
async def test_sharing_twice(stage: Stage) -> None:
    """The 409 of a first request is an error: the image was shared before."""
    image, person = await stage.world.make_image(), stage.world.site.consumer.project_id
    await stage.world.share(image)
    stage.injected += 1
    with pytest.raises(ConflictError):
        await stage.client().members.create(image.id, person)
