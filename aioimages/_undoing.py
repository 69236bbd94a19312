"""Undoing what an operation has begun, when it fails or is cancelled."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from aioimages._errors import AioImagesError, TaskTimeoutError
from aioimages._groups import task_group

__all__ = ["undo"]

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 0.2


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
