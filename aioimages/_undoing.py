"""Undoing what an operation has begun, when it fails or is cancelled, and knowing what it has begun."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from aioimages._errors import AioImagesError, TaskTimeoutError
from aioimages._groups import task_group

__all__ = ["finish", "undo"]

T = TypeVar("T")

_log: Final = logging.getLogger("aioimages")

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.2


async def finish(function: Callable[[], Awaitable[T]], *, seconds: float) -> T:
    """Let a service begin something, and hear of it also when cancelled: what nobody knows of, nobody can undo.

    A cancellation waits until the service has answered, but not for longer than some seconds.
    """
    results: list[T] = []
    is_over = anyio.Event()
    scope = anyio.CancelScope(shield=True)

    async def run() -> None:
        with scope:
            results.append(await function())
            is_over.set()
        if scope.cancelled_caught:
            _log.warning("the service did not answer within %g s: what it was asked to begin may go on", seconds)

    async with task_group() as group:
        group.start_soon(run)
        try:
            await is_over.wait()
        except anyio.get_cancelled_exc_class():
            scope.deadline = anyio.current_time() + seconds
            raise
    return results[0]


async def undo(function: Callable[[], Awaitable[object]], *, seconds: float) -> str | None:
    """Undo something within some seconds, and return what hindered that, or `None`.

    It goes on in a task of its own, which no further cancellation reaches. It is tried thrice, so that what it has
    undone already must not be an error to it.
    """
    problems: list[str] = []

    async def run() -> None:
        with anyio.move_on_after(seconds, shield=True) as scope:
            for tries in range(1, _TRIES + 1):
                try:
                    await function()
                except AioImagesError as error:
                    if tries == _TRIES or isinstance(error, TaskTimeoutError):
                        problems.append(str(error))
                        return
                    await anyio.sleep(_PAUSE_SECONDS)
                else:
                    return
        if scope.cancelled_caught:
            problems.append(f"the service did not answer within {seconds:g} s")

    async with task_group() as group:
        group.start_soon(run)
    return problems[0] if problems else None
