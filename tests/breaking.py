"""A TCP proxy that breaks off, stalls, cuts short and refuses what passes through it."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Break", "BreakingProxy", "breaking_proxy", "refusal"]

_IMAGE_DATA = r"(GET|PUT) \S+/(file|stage)[ ?]"
_RANGE = re.compile(rb"(?i)\r\nRange: [^\r]*")
_PIECE_BYTES = 65536
_STALL_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Break:
    """What goes wrong with one request for image data.

    Attributes:
        answer: What is answered at once in place of passing it on.
        asks: Another `Range` than the one that is asked for, or an empty one for none.
        up: After how many bytes to the server it breaks.
        down: After how many bytes from the server it breaks.
        how: `cut` (reset), `end` (closed as if that were all) or `stall` (silent for longer than tests wait, then cut).
    """

    answer: bytes | None = None
    asks: str | None = None
    up: float = float("inf")
    down: float = float("inf")
    how: str = "cut"


def refusal(status: int, *headers: str) -> Break:
    """Return an answer of the server's that refuses."""
    head = [f"HTTP/1.1 {status} Refused", "Content-Length: 0", "Connection: close", *headers]
    return Break(answer="\r\n".join([*head, "", ""]).encode())


class BreakingProxy:
    """Passes connections on to a server, and breaks requests for image data, each in the way that is next.

    Attributes:
        endpoint: The server's URL through it, once it is served.
        data_request: How the requests that break begin.
        received_bytes: How many bytes of the server's were passed on.
        requests: How many requests for image data there were.
        broken: Set when something broke.
    """

    def __init__(self, target: str, data: str) -> None:
        self.data_request = re.compile(data.encode())
        self.endpoint = ""
        self.received_bytes = 0
        self.requests = 0
        self.broken = asyncio.Event()
        self._breaks: deque[Break] = deque()
        self._parts = urlsplit(target)
        self._talks: set[asyncio.Task[None]] = set()

    def served_at(self, port: int) -> str:
        """Note the port that it is served at, and return what the target's URL is through it."""
        self.endpoint = urlunsplit(self._parts._replace(netloc=f"127.0.0.1:{port}"))
        return self.endpoint

    def plan(self, breaks: Sequence[Break]) -> None:
        """Say how the next requests for image data go; those after them go well."""
        self._breaks = deque(breaks)

    @property
    def left(self) -> int:
        """How many breaks have not happened."""
        return len(self._breaks)

    def drop_all(self) -> None:
        """Cut all connections."""
        for talk in self._talks:
            talk.cancel()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        there_reader, there_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        connection = _Connection(self, writer, there_writer)
        ways = [
            asyncio.ensure_future(connection.pass_up(reader)),
            asyncio.ensure_future(connection.pass_down(there_reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there_writer.transport.abort()
            writer.close()
            self._talks.discard(task)

    def next_break(self) -> Break:
        """Return how the request that begins now goes."""
        self.requests += 1
        return self._breaks.popleft() if self._breaks else Break()


class _Connection:
    def __init__(self, proxy: BreakingProxy, here: asyncio.StreamWriter, there: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._here = here
        self._there = there
        self._break = Break()
        self._up_bytes = self._down_bytes = 0

    async def pass_up(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            if self._proxy.data_request.match(piece):
                self._break = self._proxy.next_break()
                self._up_bytes = self._down_bytes = 0
            if self._break.answer is not None:
                self._here.write(self._break.answer)
                await self._here.drain()
                self._proxy.broken.set()
                return None
            if self._break.asks is not None:
                piece = _RANGE.sub(self._break.asks.encode(), piece)
            self._up_bytes += len(piece)
            if self._up_bytes > self._break.up:
                return await self._give_up()
            self._there.write(piece)
            await self._there.drain()
        return None

    async def pass_down(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(_PIECE_BYTES):
            left = self._break.down - self._down_bytes
            passed = piece if left > len(piece) else piece[: int(left)]
            self._down_bytes += len(passed)
            self._proxy.received_bytes += len(passed)
            self._here.write(passed)
            await self._here.drain()
            if len(passed) < len(piece):
                return await self._give_up()
        return None

    async def _give_up(self) -> None:
        self._proxy.broken.set()
        if self._break.how == "stall":
            await asyncio.sleep(_STALL_SECONDS)
        if self._break.how != "end":
            self._here.transport.abort()


@asynccontextmanager
async def breaking_proxy(target: str, data: str = _IMAGE_DATA) -> AsyncIterator[tuple[BreakingProxy, str]]:
    """Serve a proxy in front of a server, and give it and the server's URL through it."""
    proxy = BreakingProxy(target, data)
    server = await asyncio.start_server(proxy.talk, "127.0.0.1", 0)
    try:
        yield proxy, proxy.served_at(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        proxy.drop_all()
        await server.wait_closed()
