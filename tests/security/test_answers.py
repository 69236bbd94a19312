"""Answers that would fill the memory, the stack or the log."""

import asyncio
import gzip
import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from servers import answering, raw_server

from aioimages import (
    BadRequestError,
    Client,
    DecodeError,
    ImportRequest,
    ProtocolError,
    RetryPolicy,
    StaticToken,
    StatusError,
    TaskFailedError,
)
from security.canary import answer

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)


def _nested(levels: int) -> Any:
    found: Any = "in the middle"
    for level in range(levels):
        found = [found] if level % 2 else {"a": found}
    return found


PLACES: dict[str, tuple[str, Any]] = {
    "images.get": ("/images/x$", lambda deep: {"id": "x", "status": "active", "odd": deep}),
    "images.list": ("/images$", lambda deep: {"images": [{"id": "x", "status": "active", "odd": deep}]}),
    "images.locations": ("/locations$", lambda deep: [{"url": "http://x", "metadata": {"odd": deep}}]),
    "tasks.get": ("/tasks/x$", lambda deep: {"id": "x", "status": "success", "result": {"odd": deep}}),
    "tasks.list": ("/tasks$", lambda deep: {"tasks": [{"id": "x", "status": "success", "input": {"odd": deep}}]}),
    "schemas.image": ("/schemas/image$", lambda deep: {"properties": deep}),
}


async def _ask(client: Client, place: str) -> object:
    match place:
        case "images.get":
            return (await client.images.get("x")).properties
        case "images.list":
            return await client.images.list().collect()
        case "images.locations":
            return await client.images.locations("x")
        case "tasks.get":
            return await client.tasks.get("x")
        case "tasks.list":
            return await client.tasks.list().collect()
        case _:
            return await client.schemas.image()


@pytest.mark.clouds("emulator-openstack")
@pytest.mark.parametrize("place", PLACES)
async def test_depth(world: World, place: str) -> None:
    """What is nested in more than 64 levels is a `DecodeError`; what is not can be shown, compared and pickled."""
    path, document = PLACES[place]
    client = world.client(world.credentials(world.site.producer), retry=ONCE)
    for levels in (66, 200, 900):
        body = json.dumps(document(_nested(levels))).encode()
        world.emulator.faults.body(body, path=path, content_type="application/json", times=2)
        with pytest.raises(DecodeError, match="nested deeper than 64 levels"):
            await _ask(client, place)
        world.emulator.faults.clear()
    world.emulator.faults.body(json.dumps(document(_nested(50))).encode(), path=path, content_type="application/json")
    found = await _ask(client, place)
    assert repr(found)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.clouds("emulator-openstack")
async def test_depth_in_journals(world: World, tmp_path: Path) -> None:
    """A task whose result is beyond measure fails by itself, and the run goes on."""
    deep = {"id": "x", "type": "import", "status": "success", "result": _nested(900)}
    task = json.dumps(deep).encode()
    world.emulator.faults.body(task, status=201, method="POST", path="/tasks$", content_type="application/json")
    requests = [ImportRequest(world.import_source(), f"web-{number}") for number in range(3)]
    async with world.admin.bulk.import_images(requests, journal=tmp_path / "run.db", lost_after=0.1) as outcomes:
        found = [outcome async for outcome in outcomes]
    assert len(found) == 3
    assert sum(outcome.ok for outcome in found) >= 2


BOMB = gzip.compress(bytes(300 * 2**20), 9)


def _served(kind: str) -> bytes:
    return {
        "bomb": answer(200, BOMB, "Content-Encoding: gzip"),
        "bomb that is a refusal": answer(500, BOMB, "Content-Encoding: gzip"),
        "bomb in a bomb": answer(200, gzip.compress(BOMB, 9), "Content-Encoding: gzip, gzip"),
        "bomb by transfer": answer(200, BOMB, "Transfer-Encoding: gzip"),
        "half": answer(200, BOMB[: len(BOMB) // 2], "Content-Encoding: gzip"),
        "headers": b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 200_000,
        "long header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000_000,
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}",
    }[kind]


MEASURED = """
import asyncio, resource, sys
from aioimages import AioImagesError, Client, RetryPolicy, StaticToken

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main(url):
    async with Client(StaticToken("a-token", "http://127.0.0.1:1/v2"), retry=RetryPolicy(attempts=1)) as client:
        try:
            await client.images.get("x")
        except AioImagesError:
            pass
    before = peak()
    async with Client(StaticToken("a-token", url), retry=RetryPolicy(attempts=1)) as client:
        for ask in (client.images.get("x"), client.images.list().collect(), client.images.download("x", "/dev/null/x")):
            try:
                await ask
            except (AioImagesError, OSError) as error:
                print(type(error).__name__, peak() - before)

asyncio.run(main(sys.argv[1]))
"""


KINDS = ["bomb", "bomb that is a refusal", "bomb in a bomb", "bomb by transfer", "half"]
KINDS += ["headers", "long header", "length"]


@pytest.mark.parametrize("kind", KINDS)
async def test_memory(kind: str) -> None:
    """An answer that would unpack to 300 MB, or that never ends its head, is an error and takes at most 32 MiB."""
    async with raw_server(answering(_served(kind))) as url:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEASURED, f"{url}/v2", stdout=subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(program.communicate(), 120)
    lines = said.decode().split("\n")[:-1]
    assert len(lines) == 3
    for line in lines:
        name, kilobytes = line.split()
        assert name in {"ProtocolError", "TransportError", "DecodeError"}
        assert int(kilobytes) <= 32 * 1024, line


# What errors quote.


PAGES = {
    "HTML": (
        f"<html><head><style>{'x' * 500}</style></head><body><h1>No</h1><p>{'why ' * 500}</p></body></html>",
        "why why",
    ),
    "JSON": (json.dumps({"badRequest": {"message": "why " * 500}}), "why why"),
    "JSON of 10 MB": (json.dumps({"message": "why " * 2_500_000}), "why why"),
    "scripts": ("<html>" + "<script>" * 400_000, None),
    "tags": ("<html>" + "<h1" * 400_000, None),
    "comments": ("<html>" + "<!--" * 400_000, None),
    "controls": ("no\x1b[31m\x1b]0;evil\x07 way\r\nGET /evil\x00\x85\u202e\u2066\u200bend", "no"),
    "entities": ("<html><p>&#27;[31m&#x202e;&#0;no</p></html>", "no"),
}


@pytest.mark.parametrize("page", PAGES)
async def test_error_bodies(page: str) -> None:
    """An error quotes at most 200 printable characters of what the service says, on one line, without markup."""
    text, words = PAGES[page]
    async with (
        raw_server(answering(answer(400, text.encode()))) as url,
        Client(StaticToken("a-secret-token", f"{url}/v2"), retry=ONCE) as client,
    ):
        with pytest.raises(BadRequestError) as raised:
            await client.images.get("x")
    error = raised.value
    assert len(error.detail) <= 200
    assert len(str(error)) <= 300
    assert str(error).isprintable()
    assert "<" not in error.detail or words is None
    assert words is None or words in error.detail


@pytest.mark.clouds("emulator")
async def test_messages_of_tasks(world: World) -> None:
    """So does the error of a failed task; its facts have all of it."""
    message = "no\x1b[2J\u202e way\r\n" + "because " * 10_000
    world.emulator.script_task(status="failure", message=message)
    task = await world.import_disk()
    with pytest.raises(TaskFailedError) as raised:
        await world.importer.tasks.wait(task.id)
    assert len(str(raised.value)) <= 400
    assert str(raised.value).isprintable()
    assert raised.value.task is not None
    assert raised.value.task.message == message


async def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """What a server says adds no line to a log."""
    caplog.set_level(logging.DEBUG)
    said = answer(404, json.dumps({"message": "gone\r\nroot logged in"}).encode(), "X-OpenStack-Request-ID: req-1")
    async with (
        raw_server(answering(said)) as url,
        Client(StaticToken("a-secret-token", f"{url}/v2"), retry=ONCE) as client,
    ):
        with pytest.raises(StatusError) as raised:
            await client.images.get("x")
        logging.getLogger("mine").error("it failed: %s", raised.value)
    assert not any("\n" in record.getMessage() for record in caplog.records if record.name in {"mine", "aioimages"})
    assert isinstance(ProtocolError("a\nb").args[0], str)
    assert "\n" not in str(ProtocolError("a\nb"))
