"""Ready-made ways of showing how far things are: `progress=` takes any of them, or an object of yours with `update`.

from aioimages.progress import RichProgress

with RichProgress() as progress:
    await client.images.download(image_id, "web.qcow2", progress=progress)
"""

import logging
import time
from collections import deque
from importlib import import_module
from typing import Any, Final, Self

from aioimages._errors import ConfigurationError
from aioimages._progress import Progress, ProgressEvent

__all__ = ["LoggingProgress", "Progress", "ProgressEvent", "RichProgress", "TqdmProgress"]

_FINISHED_ROWS: Final = 10
_log: Final = logging.getLogger("aioimages.progress")


class LoggingProgress:
    """Writes a line to the log `aioimages.progress` now and then.

    Args:
        interval: Seconds between two lines about one thing; its end is always told.
        level: The level of the lines.
    """

    def __init__(self, *, interval: float = 10.0, level: int = logging.INFO) -> None:
        self._interval = interval
        self._level = level
        self._due: dict[tuple[str, str], float] = {}

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        thing, now = (event.phase, event.key), time.monotonic()
        if not event.is_last and now < self._due.setdefault(thing, now):
            return
        self._due[thing] = now + self._interval
        if event.is_last:
            del self._due[thing]
        of_total = f" of {_amount(event.total, event.unit)}" if event.total is not None else ""
        end = ", ended" if event.is_last else ""
        _log.log(self._level, "%s: %s%s%s", _printable(" ".join(thing)), _amount(event.done, event.unit), of_total, end)


class RichProgress:
    """Shows a bar for each thing on the terminal, or in a notebook, by rich (`pip install 'aioimages[progress]'`).

    With `with` the bars stop at the block's end, otherwise when nothing goes on any more. Of what has ended, the last
    few stay in sight.

    Args:
        display: A `rich.progress.Progress` of yours to add the bars to, instead of one of its own.
    """

    def __init__(self, display: Any = None) -> None:
        rich_progress = _extra("rich.progress")
        self._escape = _extra("rich.markup").escape
        self._display = display or rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.TaskProgressColumn(),
            rich_progress.TextColumn("{task.fields[amount]}"),
            rich_progress.TimeRemainingColumn(),
        )
        self._is_own = display is None
        self._is_in_block = False
        self._rows: dict[tuple[str, str], Any] = {}
        self._finished: deque[Any] = deque()

    def __enter__(self) -> Self:
        self._is_in_block = True
        if self._is_own:
            self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_own:
            self._display.stop()

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        thing, amount = (event.phase, event.key), _amount(event.done, event.unit)
        if self._is_own and not self._is_in_block:
            self._display.start()
        if thing not in self._rows:
            description = self._escape(_printable(" ".join(thing)))
            self._rows[thing] = self._display.add_task(description, total=event.total, amount=amount)
        row = self._rows[thing]
        self._display.update(row, completed=event.done, total=event.total, amount=amount)
        if event.is_last:
            self._display.stop_task(row)
            self._finished.append(self._rows.pop(thing))
            if len(self._finished) > _FINISHED_ROWS:
                self._display.remove_task(self._finished.popleft())
            if self._is_own and not self._is_in_block and not self._rows:
                self._display.stop()


class TqdmProgress:
    """Shows a bar for each thing by tqdm, on the terminal or in a notebook (`pip install 'aioimages[progress]'`).

    Args:
        options: What each bar is to be made with, as tqdm takes it: `file=sys.stdout`, `colour="green"`.
    """

    def __init__(self, **options: Any) -> None:
        self._make = _extra("tqdm.auto").tqdm
        self._options = options
        self._bars: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        thing = event.phase, event.key
        if thing not in self._bars:
            scale = {"unit": "B", "unit_scale": True, "unit_divisor": 1024} if event.unit == "bytes" else {}
            made = {
                "desc": _printable(" ".join(thing)),
                "unit": event.unit,
                **scale,
                "total": event.total,
                "leave": None,
            }
            self._bars[thing] = self._make(**{**made, **self._options})
        bar = self._bars[thing]
        bar.total = event.total
        bar.update(event.done - bar.n)
        if event.is_last:
            self._bars.pop(thing).close()


def _printable(text: str) -> str:
    """Return a text that does nothing to a terminal: an object or a path may be called anything."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _extra(name: str) -> Any:
    """Import a library that only those need who use it; it is slow to import, too."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        library = name.partition(".")[0]
        problem = ConfigurationError(f"showing progress by {library} needs it: pip install 'aioimages[progress]'")
    raise problem


def _amount(count: int, unit: str) -> str:
    if unit != "bytes":
        return f"{count:,} {unit}"
    scaled, names = float(count), iter(("bytes", "KiB", "MiB", "GiB"))
    name = next(names)
    while scaled >= 1024 and (larger := next(names, None)):  # noqa: PLR2004  # the next unit
        scaled, name = scaled / 1024, larger
    return f"{scaled:,.0f} {name}" if name == "bytes" else f"{scaled:,.1f} {name}"
