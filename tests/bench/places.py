"""Where workloads take place: servers in processes of their own, started when first needed, and a folder of files."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from data_server import DataServer
from server import serve

__all__ = ["Places", "program", "python"]

_HERE: Final = Path(__file__).parent
_PIECE_BYTES: Final = 2**20
_LIMIT_SECONDS: Final = 600


def program(name: str, *arguments: object) -> str:
    """Run a program beside this one, and return what it prints."""
    return python(_HERE / name, *arguments)


def python(*arguments: object) -> str:
    """Run Python, and return what it prints."""
    command = [sys.executable, *map(str, arguments)]
    # A file takes any length at once, which a pipe does not.
    with tempfile.TemporaryFile("w+") as printed:
        subprocess.run(command, check=True, stdout=printed, stdin=subprocess.DEVNULL, timeout=_LIMIT_SECONDS)
        printed.seek(0)
        return printed.read()


def _digests(piece: bytes, count: int) -> dict[str, str]:
    sha512, md5 = hashlib.sha512(), hashlib.md5(usedforsecurity=False)
    for _ in range(count):
        sha512.update(piece)
        md5.update(piece)
    return {"os_hash_algo": "sha512", "os_hash_value": sha512.hexdigest(), "checksum": md5.hexdigest()}


def _serve_data(connection: Connection, piece: bytes, downloads: int, uploads: int) -> None:
    server = DataServer(
        piece * downloads,
        digests=_digests(piece, downloads),
        upload_bytes=len(piece) * uploads,
        upload_digests=_digests(piece, uploads),
    )
    connection.send(server.url)
    server.serve()


@contextlib.contextmanager
def _process(serve: Callable[..., None], *arguments: object) -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there, *arguments), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()


class Places:
    """The servers' addresses, and the files that are moved; `scale` makes everything smaller."""

    def __init__(self, stack: contextlib.ExitStack, scale: float) -> None:
        self.scale = scale
        self._stack = stack
        self._piece = os.urandom(_PIECE_BYTES)
        self._downloads, self._uploads = (max(1, round(count * scale)) for count in (256, 1024))
        self.download_bytes = self._downloads * _PIECE_BYTES
        self.upload_bytes = self._uploads * _PIECE_BYTES

    @cached_property
    def url(self) -> str:
        """The address of the service."""
        return self._stack.enter_context(_process(serve))

    @cached_property
    def data_url(self) -> str:
        """The address of a service that moves data."""
        return self._stack.enter_context(_process(_serve_data, self._piece, self._downloads, self._uploads))

    @cached_property
    def folder(self) -> Path:
        """A place for files."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    @cached_property
    def source(self) -> Path:
        """A file to upload."""
        source = self.folder / "source"
        with source.open("wb") as file:
            file.writelines(self._piece for _ in range(self._uploads))
        return source

    def behave(self, **settings: object) -> None:
        """Let the service begin anew, in a certain way."""
        urllib.request.urlopen(f"{self.url}/control", data=json.dumps(settings).encode(), timeout=60).close()

    def told(self) -> dict[str, Any]:
        """Return what the service counted, and when its tasks ended."""
        with urllib.request.urlopen(f"{self.url}/control", timeout=60) as response:
            told: dict[str, Any] = json.load(response)
        return told
