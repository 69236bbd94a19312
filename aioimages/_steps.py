"""A job of several steps: what it has come to, which step failed, and what is undone then."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Final, Self

import anyio

from aioimages._errors import AioImagesError, NotFoundError
from aioimages._groups import task_group
from aioimages._progress import Meter, Progress

__all__ = ["Steps"]

_log: Final = logging.getLogger("aioimages")
# A program that is cancelled is not held up for longer.
_UNDOING_SECONDS: Final = 15.0

Undo = Callable[[], Awaitable[None]]


class Steps:
    """The steps of one job. Use it with `with`.

    Attributes:
        token: What tells the things that this job makes from those of others.
        progress: Who wants to know how far it is.
    """

    def __init__(self, job: str, key: str, progress: Progress | None) -> None:
        self.token = secrets.token_hex(4)
        self.progress = progress
        self._job = job
        self._key = key
        self._meter = Meter(progress, job, key, unit="items")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._meter.end()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Do a step; an error in it gets a note that says which it was."""
        try:
            yield
        except BaseException as error:
            error.add_note(f"{self._job} of {self._key}: it did not {what}")
            raise
        self._meter.advance(1)

    @asynccontextmanager
    async def undone(self, undo: Undo, *, always: bool) -> AsyncIterator[None]:
        """Undo something when the block fails, or whenever it is over."""
        try:
            yield
        except BaseException as error:
            problem = await self._undo(undo)
            if problem is not None:
                error.add_note(f"{self._job} of {self._key}: something is left behind: {problem}")
            raise
        if always and (problem := await self._undo(undo)) is not None:
            _log.warning("%s of %s: something is left behind: %s", self._job, self._key, problem)

    async def _undo(self, undo: Undo) -> AioImagesError | str | None:
        """Undo something, in a task that a further cancellation does not reach, and return what hindered it."""
        problems: list[AioImagesError | str] = []

        async def run() -> None:
            with anyio.move_on_after(_UNDOING_SECONDS, shield=True) as scope:
                try:
                    await undo()
                except NotFoundError:
                    return
                except AioImagesError as error:
                    problems.append(error)
            if scope.cancelled_caught:
                problems.append(f"there was no answer within {_UNDOING_SECONDS:g} s")

        async with task_group() as group:
            group.start_soon(run)
        return problems[0] if problems else None
