"""The limit of time of a call, whatever it is that takes long: it is never exceeded by more than a moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from clouds import World
from servers import raw_server

from aioimages import (
    AioImagesError,
    AmbiguousOutcomeError,
    Attempt,
    Client,
    ConcurrencyPolicy,
    KeystonePassword,
    RateLimitedError,
    RetryPolicy,
    StaticToken,
    TimeoutPolicy,
    TransportTimeoutError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.dialects("openstack")]

SECONDS = 2.0
# A second more is for the machine.
AT_MOST = SECONDS + 1.0
LIMITED = TimeoutPolicy(call=SECONDS)


@asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """See that a block takes as long as a call may, and hardly longer."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start <= AT_MOST


def _head(length: int, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {length}", *headers)
    return "\r\n".join([*lines, "", ""]).encode()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_head(100_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


async def test_answer_that_trickles() -> None:
    """An answer that comes letter by letter is given up when the call's time is over."""
    async with raw_server(_trickle) as url, Client(StaticToken("token", f"{url}/v2"), timeout=LIMITED) as client:
        with pytest.raises(TransportTimeoutError, match="no answer within 2 s") as raised:
            async with in_time():
                await client.images.get("i-1")
        assert raised.value.attempts == 1


class SlowCloud:
    """Keystone and Glance that answer well, and each step of which takes its time."""

    def __init__(self, seconds: Callable[[str], float]) -> None:
        self.paths: list[str] = []
        self._seconds = seconds
        self._refusals = 1
        self.url = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests, one after the other."""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ": 0")
            await reader.readexactly(int(length.partition(":")[2]))
            self.paths.append(path)
            await asyncio.sleep(self._seconds(path))
            writer.write(self._answer(path))
            await writer.drain()

    def _answer(self, path: str) -> bytes:
        if path.endswith("/auth/tokens"):
            endpoint = {"interface": "public", "region": "R", "url": f"{self.url}/images"}
            body = orjson.dumps({"token": {"catalog": [{"type": "image", "endpoints": [endpoint]}]}})
            return _head(len(body), "201 Created", f"X-Subject-Token: token-{len(self.paths)}") + body
        if path == "/images/":
            body = orjson.dumps({"versions": [{"id": "v2.17", "status": "CURRENT"}]})
            return _head(len(body)) + body
        if self._refusals:
            self._refusals -= 1
            return _head(0, "401 Unauthorized")
        return _head(2) + b"{}"


def _slow_client(cloud: SlowCloud, url: str) -> Client:
    cloud.url = url
    credentials = KeystonePassword(f"{url}/v3", "user", "password", project_name="project")
    return Client(credentials, region="R", timeout=LIMITED)


@pytest.mark.parametrize("slow", ["/auth/tokens", "/images/", "/schemas/image"])
async def test_step_that_never_ends(slow: str) -> None:
    """The limit is that of the whole call: of the sign-in and of finding out where the service is, too."""
    cloud = SlowCloud(lambda path: 60.0 if path.endswith(slow) else 0.0)
    async with raw_server(cloud.talk) as url, _slow_client(cloud, url) as client:
        with pytest.raises(TransportTimeoutError, match="no answer within 2 s"):
            async with in_time():
                await client.schemas.image()


async def test_steps_that_take_too_long_together() -> None:
    """Steps of which each is in time do not add up to more than the call's time, a renewal of the token among them."""
    cloud = SlowCloud(lambda _: SECONDS * 0.3)
    async with raw_server(cloud.talk) as url, _slow_client(cloud, url) as client:
        with pytest.raises(TransportTimeoutError, match=r"no answer within 2 s \(GET schemas/image\)"):
            async with in_time():
                await client.schemas.image()
        assert [path.rpartition("/")[2] for path in cloud.paths] == ["tokens", "", "image", "tokens"]


async def test_sign_in_that_another_call_has_given_up() -> None:
    """Calls that wait for one sign-in end in time, each by itself, and the last one of them leaves it undone."""
    cloud = SlowCloud(lambda _: 60.0)
    async with raw_server(cloud.talk) as url, _slow_client(cloud, url) as client:
        async with in_time():
            errors = await asyncio.gather(*(client.images.get("i-1") for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in errors} == {TransportTimeoutError}


async def test_task_that_was_not_asked_for_in_time() -> None:
    """What was not sent when the time was over is no ambiguity."""
    cloud = SlowCloud(lambda _: 60.0)
    async with raw_server(cloud.talk) as url, _slow_client(cloud, url) as client:
        with pytest.raises(TransportTimeoutError) as raised:
            await client.servers.create_image("server", name="web")
        assert raised.value.attempts == 0


async def test_capture_that_is_not_answered_in_time(world: World) -> None:
    """What was sent and not answered when the time was over may have been done."""
    seen: list[Attempt] = []
    client = world.client(world.credentials(world.site.producer), timeout=LIMITED, on_attempt=seen.append)
    await client.schemas.image()
    world.emulator.faults.hang(method="POST", path="/action$")
    with pytest.raises(AmbiguousOutcomeError, match="no answer within 2 s") as raised:
        async with in_time():
            await client.servers.create_image("server", name="web")
    assert raised.value.attempts == 1
    assert isinstance(seen[-1].error, TransportTimeoutError)


async def test_crowd_before_a_service_that_hangs(world: World) -> None:
    """Calls that wait for their turn before a service that answers nobody end in time, too."""
    client = world.client(world.credentials(world.site.producer), timeout=LIMITED, concurrency=4)
    await client.schemas.image()
    world.emulator.faults.hang(path="/images/", times=None)
    async with in_time():
        errors = await asyncio.gather(*(client.images.get("i-1") for _ in range(100)), return_exceptions=True)
    assert {type(error) for error in errors} == {TransportTimeoutError}
    attempts = [error.attempts for error in errors if isinstance(error, AioImagesError)]
    assert set(attempts) == {0, 1}
    assert sum(attempts) < 50
    assert client._session._exchange._limiter.in_flight == 0


async def test_storm_of_retry_afters(world: World) -> None:
    """Calls to a service that only ever asks for more time end in time, whether they had a turn or wait for one."""
    client = world.client(
        world.credentials(world.site.producer), timeout=LIMITED, retry=RetryPolicy(attempts=100), concurrency=8
    )
    await client.schemas.image()
    fault = world.emulator.faults.status(503, headers={"Retry-After": "1"}, path="/images/", times=None)
    async with in_time():
        errors = await asyncio.gather(*(client.images.get("i-1") for _ in range(100)), return_exceptions=True)
    assert all(isinstance(error, AioImagesError) for error in errors)
    assert fault.hits < 40
    world.emulator.faults.clear()
    world.emulator.faults.status(429, headers={"Retry-After": "30"}, path="/schemas/", times=None)
    with pytest.raises(RateLimitedError):
        async with in_time():
            await client.schemas.image()


async def test_crowd_before_a_service_that_answers(world: World) -> None:
    """Calls wait for their turn for longer than a call may take, as long as the service answers those before them."""
    client = world.client(
        world.credentials(world.site.producer), timeout=TimeoutPolicy(call=1.0), concurrency=ConcurrencyPolicy(rate=20)
    )
    await client.schemas.image()
    start = time.monotonic()
    await asyncio.gather(*(client.schemas.image() for _ in range(60)))
    assert time.monotonic() - start > 2.0


async def test_slow_pace_of_the_user(world: World) -> None:
    """A pace that the user sets is no silence of the service's, however slow it is."""
    wire = await world.site.wire(world.site.producer)
    async with Client(
        StaticToken(wire.token, f"{wire.root}/v2"),
        timeout=TimeoutPolicy(call=0.5),
        concurrency=ConcurrencyPolicy(rate=1),
    ) as client:
        await asyncio.gather(*(client.schemas.image() for _ in range(3)))
