"""Measure the client beside its limit and beside what people use today, and print tables.

Those who are compared take turns, each run in a fresh process; the servers have processes of their own. Ratios of
medians taken in one run are what counts: the seconds depend on the machine.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from figures import Figures, Workload, is_peer
from loops import LOOP
from places import Places
from report import report
from transfers import transfers
from workloads import workloads

_PACKAGES: Final = ("aiohttp", "orjson", "cattrs", "uvloop", "openstacksdk", "python-glanceclient")


def _environment(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "loop": LOOP,
        "packages": versions,
        "rounds": arguments.rounds,
        "scale": arguments.scale,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, help="how often each one runs (5)")
    parser.add_argument("--scale", type=float, help="the size of the workloads, as a factor (1)")
    parser.add_argument("--quick", action="store_true", help="one round at a tenth of the size")
    parser.add_argument("--only", metavar="NAME", default="", help="only workloads that have this in their names")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="with what people use now")
    parser.add_argument("--json", type=Path, help="also write the figures of every round to this file")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else 5
    if arguments.scale is None:
        arguments.scale = 0.1 if arguments.quick else 1.0
    return arguments


def _measure(workload: Workload, places: Places, arguments: argparse.Namespace) -> dict[str, list[Figures]]:
    rounds: dict[str, list[Figures]] = {who: [] for who in workload.who if arguments.peers or not is_peer(who)}
    for number in range(arguments.rounds * (1 if arguments.quick else workload.times)):
        for who, figures in rounds.items():
            if number < workload.peer_rounds or not is_peer(who):
                print(f"{workload.name}: {who}", file=sys.stderr, flush=True)
                figures.append(workload.play(places, who))
    return rounds


def main() -> None:
    """Run all workloads, and print tables."""
    arguments = _arguments()
    chosen = [
        workload
        for workload in (*workloads(arguments.scale), *transfers(arguments.scale))
        if arguments.only in workload.name
    ]
    with contextlib.ExitStack() as stack:
        places = Places(stack, arguments.scale)
        results = [workload.results(_measure(workload, places, arguments)) for workload in chosen]
    run = {"environment": _environment(arguments), "workloads": results}
    if arguments.json:
        arguments.json.write_text(json.dumps(run, indent=1) + "\n")
    print(report(run))


if __name__ == "__main__":
    main()
