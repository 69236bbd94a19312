"""Faults 73 and 77: connections that are all taken, and an event loop that stands still."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import aiohttp
import anyio.to_thread
import pytest
import uvloop

from aioimages import Client, PoolTimeoutError, RetryPolicy, StaticToken, TimeoutPolicy
from faults.conftest import Stage

pytestmark = pytest.mark.anyio

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
# They differ in what they do first after a standstill.
LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]

DATA = bytes(range(256)) * 1000
STILL_SECONDS = 2.0


@pytest.fixture(scope="module", autouse=True)
def _opened() -> None:
    """Let uvloop open what it keeps open as long as the program runs."""
    uvloop.run(asyncio.sleep(0))


def narrow(stage: Stage, session: aiohttp.ClientSession, **options: Any) -> Client:
    """Make a client that has the connections of another session, and soon has enough of waiting for one."""
    settings: dict[str, Any] = {"timeout": TimeoutPolicy(connect=0.5, read=10.0, call=10.0), **options}
    return stage.client(session=session, **settings)


def one_connection() -> aiohttp.ClientSession:
    """Make a session that has one connection only."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))


@pytest.mark.fault(73)
async def test_slow_peer(stage: Stage) -> None:
    """The error says that no connection was free, after the time for connecting; nothing was sent."""
    image = await stage.world.make_image()
    async with one_connection() as session:
        client = narrow(stage, session, retry=RetryPolicy(attempts=1))
        await client.images.get(image.id)
        slow = stage.faults.hang(path="/schemas/image$")
        waiting = asyncio.ensure_future(client.schemas.image())
        while not slow.hits:  # noqa: ASYNC110  # a fault sets no event
            await asyncio.sleep(0.01)
        begun_at = time.monotonic()
        with pytest.raises(PoolTimeoutError, match="no connection of the pool became free in time"):
            await client.schemas.member()
        assert 0.4 < time.monotonic() - begun_at < 5
        assert stage.proxy.to("/schemas/member") == []
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await client.images.get(image.id)).id == image.id


@pytest.mark.fault(73)
async def test_many_at_once(stage: Stage) -> None:
    """Calls that each get their turn in time all succeed, one after the other."""
    image = await stage.world.make_image()
    stage.faults.delay_reply(0.1, path=f"/{image.id}$")
    async with one_connection() as session:
        client = narrow(stage, session, timeout=TimeoutPolicy(connect=10.0))
        found = await asyncio.gather(*(client.images.get(image.id) for _ in range(20)))
    assert {one.id for one in found} == {image.id}


@pytest.mark.fault(73)
@pytest.mark.dialects("openstack")
async def test_call_within_an_upload(stage: Stage) -> None:
    """A call in the middle of an upload that has the only connection is an error in time, not a deadlock."""
    image = await stage.world.make_image()
    async with one_connection() as session:
        client = narrow(stage, session, retry=RetryPolicy(attempts=2, base=0.01))

        async def asking() -> AsyncIterator[bytes]:
            yield DATA
            stage.injected += 1
            await client.images.get(image.id)
            yield DATA

        with pytest.raises(PoolTimeoutError):
            await client.images.upload(image.id, asking)
        stored = await client.images.wait(image.id, status="queued", timeout=10)
        assert stored.size is None
        assert (await client.images.upload(image.id, DATA)).size == len(DATA)


class _Elsewhere(ThreadingHTTPServer):
    """A server in threads of its own: it answers while the loop of the test stands still."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.was_asked = threading.Event()
        self.stands_still = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Elsewhere

    def do_GET(self) -> None:
        """Begin an answer, and send the rest when the client's loop stands still."""
        self.server.paths.append(self.path)
        is_data = self.path.endswith("/file")
        answer = DATA if is_data else b'{"name": "image", "id": "x", "status": "active", "size": %d}' % len(DATA)
        at = len(DATA) // 2 if is_data else 0
        if is_data:
            self._begin(answer, at)
        if is_data or "/schemas/" in self.path:
            self.server.was_asked.set()
            self.server.stands_still.wait(20)
        if not is_data:
            self._begin(answer, at)
        self.wfile.write(answer[at:])

    def _begin(self, answer: bytes, at: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[:at])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def elsewhere() -> Iterator[_Elsewhere]:
    """Serve from threads of one's own."""
    with _Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.stands_still.set()
            server.shutdown()
            thread.join()


async def stand_still(server: _Elsewhere) -> None:
    """Let the loop stand still once the server has been asked, while it answers."""
    assert await anyio.to_thread.run_sync(server.was_asked.wait, 20)
    server.stands_still.set()
    time.sleep(STILL_SECONDS)  # noqa: ASYNC251  # that is the fault


async def run_elsewhere(loop: LoopFactory, ask: Callable[[Client], Awaitable[T]]) -> tuple[T, list[str]]:
    """Ask something in a loop of its own that stands still, and return what came of it and what was asked for.

    Every limit of the client that asks is shorter than the standstill.
    """

    async def standing_still(server: _Elsewhere) -> T:
        async with Client(
            StaticToken("a-token", f"http://127.0.0.1:{server.server_port}/v2"),
            timeout=TimeoutPolicy(connect=1.0, read=1.0, call=1.5),
            retry=RetryPolicy(base=0.0),
        ) as client:
            asking = asyncio.ensure_future(ask(client))
            await stand_still(server)
            return await asking

    def run() -> tuple[T, list[str]]:
        with elsewhere() as server, asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(standing_still(server)), server.paths

    return await anyio.to_thread.run_sync(run)


@pytest.mark.fault(77)
@pytest.mark.dialects("openstack")
@pytest.mark.parametrize("loop", LOOPS)
async def test_answer_that_came_meanwhile(stage: Stage, loop: LoopFactory) -> None:
    """An answer that came while the loop stood still is taken, however long ago its time was over."""

    async def ask(client: Client) -> object:
        return (await client.schemas.image())["name"]

    stage.injected += 1
    assert await run_elsewhere(loop, ask) == ("image", ["/v2/schemas/image"])


@pytest.mark.fault(77)
@pytest.mark.dialects("openstack")
@pytest.mark.parametrize("loop", LOOPS)
async def test_data_that_came_meanwhile(stage: Stage, loop: LoopFactory) -> None:
    """Data that came while the loop stood still are taken, and nothing is asked for twice."""

    async def ask(client: Client) -> bytes:
        async with client.images.download("x") as stream:
            return b"".join([piece async for piece in stream])

    stage.injected += 1
    assert await run_elsewhere(loop, ask) == (DATA, ["/v2/images/x", "/v2/images/x/file"])
