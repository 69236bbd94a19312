"""Cancels an operation whenever it waits, or a task that it has begun does: once at each such step, in turn."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from typing import Any

__all__ = ["Walk", "counting", "named"]

_WALK: ContextVar["Walk | None"] = ContextVar("walk", default=None)


class _Stepping(Coroutine[Any, Any, Any]):
    """What a coroutine does, and a word to its walk each time that it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], walk: "Walk") -> None:
        self.coroutine = coroutine
        self._walk = walk

    def _step(self, go_on: Callable[..., Any], *arguments: Any) -> Any:
        waiting = go_on(*arguments)
        self._walk.waits()
        return waiting

    def send(self, value: Any) -> Any:
        """Go on."""
        return self._step(self.coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        return self._step(self.coroutine.throw, *error)

    def close(self) -> None:
        """End it."""
        self.coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        # Whoever looks at a task looks at its coroutine.
        return getattr(self.coroutine, name)


class Walk:
    """One run of an operation, which is cancelled when something in it waits for the n-th time.

    Args:
        step: At which step; 0 is never.

    Attributes:
        steps: How many steps there were.
        is_cancelled: Whether it was cancelled.
    """

    def __init__(self, step: int) -> None:
        self.steps = 0
        self.is_cancelled = False
        self._step = step
        self._task: asyncio.Task[Any] | None = None

    def waits(self) -> None:
        """Note a step, and cancel the operation at the one that was asked for."""
        self.steps += 1
        if self.steps == self._step and self._task is not None and not self._task.done():
            self.is_cancelled = True
            self._task.cancel()

    async def run(self, operation: Coroutine[Any, Any, Any]) -> None:
        """Run an operation to its end, which is the cancellation where there is one."""
        context = copy_context()
        context.run(_WALK.set, self)
        self._task = asyncio.Task(_Stepping(operation, self), loop=asyncio.get_running_loop(), context=context)
        await asyncio.wait([self._task])
        if self._task.cancelled() != self.is_cancelled:
            end = "cancelled" if self._task.cancelled() else self._task.exception() or self._task.result()
            raise AssertionError(f"cancelled at step {self._step}, if at all, it ended so: {end!r}")


def counting(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    """Make a task, as a loop's task factory, and count its steps where an operation begins it."""
    walk = _WALK.get()
    return asyncio.Task(coroutine if walk is None else _Stepping(coroutine, walk), loop=loop, **options)


def named(task: asyncio.Task[Any]) -> str:
    """Return what a task does."""
    does = task.get_coro()
    return repr(does.coroutine if isinstance(does, _Stepping) else does)
