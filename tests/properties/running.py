"""A loop whose time goes on by itself, so that hypothesis tries hours in a second."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["TimelessLoop", "run"]

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nobody: what would have been waited is added to the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready at once."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will ever happen")
            self.now += max(0.0, timeout)
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    """A loop for coroutines that do no I/O."""

    def __init__(self) -> None:
        self._its_selector = _Selector()
        super().__init__(self._its_selector)
        # Timers end within the clock's resolution.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the loop's own time."""
        return self._its_selector.now


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; whoever waits for ever is an error."""
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        return runner.run(coroutine)
