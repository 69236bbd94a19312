"""A server that is not the bottleneck: a bare protocol with answers that were rendered before."""

import asyncio
import re
import uuid
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson
from loops import run
from task_store import TaskStore

__all__ = ["serve"]

_REQUEST: Final = re.compile(rb"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/1.1\r\n")
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_DEFAULT_LIMIT: Final = 25
_TEXT: Final = {"type": ["null", "string"]}


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


def answer(document: object, status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole HTTP answer, of a document or of one that was rendered before."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def _discovery(url: str) -> dict[tuple[str, str], bytes]:
    """Return what is asked for before images are: signing in, versions, and the schemas that glanceclient reads."""
    endpoints = [{"interface": "public", "region": "R", "region_id": "R", "url": f"{url}/v2", "id": "e"}]
    names = {"user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}}}
    token = {
        "methods": ["password"],
        "issued_at": "2026-01-02T03:04:05.000000Z",
        "expires_at": "2036-01-02T03:04:05.000000Z",
        "project": {"id": "p", "name": "p", "domain": {"id": "default", "name": "Default"}},
        "catalog": [{"type": "image", "name": "glance", "id": "s", "endpoints": endpoints}],
        **names,
    }
    keystone = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{url}/v3/"}]}
    glance = {"id": "v2.17", "status": "CURRENT", "links": [{"rel": "self", "href": f"{url}/v2/"}]}
    kinds = {"tags": {"type": "array"}, "size": {"type": ["null", "integer"]}, "virtual_size": {"type": ["null"]}}
    kinds |= {name: {"type": "integer"} for name in ("min_disk", "min_ram")}
    kinds |= {name: {"type": "boolean"} for name in ("protected", "os_hidden")}
    schema = {
        "name": "image",
        "additionalProperties": {"type": "string"},
        "properties": {name: kinds.get(name, _TEXT) for name in image(1) if "__" not in name},
    }
    task = {"name": "task", "properties": {"input": {"type": ["null", "object"]}, "type": {"type": "string"}}}
    documents: dict[str, object] = {
        "/": {"versions": [glance]},
        "/v2": {"versions": [glance]},
        "/v3": {"version": keystone},
        "/v2/schemas/image": schema,
        "/v2/schemas/task": task,
    }
    signed_in = answer({"token": token}, "201 Created", "X-Subject-Token: token\r\n")
    return {
        **{("GET", path): answer(document) for path, document in documents.items()},
        ("POST", "/v3/auth/tokens"): signed_in,
    }


class State:
    """What all connections share: how the service behaves, what it has, and what it was asked for."""

    def __init__(
        self, *, images: int = 10_000, think: float = 0.0, page: int = 1000, seconds: tuple[float, float] = (2.0, 6.0)
    ) -> None:
        self.images = images
        self.think = think
        self.page = page
        self.tasks = TaskStore(*seconds)
        self.counts: Counter[str] = Counter()


class Service(asyncio.Protocol):
    """Answers for images, for tasks, and for those who sign in; `/control` is for who measures."""

    state = State()
    documents: Final[dict[tuple[str, str], bytes]] = {}
    pages: Final[dict[tuple[int, int, str | None], bytes]] = {}
    one: Final = answer(image(1))

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        # uvloop's transports are no kind of asyncio's.
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete, after some thought where the service is to be slow."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[: end + 4]
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            request = _REQUEST.match(head)
            assert request is not None
            reply = self._answer(request["method"].decode(), request["target"].decode(), body)
            if self.state.think:
                asyncio.get_running_loop().call_later(self.state.think, self._transport.write, reply)
            else:
                self._transport.write(reply)

    def _answer(self, method: str, target: str, body: bytes) -> bytes:
        parts = urlsplit(target)
        kind, _, item = parts.path.removeprefix("/v2/").partition("/")
        if parts.path == "/control":
            return self._control(method, body)
        self.state.counts[f"{method} {kind or 'else'}"] += 1
        if kind == "images":
            return self.one if item else self._images(dict(parse_qsl(parts.query)))
        if kind != "tasks":
            return self.documents.get((method, parts.path.rstrip("/") or "/")) or answer({}, "404 Not Found")
        if item:
            return answer(self.state.tasks.get(item))
        if method == "POST":
            return answer(self.state.tasks.create(body), "201 Created")
        return answer(self.state.tasks.page(dict(parse_qsl(parts.query)), self.state.page))

    def _control(self, method: str, body: bytes) -> bytes:
        """Begin anew in a certain way, or tell what there was."""
        if method == "POST":
            type(self).state = State(**orjson.loads(body))
            self._render()
        return answer({"counts": self.state.counts, "ends": self.state.tasks.ends})

    def _render(self) -> None:
        """Render the pages that will be asked for, so that nobody waits for that."""
        for limit in ("100", "1000"):
            for start in range(0, self.state.images, int(limit)):
                self._images({"limit": limit, **({"marker": str(uuid.UUID(int=start - 1))} if start else {})})

    def _images(self, query: dict[str, str]) -> bytes:
        """Return a page, rendered once."""
        count, limit, marker = self.state.images, int(query.get("limit", _DEFAULT_LIMIT)), query.get("marker")
        if (count, limit, marker) not in self.pages:
            start = uuid.UUID(marker).int + 1 if marker else 0
            images = [image(number) for number in range(start, min(start + limit, count))]
            body: dict[str, object] = {"images": images}
            if start + limit < count:
                body["next"] = f"/v2/images?limit={limit}&marker={images[-1]['id']}"
            self.pages[count, limit, marker] = answer(body)
        return self.pages[count, limit, marker]


def serve(connection: Connection) -> None:
    """Serve on a free port of loopback until the process ends, and tell the address."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=1024)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        Service.documents.update(_discovery(url))
        connection.send(url)
        async with server:
            await server.serve_forever()

    run(main())
