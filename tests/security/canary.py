"""A server that notes every byte that it is told."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

__all__ = ["EMPTY", "Canary", "answer", "canary"]


def answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    """Return an answer of HTTP."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


EMPTY = answer(404, b"")


class Canary:
    """What was heard.

    Attributes:
        url: Where it is served.
        connections: How many there were.
        requests: The requests, head and body.
    """

    def __init__(self, said: bytes) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self._said = said

    @property
    def heads(self) -> list[str]:
        """The heads of the requests."""
        return [request.partition(b"\r\n\r\n")[0].decode("latin-1") for request in self.requests]

    @property
    def paths(self) -> list[str]:
        """The targets of the requests, as they came."""
        return [head.split(" ")[1] for head in self.heads]

    def header(self, name: str) -> Iterator[str]:
        """Yield the values of a header."""
        for head in self.heads:
            for line in head.split("\r\n")[1:]:
                key, _, value = line.partition(":")
                if key.lower() == name.lower():
                    yield value.strip()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each request alike."""
        self.connections += 1
        try:
            while head := await _head(reader):
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                self.requests.append(head + (await reader.readexactly(int(length[1])) if length else b""))
                writer.write(self._said)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def canary(said: bytes = EMPTY, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Canary]:
    """Serve a canary."""
    bird = Canary(said)
    server = await asyncio.start_server(bird.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    bird.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield bird
    finally:
        server.close()
