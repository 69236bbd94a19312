"""What the demo shows: a live table on a terminal, plain lines elsewhere."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from aioimages import Image

__all__ = ["Display"]

_PLAIN_WIDTH: Final = 120
_STATUSES: Final = {"pending": "yellow", "processing": "cyan", "success": "green", "failure": "red"}


def printable(text: str | None) -> str:
    """Return text from a cloud as it can stand on a terminal: without control characters, and without markup."""
    return escape("".join(character if character.isprintable() else "?" for character in text or ""))


class Display:
    """Tells what the demo does."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _PLAIN_WIDTH

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(printable(line), soft_wrap=True)

    def images(self, title: str, images: Iterable[Image]) -> None:
        """Print images as a table."""
        table = Table(title=title, title_justify="left")
        table.add_column("name", no_wrap=True)
        table.add_column("status", no_wrap=True, min_width=6)
        table.add_column("size", no_wrap=True, min_width=9, justify="right")
        table.add_column("id", no_wrap=True, min_width=36)
        for image in images:
            size = "" if image.size is None else decimal(image.size)
            table.add_row(printable(image.name), printable(image.status), size, printable(image.id))
        self._console.print(table)

    @contextmanager
    def progress(self, total: int) -> Iterator["Progress"]:
        """Show how many tasks are in which state, for as long as the block runs."""
        if self._console.is_terminal:
            with Live(console=self._console, refresh_per_second=10) as live:
                yield Progress(total, live, self._console)
        else:
            yield Progress(total, None, self._console)

    def closing(self, figures: Mapping[str, str]) -> None:
        """Print the closing table."""
        table = Table(title="in the end", title_justify="left", show_header=False)
        for name, figure in figures.items():
            table.add_row(name, figure)
        self._console.print(table)


class Progress:
    """The states of some tasks, as they change."""

    def __init__(self, total: int, live: Live | None, console: Console) -> None:
        self._total = total
        self._live = live
        self._console = console
        self._shown: dict[str, int] = {}

    def update(self, counts: Counter[str]) -> None:
        """Show new counts by status."""
        shown = {status: counts[status] for status in _STATUSES}
        if shown == self._shown:
            return
        self._shown = shown
        if self._live is None:
            self._console.print("  ".join(f"{status} {number:>3}" for status, number in shown.items()))
        else:
            self._live.update(self._table(shown))

    def _table(self, shown: Mapping[str, int]) -> Table:
        table = Table.grid(padding=(0, 1))
        for status, number in shown.items():
            bar = ProgressBar(total=self._total, completed=number, width=40, complete_style=_STATUSES[status])
            table.add_row(status, str(number), bar)
        return table
