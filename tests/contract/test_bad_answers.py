"""Bad answers: understood where the meaning is clear, otherwise an error that says where; the client goes on."""

import json
from typing import Any

import pytest
from clouds import World

from aioimages import (
    DecodeError,
    Image,
    ProtocolError,
    RetryPolicy,
    ServerError,
    TransportError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

IMAGE = {"id": "i-1", "name": "web", "status": "active", "size": 5, "tags": ["a"]}


async def _told(world: World, answer: Any, **how: Any) -> Image:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    world.emulator.faults.body(body, path="/images/i-1$", **{"content_type": "application/json", "times": 2, **how})
    return await world.producer.images.get("i-1")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "the body is empty"),
        (b"   ", "the body is empty"),
        (b'{"id": "i-1", "na', "not JSON"),
        (b"<html><body>Welcome to the hotel's network</body></html>", "not JSON"),
        (b'{"id": "\xff\xfe"}', "not JSON"),
        ([IMAGE], r"dict expected, not list at \$"),
        ("image", r"dict expected, not str at \$"),
        ({**IMAGE, "size": "5"}, r"int expected, not str at \$\.size"),
        ({**IMAGE, "size": True}, r"int expected, not bool at \$\.size"),
        ({**IMAGE, "protected": "false"}, r"bool expected, not str at \$\.protected"),
        ({**IMAGE, "name": 5}, r"str expected, not int at \$\.name"),
        ({**IMAGE, "tags": ["a", 5]}, r"str expected, not int at \$\.tags"),
        ({**IMAGE, "created_at": "yesterday"}, r"created_at"),
        ({**IMAGE, "status": None}, r"\$\.status"),
        ({"name": "web", "status": "active"}, r"required key 'id' is missing at \$"),
    ],
    ids=str,
)
async def test_what_is_not_understood(world: World, answer: Any, words: str) -> None:
    """An answer that is not understood is a `DecodeError` that says what and where, and the client goes on."""
    with pytest.raises(DecodeError, match=words):
        await _told(world, answer)
    assert await world.producer.schemas.image()


@pytest.mark.parametrize("position", [0, 3])
async def test_place_in_a_listing(world: World, position: int) -> None:
    """An error in a listing says which item it is in."""
    images: list[dict[str, Any]] = [{**IMAGE, "id": f"i-{number}"} for number in range(5)]
    images[position]["size"] = "five"
    world.emulator.faults.body(json.dumps({"images": images}).encode(), path="/images$")
    with pytest.raises(DecodeError, match=rf"\$\.images\[{position}\]\.size"):
        await world.producer.images.list().collect()
    assert await world.producer.images.list().collect() == []


@pytest.mark.parametrize("answer", [{}, {"images": None}, {"images": {}}, {"pictures": []}], ids=str)
async def test_listing_without_its_list(world: World, answer: Any) -> None:
    """A listing that has no list where it should is not an empty one."""
    world.emulator.faults.body(json.dumps(answer).encode(), path="/images$", times=2)
    with pytest.raises(DecodeError, match=r"images"):
        await world.producer.images.list().collect()


async def test_nulls_and_strangers(world: World) -> None:
    """A null stands for what is not known, unknown keys are properties, and unknown statuses are kept."""
    nulls = {"tags": None, "protected": None, "size": None, "created_at": None, "os_hidden": None, "name": None}
    image = await _told(world, {**IMAGE, **nulls, "status": "hibernating", "colour": {"deep": [1]}, "empty": None})
    assert (
        image.tags,
        image.protected,
        image.size,
        image.created_at,
        image.hidden,
        image.name,
    ) == ((), False, None, None, False, None)
    assert image.status == "hibernating"
    assert image.properties == {"colour": {"deep": [1]}, "empty": None}


async def test_fields_that_are_missing(world: World) -> None:
    """An id and a status make an image."""
    image = await _told(world, {"id": "i-1", "status": "queued"})
    assert (image.id, image.status, image.size, image.tags) == ("i-1", "queued", None, ())


async def test_status_that_is_no_answer(world: World) -> None:
    """A status between success and refusal that the API does not have is an error."""
    with pytest.raises(ProtocolError, match="202 is no answer to GET"):
        await _told(world, IMAGE, status=202)


@pytest.mark.parametrize(("link", "kind"), [("/v2/images?limit=1", ProtocolError), (5, DecodeError)])
async def test_next_page_without_a_marker(world: World, link: object, kind: type[Exception]) -> None:
    """A next page that cannot be asked for is an error, not an end: items would be lost in silence."""
    world.emulator.faults.body(json.dumps({"images": [IMAGE], "next": link}).encode(), path="/images$", times=2)
    with pytest.raises(kind, match="next"):
        await world.producer.images.list().collect()


@pytest.mark.parametrize("link", [None, ""])
async def test_no_next_page(world: World, link: object) -> None:
    """A null or empty `next` is none."""
    world.emulator.faults.body(json.dumps({"images": [IMAGE], "next": link}).encode(), path="/images$")
    assert [image.id async for image in world.producer.images.list()] == ["i-1"]


async def test_two_thousand_pages(world: World) -> None:
    """A listing of thousands of pages neither recurses nor keeps them."""
    for number in range(2000):
        last = number == 1999
        answer = {
            "images": [{**IMAGE, "id": f"i-{number}"}],
            "next": None if last else f"/v2/images?marker=m{number}",
        }
        world.emulator.faults.body(json.dumps(answer).encode(), path="/images$")
    count = 0
    async for _ in world.producer.images.list():
        count += 1
    assert count == 2000


async def test_huge_answer(world: World) -> None:
    """An answer beyond all measure is not read to its end."""
    with pytest.raises(ProtocolError, match="larger than"):
        await _told(world, b" " * (65 * 2**20))


async def test_truncated_answer(world: World) -> None:
    """An answer that was cut off is asked for again; for ever cut off, it is an error and never half an image."""
    image = await world.make_image("web")
    fault = world.emulator.faults.truncate(20, path="/images/", times=1)
    assert image == await world.producer.images.get(image.id)
    assert fault.hits == 1
    once = world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=1))
    world.emulator.faults.truncate(20, path="/images/", times=1)
    with pytest.raises(TransportError):
        await once.images.get(image.id)


async def test_error_page(world: World) -> None:
    """A proxy's page comes down to its sentence, without markup, and the client goes on."""
    page = b"<html><head><title>502</title></head><body><h1>Bad Gateway</h1><p>The backend sleeps.</p></body></html>"
    once = world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=1))
    world.emulator.faults.body(page, status=502, path="/i-1$")
    with pytest.raises(ServerError, match=r"^502 The backend sleeps\. \(GET /") as raised:
        await once.images.get("i-1")
    assert "<" not in str(raised.value)
    assert await once.schemas.image()


async def test_task_with_a_message_of_none(world: World) -> None:
    """The word "None" and the empty message are no message."""
    for message in ("None", "", None):
        task = {"id": "t-1", "status": "success", "type": "import", "message": message, "result": {"image_id": "i-9"}}
        world.emulator.faults.body(json.dumps(task).encode(), path="/tasks/t-1$")
        found = await world.importer.tasks.get("t-1")
        assert (found.message, found.image_id) == (None, "i-9")
