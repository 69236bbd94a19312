"""Transfers of image data, beside a floor, curl and the peers, and what an event loop feels of them.

The file of the client is on the disk when it is done, as that of the synced floor is; the floor itself, curl and the
peers leave that to the system.
"""

import json
import shutil
import subprocess
import time
from typing import Final

from data_server import DOWN, UP
from figures import OURS, Figures, Metric, Workload
from places import Places, program

__all__ = ["transfers"]

_LIMIT_SECONDS: Final = 300
_TICKER_RUNS: Final = 3
_GROUP: Final = "Data"
_CURL: Final = ("curl", "curl, sha512sum") if shutil.which("curl") and shutil.which("sha512sum") else ()


def _commanded(*commands: list[str]) -> Figures:
    start = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_LIMIT_SECONDS)
    return {"seconds": time.perf_counter() - start}


def _down(places: Places, who: str) -> Figures:
    target = places.folder / "disk"
    target.unlink(missing_ok=True)
    if who in _CURL:
        curl = ["curl", "-sSf", "-o", str(target), f"{places.data_url}/v2/images/{DOWN}/file"]
        return _commanded(curl, *([["sha512sum", str(target)]] if who != "curl" else []))
    mover = who.removesuffix(" floor")
    return {"seconds": float(program("movers.py", f"{mover}_download", places.data_url, target, places.download_bytes))}


def _up(places: Places, who: str) -> Figures:
    source = places.source
    if who in _CURL:
        curl = ["curl", "-sSf", "-T", str(source), f"{places.data_url}/v2/images/{UP}/file"]
        return _commanded(curl, *([["sha512sum", str(source)]] if who != "curl" else []))
    return {"seconds": float(program("movers.py", f"{who}_upload", places.data_url, source, places.upload_bytes))}


def _tick(places: Places, _: str) -> Figures:
    places.behave(images=1000)
    runs: list[Figures] = [
        json.loads(program("ticker.py", places.data_url, places.source, places.url))
        for _ in range(_TICKER_RUNS if places.scale == 1 else 1)
    ]
    return min(runs, key=lambda late: late["p99.9"])


def transfers(scale: float) -> list[Workload]:
    """Return all workloads of data, made smaller by a factor."""
    sizes = [max(1, round(mebibytes * scale)) for mebibytes in (256, 1024)]
    seconds = (Metric("seconds", bar=1.15, base="floor"),)
    movers = (OURS, "openstacksdk", "glanceclient", *_CURL)
    bars = {"p50": None, "p99": None, "p99.9": 10.0, "max": 50.0}
    late = tuple(Metric(key, key, "ms", bar=bar) for key, bar in bars.items())
    return [
        Workload(
            _GROUP,
            f"download {sizes[0]} MiB to a file, sha512 checked",
            ("floor", "synced floor", *movers),
            seconds,
            _down,
        ),
        Workload(_GROUP, f"upload {sizes[1]} MiB from a file, sha512 compared", ("floor", *movers), seconds, _up),
        Workload("Event loop", "a ticker of 5 ms is late by", (OURS,), late, _tick),
    ]
