"""A server of image data that is not the bottleneck: blocking sockets, one thread a connection, nothing stored."""

import json
import re
import socket
import threading
from typing import Final

__all__ = ["DOWN", "UP", "DataServer"]

# The image that has data, and the one that takes some, again and again.
DOWN: Final = "00000000-0000-4000-8000-000000000001"
UP: Final = "00000000-0000-4000-8000-000000000002"
_PIECE_BYTES: Final = 2**20
_RANGE: Final = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class DataServer:
    """Serves some data as an image, and counts what is uploaded.

    What it says of uploaded data is what is said of them beforehand, if as many came: digesting them here would take
    the time of whoever is measured.
    """

    def __init__(
        self, data: bytes, *, digests: dict[str, str], upload_bytes: int, upload_digests: dict[str, str]
    ) -> None:
        self._data = memoryview(data)
        self._documents = {
            DOWN: {**_document(DOWN, "active"), "size": len(data), **digests},
            UP: _document(UP, "queued"),
        }
        self._uploaded = {"status": "active", "size": upload_bytes, **upload_digests}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the process ends."""
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(_Connection(connection),), daemon=True).start()

    def _talk(self, connection: "_Connection") -> None:
        try:
            while head := connection.head():
                self._answer(connection, head)
        except OSError:
            pass
        finally:
            connection.close()

    def _answer(self, connection: "_Connection", head: bytes) -> None:
        method, target = head.split(b" ", 2)[:2]
        path = target.partition(b"?")[0].decode()
        image_id = next((image_id for image_id in self._documents if image_id in path), UP)
        if method == b"PUT":
            received = connection.discard(head)
            self._documents[UP] |= self._uploaded if received == self._uploaded["size"] else {}
            connection.send(204)
        elif method == b"GET" and path.endswith("/file"):
            self._send_data(connection, head)
        elif method == b"GET" and path.endswith(("/v2/images", "/v2/schemas/image")):
            connection.send(200, {"images": [], "name": "image", "properties": {}})
        elif method == b"GET" and "/images/" not in path:
            connection.send(
                300,
                {
                    "versions": [
                        {"id": "v2.17", "status": "CURRENT", "links": [{"rel": "self", "href": f"{self.url}/v2/"}]}
                    ]
                },
            )
        else:
            connection.discard(head)
            if method != b"GET":
                self._documents[UP] = _document(UP, "queued")
            connection.send(201 if method == b"POST" else 200, self._documents[image_id])

    def _send_data(self, connection: "_Connection", head: bytes) -> None:
        wanted = _RANGE.search(head)
        if wanted is None:
            connection.send(200, self._data)
            return
        start = int(wanted[1])
        stop = int(wanted[2]) + 1 if wanted[2] else len(self._data)
        connection.send(206, self._data[start:stop], f"Content-Range: bytes {start}-{stop - 1}/{len(self._data)}\r\n")


def _document(image_id: str, status: str) -> dict[str, object]:
    return {
        "id": image_id,
        "name": "disk",
        "status": status,
        "visibility": "private",
        "disk_format": "raw",
        "container_format": "bare",
        "size": None,
        "tags": [],
        "file": f"/v2/images/{image_id}/file",
    }


class _Connection:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""
        self._piece = memoryview(bytearray(_PIECE_BYTES))

    def head(self) -> bytes:
        """Return the next request's head; at the end of the connection nothing."""
        return self._until(b"\r\n\r\n")

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            more = self._socket.recv(65536)
            if not more:
                return b""
            self._received += more
        found, _, self._received = self._received.partition(end)
        return found + end

    def discard(self, head: bytes) -> int:
        """Take a request's body, and return how long it is."""
        if b"expect: 100-continue" in head.lower():
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"transfer-encoding: chunked" not in head.lower():
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            return self._skip(length)
        total = 0
        while size := int(self._until(b"\r\n"), 16):
            total += self._skip(size)
            self._until(b"\r\n")
        self._until(b"\r\n")
        return total

    def _skip(self, size: int) -> int:
        left = size - len(self._received[:size])
        self._received = self._received[size:]
        while left:
            got = self._socket.recv_into(self._piece[: min(left, _PIECE_BYTES)])
            if not got:
                raise ConnectionError
            left -= got
        return size

    def send(self, status: int, body: object = None, headers: str = "") -> None:
        """Send an answer: JSON, or data."""
        data = body if isinstance(body, memoryview) else b"" if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, memoryview) else "application/json"
        length = "" if status == 204 else f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        self._socket.sendall(f"HTTP/1.1 {status} .\r\n{length}{headers}\r\n".encode())
        self._socket.sendall(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
