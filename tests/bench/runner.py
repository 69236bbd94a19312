"""One workload, once, in a process of its own: `python runner.py WHO WORKLOAD URL COUNT WIDTH` prints figures as JSON.

What has to be imported, and the first connection, are there before the clock runs. To the first image it runs from
the start of the process: whoever started it knows when that was. The width is how many requests are in flight, or
threads at work, and for those who list the size of a page.
"""

import inspect
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Final

_IN_FLIGHT: Final = 64


def peak_mb() -> float:
    """Return the most memory that this process had; what a parent had before `exec` is not in it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def in_threads(player: Any, workload: str, url: str, count: int, width: int) -> dict[str, Any]:
    """Run a workload of a library that blocks."""
    with player.opened(url, _IN_FLIGHT) as client:
        player.warm_up(client)
        start = time.monotonic()
        notices = getattr(player, workload)(client, count, width)
        return {"start": start, "end": time.monotonic(), "notices": notices}


async def in_a_loop(player: Any, workload: str, url: str, count: int, width: int) -> dict[str, Any]:
    """Run a workload of a library of coroutines."""
    async with player.opened(url, _IN_FLIGHT) as client:
        await player.warm_up(client)
        start = time.monotonic()
        notices = await getattr(player, workload)(client, count, width)
        return {"start": start, "end": time.monotonic(), "notices": notices}


def main() -> None:
    """Run, and print when it began and ended, the moments of notice where there are some, and the memory at its most.

    Moments are those of `time.monotonic`, which all processes of a machine share.
    """
    who, workload, url, count, width = sys.argv[1:]
    player = import_module(f"with_{who}")
    if workload == "first":
        figures = {"end": player.first(url)}
    elif inspect.iscoroutinefunction(player.warm_up):
        figures = import_module("loops").run(in_a_loop(player, workload, url, int(count), int(width)))
    else:
        figures = in_threads(player, workload, url, int(count), int(width))
    print(json.dumps({**figures, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
