"""What is counted while the soak runs, and what must never happen."""

import asyncio
import sys
from collections import Counter, defaultdict, deque
from typing import Final

__all__ = ["Tallies", "Ticker"]

_MOST_TOLD: Final = 20
_TICK_SECONDS: Final = 0.05
_TICKS: Final = 2000


class Tallies:
    """Counts what became of the operations.

    Attributes:
        done: How many were done, by kind.
        failed: How many ended with a reported error, by kind and class.
        cancelled: How many were cancelled or ran out of their caller's time, by kind.
        longest: The seconds that the longest took, by kind.
        broken: What must not be, each with a word for the rule that it breaks.
    """

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.cancelled: Counter[str] = Counter()
        self.longest: defaultdict[str, float] = defaultdict(float)
        self.broken: Counter[str] = Counter()

    @property
    def kinds(self) -> list[str]:
        """The kinds of operations, in order."""
        return sorted(self.done.keys() | self.failed.keys() | self.cancelled.keys())

    def total(self) -> int:
        """Return how many operations there were."""
        return self.done.total() + self.cancelled.total() + sum(errors.total() for errors in self.failed.values())

    def fail(self, kind: str, error: Exception) -> None:
        """Count an operation that ended with an error."""
        self.failed[kind][type(error).__name__] += 1

    def breach(self, rule: str, what: str) -> None:
        """Note that a rule was broken, and say so at once."""
        self.broken[rule] += 1
        if self.broken[rule] <= _MOST_TOLD:
            print(f"{rule}: {what}", file=sys.stderr, flush=True)


class Ticker:
    """Wants to be called every so often, and so knows when the event loop stood still: its machine has other work, too.

    Attributes:
        longest: The seconds that it stood still at a time, at the most.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._late: deque[tuple[float, float]] = deque(maxlen=_TICKS)

    async def tick(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            late = loop.time() - due
            self._late.append((loop.time(), late))
            self.longest = max(self.longest, late)

    def stood_still(self, since: float) -> float:
        """Return how many seconds the loop has stood still since a time."""
        return sum(late for at, late in self._late if at > since)
