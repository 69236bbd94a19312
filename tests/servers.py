"""Servers that misbehave below HTTP, or stand between a client and a cloud."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

__all__ = ["ForwardProxy", "answering", "raw_server", "reverse_proxy", "tls_server"]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve TCP connections with a function, over TLS where there is a context, and give the URL."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            talks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"https://localhost:{port}" if context else f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def answering(answer: bytes) -> Talk:
    """Return a function that answers each request with these bytes, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return talk


class ForwardProxy:
    """A proxy for plain http, and what was asked of it."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on to the server that it names, and the answer back."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, url, version = head.split(b"\r\n", 1)[0].decode().split(" ")
        self.requests.append(url)
        target = urlsplit(url)
        there_reader, there_writer = await asyncio.open_connection(target.hostname, target.port)
        path = url.split(target.netloc, 1)[1]
        rest = head.split(b"\r\n", 1)[1].replace(b"keep-alive", b"close")
        there_writer.write(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + rest)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                sink.write(piece)
                await sink.drain()

        upward = asyncio.create_task(pass_on(reader, there_writer))
        await pass_on(there_reader, writer)
        upward.cancel()
        there_writer.close()


@asynccontextmanager
async def reverse_proxy(target: str, prefix: str) -> AsyncIterator[str]:
    """Serve another server below a prefix, as a gateway does that it knows nothing of."""

    async def pass_on(request: web.Request) -> web.Response:
        path = request.rel_url.raw_path.removeprefix(prefix)
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                f"{target}{path}{query}",
                headers={name: value for name, value in request.headers.items() if name != "Host"},
                data=await request.read(),
            ) as answer,
        ):
            headers = {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)

    application = web.Application()
    application.router.add_route("*", prefix + "{rest:.*}", pass_on)
    async with _served(application, None) as url:
        yield f"{url}{prefix}"


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """Serve an image service over TLS that knows its image schema only, and who the client is."""

    async def schema(request: web.Request) -> web.Response:
        assert request.transport is not None
        return web.json_response({"name": "image", "peer": bool(request.transport.get_extra_info("peercert"))})

    application = web.Application()
    application.router.add_get("/v2/schemas/image", schema)
    async with _served(application, context) as url:
        yield url


@asynccontextmanager
async def _served(application: web.Application, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        port = runner.addresses[0][1]
        yield f"{'https' if context else 'http'}://localhost:{port}"
    finally:
        await runner.cleanup()
