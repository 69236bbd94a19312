"""The embedded cloud's time, and what is to happen in it."""

import heapq
import itertools
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

__all__ = ["Agenda", "Clock", "moment"]

Work = Callable[[], Coroutine[Any, Any, None]]


def moment(seconds: float) -> datetime:
    """Return a number of seconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


class Clock:
    """The emulator's time, which tests can move on."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self._offset

    def moment(self) -> datetime:
        """Return the time as an aware datetime."""
        return moment(self.now())

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._offset += seconds


class Agenda:
    """What is to be done when the clock has come so far."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Work]] = []
        self._numbers = itertools.count()

    def at(self, when: float, work: Work) -> None:
        """Put something down for a time."""
        heapq.heappush(self._entries, (when, next(self._numbers), work))

    def due(self, now: float) -> list[Work]:
        """Take out what is to be done by now, in its order."""
        works = []
        while self._entries and self._entries[0][0] <= now:
            works.append(heapq.heappop(self._entries)[2])
        return works
