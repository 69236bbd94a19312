"""The figures of the soak as Markdown."""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs
from book import Book
from desk import Clients
from tallies import Tallies, Ticker

__all__ = ["Sample", "put_into", "report"]

_STEP_SECONDS = 300.0
_MIB = 2**20
_BEGIN = "<!-- figures: begin -->"
_END = "<!-- figures: end -->"


@attrs.frozen
class Sample:
    """What the process held at a time."""

    seconds: float
    memory_bytes: int
    objects: int
    files: int


class Run(Protocol):
    """What a run has come to."""

    tallies: Tallies
    ticker: Ticker
    book: Book
    samples: list[Sample]
    requests: int
    faults: dict[str, int]
    seconds: float
    clients: list[Clients]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(map(_shown, row)) + " |" for row in rows]
    return "\n".join(lines)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in Counter(counts).most_common() if count)


def report(run: Run, arguments: argparse.Namespace, machine: str) -> str:
    """Return the figures of a run."""
    tallies = run.tallies
    return "\n\n".join(
        [
            f"{time.strftime('%Y-%m-%d')}, {machine}: seed {arguments.seed}, {run.seconds / 60:.1f} minutes.",
            _summary(run),
            _table(
                ["operation", "done", "reported error", "cancelled", "longest, s"],
                [
                    (
                        kind,
                        tallies.done[kind],
                        tallies.failed[kind].total() if kind in tallies.failed else 0,
                        tallies.cancelled[kind],
                        f"{tallies.longest[kind]:.1f}" if kind in tallies.longest else "",
                    )
                    for kind in tallies.kinds
                ],
            ),
            _table(["fault", "requests"], Counter(run.faults).most_common()),
            _memory(run.samples),
        ]
    )


def put_into(page: Path, text: str) -> None:
    """Put figures into a page, in place of those of an earlier run."""
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{rest.partition(_END)[2]}")


def _summary(run: Run) -> str:
    tallies = run.tallies
    done, total, struck = tallies.done.total(), tallies.total(), sum(run.faults.values())
    errors: Counter[str] = sum(tallies.failed.values(), Counter())
    rows: list[tuple[str, object]] = [
        ("operations", total),
        ("of these done", f"{done:,} ({done / max(1, total):.1%})"),
        ("of these ended with a reported error", f"{errors.total():,} ({_named(errors)})"),
        ("of these cancelled, or out of the caller's time", tallies.cancelled.total()),
        ("requests", run.requests),
        ("of these struck by a fault", f"{struck:,} ({struck / max(1, run.requests):.1%})"),
        ("clients closed in the midst of their work", sum(clients.renewed for clients in run.clients)),
        ("images, tasks and objects compared with the cloud", run.book.checked),
        ("lost", tallies.broken["lost"]),
        ("doubled", tallies.broken["doubled"]),
        ("left in the cloud", tallies.broken["left"]),
        ("tasks, timers, connections, descriptors, threads, files left", tallies.broken["leaked"]),
        ("errors of other classes", tallies.broken["foreign"]),
        ("errors never retrieved, things never closed", tallies.broken["complaint"]),
        ("wrong answers", tallies.broken["wrong answer"]),
        ("later than the deadline and a second", tallies.broken["late"]),
        ("longest time that the event loop stood still", f"{run.ticker.longest:.1f} s"),
        ("growth of memory above a tenth after 5 minutes", tallies.broken["memory"]),
    ]
    return _table(["what", "figure"], rows)


def _memory(samples: Sequence[Sample]) -> str:
    """Return memory and descriptors at the start, every five minutes, and at the end."""
    chosen, due = [], 0.0
    for sample in samples:
        if sample.seconds >= due or sample is samples[-1]:
            chosen.append(sample)
            due += _STEP_SECONDS
    return _table(
        ["minute", "memory, MiB", "objects", "descriptors"],
        [(f"{one.seconds / 60:.0f}", f"{one.memory_bytes / _MIB:.1f}", one.objects, one.files) for one in chosen],
    )
