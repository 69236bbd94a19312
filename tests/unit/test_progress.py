"""How far things are, and the ready-made ways of showing it."""

import io
import logging

import pytest
from rich.console import Console
from rich.progress import Progress as RichBars

from aioimages import ProgressEvent
from aioimages._progress import Meter
from aioimages.progress import LoggingProgress, RichProgress, TqdmProgress

MIB = 2**20


class Seen:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[ProgressEvent] = []

    def update(self, event: ProgressEvent) -> None:
        """Keep it."""
        self.events.append(event)


def event(done: int, *, key: str = "disk", total: int | None = 4 * MIB, is_last: bool = False) -> ProgressEvent:
    """Return an event of a download."""
    return ProgressEvent(phase="download", key=key, done=done, total=total, is_last=is_last)


def test_meter_tells_ten_times_a_second() -> None:
    """Events come ten a second at the most, however much is counted; the end is told at once."""
    seen, now = Seen(), 0.0
    meter = Meter(seen, "download", "disk", 1000, clock=lambda: now)
    for _ in range(1000):
        meter.advance(1)
        now += 0.001
    meter.end()
    assert 10 <= len(seen.events) <= 12
    assert [event.done for event in seen.events] == sorted(event.done for event in seen.events)
    assert seen.events[-1] == ProgressEvent(phase="download", key="disk", done=1000, total=1000, is_last=True)


def test_meter_of_items() -> None:
    """Items are counted under a number of their own; their total is known where their number is."""
    seen = Seen()
    for items in (["a", "b"], iter("ab")):
        Meter.of_items(seen, "bulk", items).end()
    first, second = seen.events
    assert (first.total, second.total, first.unit) == (2, None, "items")
    assert first.key != second.key


def test_meter_for_nobody() -> None:
    """Where nobody wants to know, nothing is told."""
    meter = Meter(None, "download", "disk")
    meter.advance(1)
    meter.end()


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    """The log gets a line at the beginning, one an interval, and one at the end."""
    progress = LoggingProgress(interval=1000)
    with caplog.at_level(logging.INFO, "aioimages.progress"):
        for done in (0, MIB, 2 * MIB):
            progress.update(event(done))
        progress.update(event(1536, key="other", total=None))
        progress.update(event(4 * MIB, is_last=True))
        progress.update(ProgressEvent(phase="bulk", key="1", done=1200, total=3000, unit="items"))
    assert caplog.messages == [
        "download disk: 0 bytes of 4.0 MiB",
        "download other: 1.5 KiB",
        "download disk: 4.0 MiB of 4.0 MiB, ended",
        "bulk 1: 1,200 items of 3,000 items",
    ]


def test_rich() -> None:
    """Rich shows a bar for each thing, and keeps the last few that have ended in sight."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    bars = RichBars("{task.description}", "{task.fields[amount]}", console=console, auto_refresh=False)
    with RichProgress(bars) as progress:
        for number in range(15):
            progress.update(event(MIB, key=f"disk-{number}"))
            progress.update(event(4 * MIB, key=f"disk-{number}", is_last=True))
        progress.update(event(2 * MIB, key="running"))
        assert [task.description for task in bars.tasks[:1]] == ["download disk-5"]
        assert len(bars.tasks) == 11
        bars.print(bars)
    assert "download running 2.0 MiB" in shown.getvalue()


def test_rich_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a display of yours it makes one, which is shown while the block runs."""
    with RichProgress() as progress:
        progress.update(event(MIB))
        progress.update(event(4 * MIB, is_last=True))
    shown = capsys.readouterr().out
    assert "download disk" in shown
    assert "100%" in shown
    assert "4.0 MiB" in shown


def test_tqdm() -> None:
    """Tqdm shows a bar for each thing, in bytes or in items."""
    shown = io.StringIO()
    progress = TqdmProgress(file=shown, mininterval=0, ncols=100)
    progress.update(event(MIB))
    progress.update(event(4 * MIB, is_last=True))
    progress.update(ProgressEvent(phase="bulk", key="1", done=3, total=7, unit="items"))
    progress.update(ProgressEvent(phase="bulk", key="1", done=7, total=7, unit="items", is_last=True))
    assert "download disk:  25%" in shown.getvalue()
    assert "4.00M/4.00M" in shown.getvalue()
    assert "bulk 1: 100%" in shown.getvalue()
    assert "7/7" in shown.getvalue()
