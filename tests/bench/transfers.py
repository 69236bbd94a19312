"""Transfers of image data, beside a floor, curl and the peers: each in a fresh process, in turns, in one run.

The server has a process of its own, and so has every transfer. The file of the client is on the disk when it is done,
as that of the synced floor is; the floor itself, curl and the peers leave that to the system.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from data_server import DOWN, UP, DataServer

__all__ = ["measure"]

DOWNLOAD_BYTES: Final = 256 * 2**20
UPLOAD_BYTES: Final = 2**30
_PIECE_BYTES: Final = 2**20
_LIMIT_SECONDS: Final = 300
_TICKER_ROUNDS: Final = 3
_MOVERS: Final = ("floor", "aioimages", "openstacksdk", "glanceclient")
_HERE: Final = Path(__file__).parent

Seconds = dict[str, float]


def _digests(piece: bytes, size: int) -> dict[str, str]:
    sha512, md5 = hashlib.sha512(), hashlib.md5(usedforsecurity=False)
    for _ in range(size // len(piece)):
        sha512.update(piece)
        md5.update(piece)
    return {"os_hash_algo": "sha512", "os_hash_value": sha512.hexdigest(), "checksum": md5.hexdigest()}


def _serve(connection: Connection, piece: bytes) -> None:
    server = DataServer(
        piece * (DOWNLOAD_BYTES // len(piece)),
        digests=_digests(piece, DOWNLOAD_BYTES),
        upload_bytes=UPLOAD_BYTES,
        upload_digests=_digests(piece, UPLOAD_BYTES),
    )
    connection.send(server.url)
    server.serve()


@contextlib.contextmanager
def _server(piece: bytes) -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_serve, args=(there, piece), daemon=True)
    server.start()
    try:
        yield here.recv()
    finally:
        server.terminate()


def _program(name: str, *arguments: object) -> str:
    command = [sys.executable, str(_HERE / name), *map(str, arguments)]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=_LIMIT_SECONDS
    ).stdout


def _mover(*arguments: object) -> float:
    return float(_program("movers.py", *arguments))


def _timed(*commands: list[str]) -> float:
    start = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_LIMIT_SECONDS)
    return time.perf_counter() - start


def _downloads(url: str, target: Path) -> Seconds:
    curl = ["curl", "-sSf", "-o", str(target), f"{url}/v2/images/{DOWN}/file"]
    ways: dict[str, Callable[[], float]] = {
        **{who: partial(_mover, f"{who}_download", url, target, DOWNLOAD_BYTES) for who in (*_MOVERS, "synced")},
        "curl": partial(_timed, curl),
        "curl, sha512sum": partial(_timed, curl, ["sha512sum", str(target)]),
    }
    seconds = {}
    for who, move in ways.items():
        target.unlink(missing_ok=True)
        seconds[who] = move()
    return seconds


def _uploads(url: str, source: Path) -> Seconds:
    curl = ["curl", "-sSf", "-T", str(source), f"{url}/v2/images/{UP}/file"]
    return {
        **{who: _mover(f"{who}_upload", url, source, UPLOAD_BYTES) for who in _MOVERS},
        "curl": _timed(curl),
        "curl, sha512sum": _timed(curl, ["sha512sum", str(source)]),
    }


def _table(title: str, rounds: list[Seconds]) -> None:
    floor = statistics.median(seconds["floor"] for seconds in rounds)
    print(f"\n| {title} | s, median | from to | of the floor |\n|---|---|---|---|")
    for who in rounds[0]:
        column = [seconds[who] for seconds in rounds]
        median = statistics.median(column)
        print(f"| {who} | {median:.2f} | {min(column):.2f}-{max(column):.2f} | {median / floor:.2f} |", flush=True)


def measure(rounds: int) -> dict[str, list[Seconds]]:
    """Move data in all ways, print the tables, and return the seconds of each round, and the ticker's milliseconds."""
    piece = os.urandom(_PIECE_BYTES)
    with tempfile.TemporaryDirectory() as folder, _server(piece) as url:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            file.writelines(piece for _ in range(UPLOAD_BYTES // len(piece)))
        results = {
            "download": [_downloads(url, Path(folder) / "disk") for _ in range(rounds)],
            "upload": [_uploads(url, source) for _ in range(rounds)],
            "ticker": [json.loads(_program("ticker.py", url, source)) for _ in range(_TICKER_ROUNDS)],
        }
    _table("download 256 MiB to a file, sha512 checked", results["download"])
    _table("upload 1 GiB from a file, sha512 compared", results["upload"])
    best = min(results["ticker"], key=lambda late: late["p99.9"])
    print("\n| a ticker of 5 ms beside both is late by, ms |", " | ".join(best), "|\n|---|" + "---|" * len(best))
    print("| best of three runs |", " | ".join(f"{value:.1f}" for value in best.values()), "|")
    return results
