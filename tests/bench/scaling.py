"""Measure what the parts of a large run cost, and print a table: what a core can bear, and what runs out next.

Each part runs in a fresh process; servers and two Dask workers have theirs. It needs `aioimages[dask]`.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Final

import attrs
from distributed import LocalCluster
from places import Places, program
from report import put_on

_SECONDS: Final = (6.0, 8.0)
_WORKERS: Final = 2
_ON_A_CLUSTER: Final = ("handed", "orders")


class Site:
    """Where parts run, and how large they are."""

    def __init__(self, stack: contextlib.ExitStack, scale: float) -> None:
        self.scale = scale
        self.places = Places(stack, scale)
        self._stack = stack
        self._played: dict[tuple[str, int, int], dict[str, float]] = {}

    @cached_property
    def scheduler(self) -> str:
        """The address of a cluster's scheduler."""
        cluster = LocalCluster(n_workers=_WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0")
        return str(self._stack.enter_context(cluster).scheduler_address)

    def begin_round(self) -> None:
        """Let all parts be played once more."""
        self._played.clear()

    def play(self, part: str, count: int, page: int = 1000) -> dict[str, float]:
        """Return a part's figures, and how many requests of tasks it took; it is played once a round."""
        if (part, count, page) not in self._played:
            self._played[part, count, page] = self._play(part, count, page)
        return self._played[part, count, page]

    def _play(self, part: str, count: int, page: int) -> dict[str, float]:
        hurry = min(1.0, 10 * self.scale)
        self.places.behave(images=count, page=page, seconds=[hurry * seconds for seconds in _SECONDS])
        url = self.places.data_url if part == "download" else self.places.url
        scheduler = self.scheduler if part in _ON_A_CLUSTER else ""
        figures: dict[str, float] = json.loads(program("parts.py", part, url, count, scheduler))
        counts = self.places.told()["counts"]
        return {**figures, "requests": sum(number for kind, number in counts.items() if kind.endswith(" tasks"))}

    def sized(self, count: int) -> int:
        """Return how many there are of what are so many at full size."""
        return max(20, round(count * self.scale))


Measure = Callable[[Site], float]


def _each(part: str, count: int, key: str = "cpu_ms", page: int = 1000) -> Measure:
    """Return what measures how much of something one of many takes."""
    return lambda site: site.play(part, site.sized(count), page)[key] / site.sized(count)


def _more(part: str, count: int) -> Measure:
    """Return what measures the memory that one more takes: what is there anyway is left out."""

    def measure(site: Site) -> float:
        few, many = site.sized(count) // 10, site.sized(count)
        return (site.play(part, many)["peak_bytes"] - site.play(part, few)["peak_bytes"]) / (many - few)

    return measure


def _moved(site: Site) -> float:
    megabytes = site.places.download_bytes // 2**20
    return site.play("download", megabytes)["cpu_ms"] / megabytes


def _writes(key: str) -> Measure:
    return lambda site: site.play("writes", site.sized(3000))[key]


@attrs.frozen
class Row:
    """A line of the table; its key is what to ask for."""

    key: str
    name: str
    unit: str
    measure: Measure


_CPU: Final = "ms of a core"
_ROWS: Final = (
    Row("request", "a request, on one machine", _CPU, _each("requests", 3000)),
    Row("order", "the same over a worker's line, at the submitter", _CPU, _each("orders", 3000)),
    Row("worker", "the same, at the worker", _CPU, _each("orders", 3000, "workers_ms")),
    Row("import", "an import, on one machine", _CPU, _each("imports", 3000)),
    Row("import-journal", "an import, on one machine, with a journal", _CPU, _each("noted", 3000)),
    Row("import-cluster", "an import on a cluster, at the submitter", _CPU, _each("handed", 3000)),
    Row("pages-1000", "an import, where pages have 1,000 tasks", "requests", _each("imports", 3000, "requests")),
    Row("pages-100", "an import, where pages have 100 tasks", "requests", _each("imports", 3000, "requests", 100)),
    Row("memory", "an item that is awaited", "bytes of memory", _more("imports", 3000)),
    Row("journal", "an item in the journal", "bytes of disk", _each("noted", 3000, "journal_bytes")),
    Row("writes", "the journal, step by step", "steps a second", _writes("one_by_one")),
    Row("writes-together", "the journal, 64 steps together", "steps a second", _writes("together")),
    Row("image", "an image in a listing", _CPU, _each("listing", 10_000)),
    Row("account", "an account or a region: its sign-in and first request", _CPU, _each("accounts", 200)),
    Row("account-memory", "an account or a region", "bytes of memory", _more("accounts", 200)),
    Row("download", "a MiB that is downloaded and checked", _CPU, _moved),
)


def _rounded(value: float) -> str:
    """Return a number of two digits: more would be chance."""
    rounded = float(f"{value:.1e}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _table(rows: list[Row], site: Site, rounds: int) -> str:
    taken: dict[str, list[float]] = {row.key: [] for row in rows}
    for _ in range(rounds):
        site.begin_round()
        for row in rows:
            taken[row.key].append(row.measure(site))
    lines = [["what", "takes", "of", "`--only`"], ["---"] * 4]
    lines += [[row.name, _rounded(statistics.median(taken[row.key])), row.unit, f"`{row.key}`"] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the table, or put it on a page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="of how many runs to take the median (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="the size of the parts, as a factor (1)")
    parser.add_argument("--only", nargs="*", choices=[row.key for row in _ROWS], help="only these lines")
    parser.add_argument("--page", type=Path, help="put the table between this page's markers")
    arguments = parser.parse_args()
    chosen = [row for row in _ROWS if not arguments.only or row.key in arguments.only]
    with contextlib.ExitStack() as stack:
        table = _table(chosen, Site(stack, arguments.scale), arguments.rounds)
    where = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    size = "" if arguments.scale == 1 else f" At {arguments.scale:g} of the size: no figures to go by."
    told = f"Medians of {arguments.rounds} on {where}, rounded to two digits.{size}\n\n{table}"
    if arguments.page:
        put_on(arguments.page, told)
    else:
        print(told)


if __name__ == "__main__":
    main()
