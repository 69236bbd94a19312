"""A proxy in front of all services of a cloud that passes requests on, or does something wrong with them."""

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from aioimages.emulator.faults import Fault, Faults

__all__ = ["FaultProxy", "NetworkFaults", "Recorded", "fault_proxy"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What belongs to one connection.
_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "server", "date"}
_NOBODY_LISTENS = 500
# What was written comes first.
_BEFORE_RESET_SECONDS = 0.05
# A client in the same loop has done all it can by then.
_TURNS = 20


@dataclass(frozen=True)
class Recorded:
    """One request that came, and when, on the monotonic clock."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    at: float = field(default_factory=time.monotonic)


def reset(request: web.Request) -> None:
    """Reset the connection of a request: the other side learns of it at once."""
    transport = request.transport
    if transport is not None:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


async def _end(request: web.Request, how: str) -> web.StreamResponse:
    """End an answer that has begun."""
    if how == "stall":
        await asyncio.Event().wait()
    if how == "reset":
        await _read_by_client(request)
        reset(request)
    elif request.transport is not None:
        request.transport.close()
    return web.Response(status=_NOBODY_LISTENS)


async def _read_by_client(request: web.Request) -> None:
    """Wait until a client in this loop has read what was written: a reset throws away what is on its way."""
    transport = request.transport
    while transport is not None and not transport.is_closing() and _unread(transport):  # noqa: ASYNC110  # sets no event
        await asyncio.sleep(0.005)
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _unread(transport: asyncio.Transport) -> int:
    """Return how many bytes have not reached the client's system."""
    number = transport.get_extra_info("socket").fileno()
    (sent,) = struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, b"\0" * 4))
    return transport.get_write_buffer_size() + int(sent)


async def _write(request: web.Request, data: bytes) -> None:
    if request.transport is not None:
        request.transport.write(data)
        await asyncio.sleep(0)


def _body(reply: web.StreamResponse) -> bytes:
    return reply.body if isinstance(reply, web.Response) and isinstance(reply.body, bytes) else b""


def _head(reply: web.StreamResponse, framing: str, length: int) -> bytes:
    framed = {
        "length": f"Content-Length: {length}",
        "chunked": "Transfer-Encoding: chunked",
        "close": "Connection: close",
    }
    lines = [f"HTTP/1.1 {reply.status} {reply.reason}", framed[framing]]
    lines += [f"{name}: {value}" for name, value in reply.headers.items() if name.lower() not in _PER_HOP]
    return "\r\n".join([*lines, "", ""]).encode()


class NetworkFaults(Faults):
    """The faults of the embedded cloud, and what goes wrong between a cloud and its client.

    Attributes:
        all: Every fault that was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Fault] = []

    def _add(self, strike: Callable[..., Awaitable[web.StreamResponse]], which: Mapping[str, object]) -> Fault:
        fault = super()._add(strike, which)
        self.all.append(fault)
        return fault

    def cut(self, after: int, *, how: str = "reset", framing: str = "length", **which: object) -> Fault:
        """Break an answer off after so many bytes of its body.

        Args:
            after: How many bytes come.
            how: `reset`, `close`, or `stall`: nothing comes any more, and the connection stays.
            framing: How the answer says where it ends: by its `length`, `chunked`, or with its connection (`close`).
            which: Which requests it strikes.
        """

        async def strike(request: web.Request, forward: Handler) -> web.StreamResponse:
            reply = await forward(request)
            body = _body(reply)
            piece = body[:after]
            if framing == "chunked":
                piece = f"{len(body):x}\r\n".encode() + piece + b"\r\n" * (after >= len(body))
            await _write(request, _head(reply, framing, len(body)) + piece)
            return await _end(request, how)

        return self._add(strike, which)

    def trickle(self, size: int, pause: float, **which: object) -> Fault:
        """Send an answer's body a few bytes at a time."""

        async def strike(request: web.Request, forward: Handler) -> web.StreamResponse:
            reply = await forward(request)
            body = _body(reply)
            await _write(request, _head(reply, "length", len(body)))
            for start in range(0, len(body), size):
                if request.transport is None or request.transport.is_closing():
                    break
                await _write(request, body[start : start + size])
                await asyncio.sleep(pause)
            return await _end(request, "close")

        return self._add(strike, which)

    def change(
        self,
        *,
        body: Callable[[bytes], bytes] | None = None,
        status: int | None = None,
        headers: Mapping[str, str | None] | None = None,
        **which: object,
    ) -> Fault:
        """Do what was asked, and give another answer; a header that is `None` is left out."""

        async def strike(request: web.Request, forward: Handler) -> web.StreamResponse:
            reply = await forward(request)
            changed = {name: value for name, value in reply.headers.items() if name.lower() not in _PER_HOP}
            data = body(_body(reply)) if body else _body(reply)
            changed |= {name: value for name, value in (headers or {}).items() if value is not None}
            for name in (name for name, value in (headers or {}).items() if value is None):
                changed.pop(name, None)
            return web.Response(status=status or reply.status, body=data, headers=changed)

        return self._add(strike, which)

    def hold(self, until: asyncio.Event, **which: object) -> Fault:
        """Do what was asked at once, and answer when the test says so."""

        async def strike(request: web.Request, forward: Handler) -> web.StreamResponse:
            reply = await forward(request)
            await until.wait()
            return reply

        return self._add(strike, which)

    def raw(self, answer: bytes, *, how: str = "close", **which: object) -> Fault:
        """Answer with these very bytes, without asking the cloud, and end the connection."""

        async def strike(request: web.Request, _: Handler) -> web.StreamResponse:
            await request.read()
            await _write(request, answer)
            return await _end(request, how)

        return self._add(strike, which)

    def refuse_upload(
        self, after: int, status: int, *, headers: Mapping[str, str] | None = None, how: str = "close", **which: object
    ) -> Fault:
        """Refuse a request when so many bytes of its body have come, and end the connection with the rest unread."""

        async def strike(request: web.Request, _: Handler) -> web.StreamResponse:
            await _read_up_to(request, after)
            lines = [f"HTTP/1.1 {status} Refused", "Content-Length: 0", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            await _write(request, "\r\n".join([*lines, "", ""]).encode())
            return await _end(request, how)

        return self._add(strike, which)

    def spoil_upload(self, at: int, **which: object) -> Fault:
        """Pass a request on with another byte in its body, at some place."""

        async def strike(request: web.Request, forward: _Forward) -> web.StreamResponse:
            async def spoilt() -> AsyncIterator[bytes]:
                begun = bytearray(await _read_up_to(request, at + 1))
                begun[at] ^= 1
                yield bytes(begun)
                async for piece in request.content.iter_any():
                    yield piece

            return await forward(request, spoilt())

        return self._add(strike, which)

    def cut_upload(self, after: int, **which: object) -> Fault:
        """Pass so many bytes of a request's body on, and reset the connection on both sides."""

        async def strike(request: web.Request, forward: _Forward) -> web.StreamResponse:
            piece = await _read_up_to(request, after)

            async def begun() -> AsyncIterator[bytes]:
                yield piece
                # The service reads what has come before it learns that no more will.
                await asyncio.sleep(_BEFORE_RESET_SECONDS)
                raise ConnectionError("the client has gone")

            with suppress(aiohttp.ClientError, ConnectionError):
                await forward(request, begun())
            reset(request)
            return web.Response(status=_NOBODY_LISTENS)

        return self._add(strike, which)


async def _read_up_to(request: web.Request, size: int) -> bytes:
    read = b""
    while len(read) < size and (piece := await request.content.read(size - len(read))):
        read += piece
    return read


class _Forward:
    """Passes requests on to a cloud, and gives its whole answers."""

    def __init__(self, session: aiohttp.ClientSession, origin: str, aliases: Mapping[str, str]) -> None:
        self._session = session
        self._origin = origin
        self._aliases = aliases

    async def __call__(self, request: web.Request, data: AsyncIterator[bytes] | None = None) -> web.StreamResponse:
        length = request.headers.get("Content-Length")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _PER_HOP}
        has_body = request.can_read_body
        if has_body and length is not None:
            headers["Content-Length"] = length
        async with self._session.request(
            request.method,
            URL(self._origin + request.raw_path, encoded=True),
            headers=headers,
            data=(data or request.content) if has_body else None,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
            allow_redirects=False,
        ) as answer:
            return self._passed_on(request, answer, await answer.read())

    def _passed_on(self, request: web.Request, answer: aiohttp.ClientResponse, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _PER_HOP}
        if answer.content_type == "application/json":
            for there, here in self._aliases.items():
                body = body.replace(there.encode(), here.encode())
        if "Location" in headers:
            for there, here in self._aliases.items():
                headers["Location"] = headers["Location"].replace(there, here)
        if request.method == "HEAD" and "Content-Length" in answer.headers:
            headers["Content-Length"] = answer.headers["Content-Length"]
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body or None)


class FaultProxy:
    """Stands before every service of a cloud.

    Attributes:
        faults: What goes wrong.
        requests: What came, in order.
    """

    def __init__(self) -> None:
        self.faults = NetworkFaults()
        self.requests: list[Recorded] = []
        self._aliases: dict[str, str] = {}

    def url(self, there: str) -> str:
        """Return what one of the cloud's URLs is through the proxy."""
        for origin, alias in self._aliases.items():
            there = there.replace(origin, alias)
        return there

    def to(self, path: str, method: str | None = None) -> list[Recorded]:
        """Return the requests to paths that end so."""
        return [one for one in self.requests if one.path.endswith(path) and method in {None, one.method}]

    @property
    def sign_ins(self) -> int:
        """How often somebody asked for a token."""
        return len(self.to("/tokens", "POST"))

    async def serve(self, origin: str, session: aiohttp.ClientSession, stack: AsyncExitStack) -> None:
        """Stand before one server until the stack is left."""
        forward = _Forward(session, origin, self._aliases)

        async def handle(request: web.Request) -> web.StreamResponse:
            headers = dict(request.headers)
            path, _, query = request.raw_path.partition("?")
            self.requests.append(Recorded(request.method, path, query, headers))
            fault = self.faults.of(request)
            return await (fault.strike(request, forward) if fault else forward(request))

        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{rest:.*}", handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._aliases[origin] = f"http://127.0.0.1:{runner.addresses[0][1]}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@asynccontextmanager
async def fault_proxy(urls: Iterable[str]) -> AsyncIterator[FaultProxy]:
    """Serve a proxy before the servers of these URLs."""
    proxy = FaultProxy()
    async with AsyncExitStack() as stack:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await stack.enter_async_context(session)
        for origin in dict.fromkeys(map(_origin, urls)):
            await proxy.serve(origin, session, stack)
        yield proxy
