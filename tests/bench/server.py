"""A server that is not the bottleneck: a bare protocol with answers that were rendered before."""

import asyncio
import re
import uuid
from typing import Final
from urllib.parse import parse_qs, urlsplit

import orjson

IMAGES: Final = 10_000
_REQUEST: Final = re.compile(rb"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1.1\r\n")
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def image(number: int) -> dict[str, object]:
    """Return an image of some 1.2 KB with 25 properties."""
    image_id = str(uuid.UUID(int=number))
    return {
        "id": image_id,
        "name": f"image-{number}",
        "status": "active",
        "visibility": "private",
        "size": 2**30 + number,
        "virtual_size": None,
        "disk_format": "vhd",
        "container_format": "ovf",
        "protected": False,
        "os_hidden": False,
        "tags": ["bench"],
        "owner": "tenant",
        "min_disk": 20,
        "min_ram": 512,
        "checksum": "0" * 32,
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "file": f"/v2/images/{image_id}/file",
        "self": f"/v2/images/{image_id}",
        "schema": "/v2/schemas/image",
        **{f"com.example__1__property_{index}": f"value {index}" for index in range(25)},
    }


def answer(body: bytes) -> bytes:
    """Return a whole HTTP answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Service(asyncio.Protocol):
    """Answers listings, gets and patches of images."""

    pages: Final[dict[tuple[int, str | None], bytes]] = {}
    one: Final = answer(orjson.dumps(image(1)))

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[: end + 4]
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            request = _REQUEST.match(head)
            assert request is not None
            self._transport.write(self._answer(request["target"].decode()))

    def _answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        if parts.path != "/v2/images":
            return self.one
        query = parse_qs(parts.query)
        return self.page(int(query["limit"][0]), query.get("marker", [None])[0])

    @classmethod
    def page(cls, limit: int, marker: str | None) -> bytes:
        """Return the page after a marker, rendered once."""
        if (limit, marker) not in cls.pages:
            start = uuid.UUID(marker).int + 1 if marker else 0
            images = [image(number) for number in range(start, min(start + limit, IMAGES))]
            body: dict[str, object] = {"images": images}
            if start + limit < IMAGES:
                body["next"] = f"/v2/images?limit={limit}&marker={images[-1]['id']}"
            cls.pages[limit, marker] = answer(orjson.dumps(body))
        return cls.pages[limit, marker]


async def serve(ready: "asyncio.Future[int]") -> None:
    """Serve on a free port of loopback until cancelled."""
    for limit in (100, 1000):
        marker = None
        for start in range(0, IMAGES, limit):
            Service.page(limit, marker)
            marker = str(uuid.UUID(int=start + limit - 1))
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0)
    ready.set_result(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()
