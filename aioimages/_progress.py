"""How far something is: what is told, to whom, and not too often."""

import itertools
import time
from collections.abc import Callable, Sized
from typing import Final, Protocol, Self

import attrs

__all__ = ["Meter", "Progress", "ProgressEvent"]

_PAUSE_SECONDS: Final = 0.1


@attrs.frozen(kw_only=True)
class ProgressEvent:
    """How far something is.

    Attributes:
        phase: What is being done: `download`, `upload`, `stage`, `check` (data that are there already are hashed),
            `import`, `tasks` (that are waited for) or `bulk`.
        key: What it is done with: an image's id, or for many at once a number that tells them from others.
        done: How much of it is done.
        total: How much there is to do, where that is known.
        unit: What is counted: `bytes` or `items`.
        is_last: Whether it is over, well or badly.
    """

    phase: str
    key: str
    done: int
    total: int | None = None
    unit: str = "bytes"
    is_last: bool = False


class Progress(Protocol):
    """Whoever wants to know how far things are. `aioimages.progress` has some ready-made ones."""

    def update(self, event: ProgressEvent) -> None:
        """Take an event, in the event loop: do nothing long. One thing's events come in order, ten a second at most."""


_runs: Final = itertools.count(1)


class Meter:
    """Counts one thing, and tells of it now and then."""

    @classmethod
    def of_items(cls, progress: Progress | None, phase: str, items: object) -> Self:
        """Make a meter that counts items, as many as there are where that is known."""
        total = len(items) if isinstance(items, Sized) else None
        return cls(progress, phase, str(next(_runs)), total, unit="items")

    def __init__(
        self,
        progress: Progress | None,
        phase: str,
        key: str,
        total: int | None = None,
        *,
        unit: str = "bytes",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._event = ProgressEvent(phase=phase, key=key, done=0, total=total, unit=unit)
        self._clock = clock
        self._next = clock()

    def advance(self, amount: int) -> None:
        """Count so much more."""
        self.reach(self._event.done + amount)

    def reach(self, done: int) -> None:
        """Count so much in all."""
        if self._progress is None:
            return
        self._event = attrs.evolve(self._event, done=done)
        now = self._clock()
        if now >= self._next:
            self._next = now + _PAUSE_SECONDS
            self._progress.update(self._event)

    def end(self) -> None:
        """Tell of the end."""
        if self._progress is not None:
            self._progress.update(attrs.evolve(self._event, is_last=True))
