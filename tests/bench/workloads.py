"""What is asked of a service, and how long it takes to begin."""

import json
import statistics
import time
from functools import partial
from typing import Any, Final

from figures import OURS, Figures, Metric, Workload
from places import Places, program, python

__all__ = ["workloads"]

_IN_FLIGHT: Final = 64
_BOTH: Final = ("raw", OURS)
_PEERS: Final = ("openstacksdk", "glanceclient")
# On loopback one thread is their best, over a network many are.
_THREADS: Final = {f"{peer}, {_IN_FLIGHT} threads": peer for peer in _PEERS}
_REQUESTS: Final = "Images"
_IMPORTS: Final = "Import tasks of 2 to 6 s"
_LOADING: Final = "Import"
_STARTING: Final = "From the start of a process"
_MODULES: Final = {
    "aiohttp": "import aiohttp",
    "its dependencies": "import aiohttp, anyio, attrs, cattrs, orjson, tenacity",
    OURS: "from aioimages import Client",
    "openstacksdk": "import openstack.connection",
    "glanceclient": "import glanceclient.v2.client",
}


def _run(places: Places, who: str, workload: str, count: int, width: int) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(program("runner.py", who, workload, places.url, count, width))
    return figures


def _asking(places: Places, who: str, *, workload: str, count: int, width: int, think: float = 0.0) -> Figures:
    player = _THREADS.get(who, who)
    if workload != "listing" and who in _PEERS:
        width = 1
    places.behave(images=count, think=think)
    figures = _run(places, player, workload, count, width)
    return {"seconds": figures["end"] - figures["start"]}


def _importing(places: Places, who: str, *, count: int, page: int) -> Figures:
    """Import, and compare when the service was done with when that was known.

    The ideal is to be done when the service's last task is: how soon the tasks were begun shows in the whole time. The
    percentage is of the longest task, because a share of the whole time would be small for who is slow to begin them.
    """
    hurry = min(1.0, 10 * places.scale)
    places.behave(page=page, seconds=(2 * hurry, 6 * hurry))
    figures = _run(places, who, "import_tasks", count, _IN_FLIGHT)
    told = places.told()
    ends, notices = told["ends"], figures["notices"]
    assert ends.keys() == notices.keys()
    assert len(ends) == count
    late = sorted(notice - ends[task_id] for task_id, notice in notices.items())
    ideal = max(ends.values())
    return {
        "seconds": figures["end"] - figures["start"],
        "above": figures["end"] - ideal,
        "above_percent": 100 * (figures["end"] - ideal) / (6 * hurry),
        "requests": sum(number for kind, number in told["counts"].items() if kind.endswith(" tasks")) / count,
        "p50": statistics.median(late),
        "p95": late[int(0.95 * len(late))],
        "peak_mb": figures["peak_mb"],
    }


def _starting(places: Places, who: str) -> Figures:
    places.behave()
    start = time.monotonic()
    figures = _run(places, who, "first", 1, 1)
    return {"seconds": figures["end"] - start, "requests": sum(places.told()["counts"].values())}


def _loading(_: Places, who: str) -> Figures:
    clock = "import time; start = time.perf_counter()"
    return {"seconds": float(python("-c", f"{clock}; {_MODULES[who]}; print(time.perf_counter() - start)"))}


def _asked(scale: float) -> list[Workload]:
    images, gets, renames = (max(1, round(count * scale)) for count in (10_000, 3000, 1000))

    def asked(name: str, who: tuple[str, ...], bar: float, **options: Any) -> Workload:
        metric = Metric("seconds", bar=bar, base="raw")
        return Workload(_REQUESTS, name, who, (metric,), partial(_asking, **options))

    listers = (*_BOTH, *_PEERS)
    askers = (*listers, *_THREADS)
    listing = {"workload": "listing", "count": images}
    return [
        asked(f"list {images:,} images, pages of 1,000", listers, 1.4, **listing, width=1000),
        asked(f"list {images:,} images, pages of 100", listers, 1.4, **listing, width=100),
        asked(
            f"list {images:,} images, pages of 100, 20 ms of thought for each",
            (*_BOTH, "glanceclient"),
            1.02,
            **listing,
            width=100,
            think=0.02,
        ),
        asked(f"get {gets:,} images, 64 at a time", askers, 1.35, workload="gets", count=gets, width=_IN_FLIGHT),
        asked(
            f"rename {renames:,} images, 64 at a time",
            askers,
            1.35,
            workload="renames",
            count=renames,
            width=_IN_FLIGHT,
        ),
    ]


def _imported(scale: float, count: int, page: int) -> Workload:
    is_many = count > 1000
    scaled = max(1, round(count * scale))
    above = (
        Metric("above_percent", "above the ideal", "% of 6 s", bar=5.0)
        if is_many
        else Metric("above", "above the ideal", bar=0.25)
    )
    metrics = (
        Metric("seconds", "whole time", base="raw"),
        above,
        Metric("requests", "requests a task", "", bar=2.1 if page > 100 else 2.5),
        Metric("p50", "until noticed, p50", bar=0.2),
        Metric("p95", "until noticed, p95", bar=0.4),
        Metric("peak_mb", "memory at most", "MB", bar=300.0 if is_many else None),
    )
    # The peers need more than a minute, a thread for each task, and no listing: once is enough.
    peers = _PEERS if scale == 1 and page > 100 and not is_many else ()
    name = f"{scaled:,} tasks, pages of {page:,}"
    play = partial(_importing, count=scaled, page=page)
    return Workload(_IMPORTS, name, (*_BOTH, *peers), metrics, play, peer_rounds=1)


def workloads(scale: float) -> list[Workload]:
    """Return all workloads of requests, imports and beginning, made smaller by a factor."""
    seconds = Metric("seconds", bar=1.15, base="raw")
    first = (seconds, Metric("requests", "requests", "", bar=2.0))
    loading = Metric("seconds", bar=1.4, base="aiohttp")
    return [
        *_asked(scale),
        *(_imported(scale, count, page) for count in (1000, 10_000) for page in (1000, 100)),
        Workload(_LOADING, "import of the package", tuple(_MODULES), (loading,), _loading, times=4, peer_rounds=20),
        Workload(
            _STARTING, "sign in, list the first image", (*_BOTH, *_PEERS), first, _starting, times=4, peer_rounds=20
        ),
    ]
