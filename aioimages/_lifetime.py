"""What is under way ends when its client's life does, or when its time is over."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from aioimages._errors import ClientClosedError

__all__ = ["Lifetime", "TimeLimit", "TimeLimits"]


# A busy loop is late, too, but not by so much.
_STANDSTILL_SECONDS: Final = 0.5


class _Span:
    """What one task does while something lasts. It ends as `asyncio.timeout` does, but costs next to nothing."""

    def __init__(self) -> None:
        self.is_cut = False

    def begin(self) -> None:
        """Begin it."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a client works inside asyncio tasks only")
        self._task: asyncio.Task[Any] = task
        self._cancellations = task.cancelling()

    def cut(self) -> None:
        """End it now, from outside."""
        self.is_cut = True
        self._task.cancel()

    def was_ended_by_cut(self, exc_type: type[BaseException] | None) -> bool:
        """Say at its end, once, whether it was cut and nothing else ended it."""
        if not self.is_cut:
            return False
        is_ours_alone = self._task.uncancel() <= self._cancellations
        return is_ours_alone and exc_type is not None and issubclass(exc_type, asyncio.CancelledError)


class Lifetime:
    """From a client's making until it is closed."""

    def __init__(self) -> None:
        self._is_over = False
        self._spans: set[_LifeSpan] = set()

    def span(self) -> "_LifeSpan":
        """Do something within the client's life; when that is over, it ends with `ClientClosedError`."""
        if self._is_over:
            raise ClientClosedError("the client is closed")
        return _LifeSpan(self._spans)

    def end(self) -> None:
        """End it, once and for all."""
        self._is_over = True
        for span in list(self._spans):
            span.cut()


class _LifeSpan(_Span):
    def __init__(self, spans: "set[_LifeSpan]") -> None:
        super().__init__()
        self._spans = spans

    def __enter__(self) -> None:
        self.begin()
        self._spans.add(self)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spans.discard(self)
        if self.was_ended_by_cut(exc_type):
            closed = ClientClosedError("the client was closed before the answer came")
            for note in getattr(exc, "__notes__", ()):
                closed.add_note(note)
            raise closed from None


class TimeLimits:
    """Limits of the same length for whatever is under way: one timer serves them all."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = math.inf if seconds is None else seconds
        self.running: set[TimeLimit] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, loop: asyncio.AbstractEventLoop, ends_at: float) -> None:
        """Look after a while who is to be ended. What begins later mostly ends later, too, and needs no other look."""
        if ends_at == math.inf:
            return
        if self._timer is not None:
            if self._timer.when() <= ends_at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(ends_at, self._look, loop, ends_at)

    def end(self) -> None:
        """Leave no timer behind, when nothing begins any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        self._timer = None
        now = loop.time()
        late = now - due_at
        for limit in [limit for limit in self.running if limit.ends_at <= now]:
            if limit.move_on(now):
                continue
            if late > _STANDSTILL_SECONDS and not limit.was_spared:
                # The loop stood still, and has not seen yet what came meanwhile.
                limit.was_spared, limit.ends_at = True, now + late
                continue
            self.running.discard(limit)
            limit.cut()
        self.watch(loop, min((limit.ends_at for limit in self.running), default=math.inf))


class TimeLimit(_Span):
    """Leaves its block, as `anyio.move_on_after` does, when the time is over.

    Attributes:
        ends_at: When that is, on the loop's clock. It only ever moves on.
        was_spared: Whether it was moved on once because the loop stood still.
        is_cut: Whether the time was over.
    """

    def __init__(self, limits: TimeLimits, *, is_endless: bool = False) -> None:
        super().__init__()
        self._limits = limits
        self._seconds = math.inf if is_endless else limits.seconds
        self.ends_at = math.inf
        self.was_spared = False
        self._left: Callable[[], float] | None = None

    def __enter__(self) -> Self:
        self.begin()
        self._limits.running.add(self)
        loop = self._task.get_loop()
        self.ends_at = loop.time() + self._seconds
        self._limits.watch(loop, self.ends_at)
        return self

    @contextmanager
    def suspended(self, silence: Callable[[], float]) -> Iterator[None]:
        """Let what is done in a block take no time, except for the silence that there is meanwhile.

        Args:
            silence: Tells for how many seconds there has been silence.
        """
        now = self._task.get_loop().time
        began_at = now()
        left = self.ends_at - began_at
        self._left = lambda: left - min(now() - began_at, silence())
        try:
            yield
        finally:
            self.move_on(now())
            self._left = None

    def move_on(self, now: float) -> bool:
        """Move the end on by the time that was suspended so far, and say whether it is still ahead."""
        if self._left is not None:
            self.ends_at = max(self.ends_at, now + self._left())
        return self.ends_at > now

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._limits.running.discard(self)
        return self.was_ended_by_cut(exc_type)
