"""Those who move image data, each in a process of its own: `python movers.py MOVER URL PATH SIZE` prints seconds.

The floor is what nobody who digests the data can beat by much: a plain socket, a file, and a thread for sha512.
"""

import asyncio
import hashlib
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from data_server import DOWN, UP

_PIECE_BYTES: Final = 2**20
# What each of them needs, imported before the clock runs.
_LIBRARIES: Final = {
    "floor": "hashlib",
    "synced": "hashlib",
    "aioimages": "aioimages",
    "openstacksdk": "openstack.connection",
    "glanceclient": "glanceclient.v2.client",
}


class _Hashing:
    """A thread that digests pieces."""

    def __init__(self) -> None:
        self._hash = hashlib.sha512()
        self._pieces: queue.Queue[memoryview | bytes | None] = queue.Queue(4)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hash.update(piece)

    def take(self, piece: memoryview | bytes) -> None:
        self._pieces.put(piece)

    def end(self) -> None:
        self._pieces.put(None)
        self._thread.join()
        self._hash.hexdigest()


def _connected(url: str, head: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.sendall(f"{head} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode())
    return connection


def floor_download(url: str, path: str, size: int, *, is_synced: bool = False) -> None:
    """A socket to a file, with sha512 beside it."""
    hashing = _Hashing()
    with _connected(url, f"GET /v2/images/{DOWN}/file") as connection, Path(path).open("wb", buffering=0) as file:
        connection.sendall(b"\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(_PIECE_BYTES)
        piece: memoryview | bytes = received.partition(b"\r\n\r\n")[2]
        left = size
        while True:
            hashing.take(piece)
            file.write(piece)
            left -= len(piece)
            if not left:
                break
            buffer = memoryview(bytearray(min(left, _PIECE_BYTES)))
            filled = 0
            while filled < len(buffer):
                filled += connection.recv_into(buffer[filled:])
            piece = buffer
        if is_synced:
            os.fsync(file.fileno())
    hashing.end()


def synced_download(url: str, path: str, size: int) -> None:
    """The same, with the file on the disk at the end, as the client leaves it."""
    floor_download(url, path, size, is_synced=True)


def floor_upload(url: str, path: str, size: int) -> None:
    """A file to a socket, with sha512 beside it."""
    hashing = _Hashing()
    with _connected(url, f"PUT /v2/images/{UP}/file") as connection, Path(path).open("rb", buffering=0) as file:
        connection.sendall(f"Content-Length: {size}\r\n\r\n".encode())
        while piece := file.read(_PIECE_BYTES):
            hashing.take(piece)
            connection.sendall(piece)
        connection.recv(_PIECE_BYTES)
    hashing.end()


def aioimages_download(url: str, path: str, _: int) -> None:
    """What this is about."""
    api = import_module("aioimages")

    async def main() -> None:
        async with api.Client(api.StaticToken("token", f"{url}/v2")) as client:
            assert (await client.images.download(DOWN, path)).verified

    asyncio.run(main())


def aioimages_upload(url: str, path: str, _: int) -> None:
    """What this is about."""
    api = import_module("aioimages")

    async def main() -> None:
        async with api.Client(api.StaticToken("token", f"{url}/v2")) as client:
            image = await client.images.create(name="disk", disk_format="raw", container_format="bare")
            await client.images.upload(image.id, path)

    asyncio.run(main())


def _sdk(url: str) -> Any:
    connection: Any = import_module("openstack.connection")
    return connection.Connection(auth_type="none", endpoint=url, image_endpoint_override=f"{url}/v2")


def openstacksdk_download(url: str, path: str, _: int) -> None:
    """openstacksdk, in the way that does not hold the whole image in memory."""
    _sdk(url).image.download_image(DOWN, output=path, stream=True)


def openstacksdk_upload(url: str, path: str, _: int) -> None:
    """openstacksdk, with its checks."""
    _sdk(url).image.create_image(
        "disk", filename=path, disk_format="raw", container_format="bare", validate_checksum=True, allow_duplicates=True
    )


def _glance(url: str) -> Any:
    client: Any = import_module("glanceclient.v2.client")
    return client.Client(url, token="token")


def glanceclient_download(url: str, path: str, _: int) -> None:
    """python-glanceclient, which checks what it gives."""
    with Path(path).open("wb") as file:
        file.writelines(_glance(url).images.data(DOWN))


def glanceclient_upload(url: str, path: str, _: int) -> None:
    """python-glanceclient, which does not check."""
    with Path(path).open("rb") as file:
        _glance(url).images.upload(UP, file)


MOVERS: Final[dict[str, Callable[[str, str, int], None]]] = {
    name: function for name, function in globals().items() if name.endswith(("_download", "_upload"))
}


def main() -> None:
    """Move once, and print the seconds."""
    who, url, path, size = sys.argv[1:]
    move = MOVERS[who]
    import_module(_LIBRARIES[who.partition("_")[0]])
    start = time.perf_counter()
    move(url, path, int(size))
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
