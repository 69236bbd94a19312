"""A job of several steps: what it has come to, which step failed, and what is undone then."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Final, Self, TypeVar

from aioimages._progress import Meter, Progress
from aioimages._undoing import finish, undo

__all__ = ["BEGINNING_SECONDS", "Steps"]

_log: Final = logging.getLogger("aioimages")
# A program that is cancelled is not held up for longer.
_UNDOING_SECONDS: Final = 15.0
BEGINNING_SECONDS: Final = 60.0

T = TypeVar("T")


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
    async def undone(self, function: Callable[[], Awaitable[object]], *, always: bool) -> AsyncIterator[None]:
        """Undo something when the block fails, or whenever it is over."""
        try:
            yield
        except BaseException as error:
            if problem := await undo(function, seconds=_UNDOING_SECONDS):
                error.add_note(f"{self._job} of {self._key}: something is left behind: {problem}")
            raise
        if always and (problem := await undo(function, seconds=_UNDOING_SECONDS)):
            _log.warning("%s of %s: something is left behind: %s", self._job, self._key, problem)

    @asynccontextmanager
    async def begun(
        self, what: str, function: Callable[[], Awaitable[T]], undo_it: Callable[[T], Awaitable[object]]
    ) -> AsyncIterator[T]:
        """Let a service begin something, and undo that when the block fails.

        A cancellation waits until the service has answered: what nobody knows of, nobody can undo.
        """
        results: list[T] = []

        async def begin() -> None:
            results.append(await function())

        async def undo_begun() -> None:
            for result in results:
                await undo_it(result)

        async with self.undone(undo_begun, always=False):
            with self.step(what):
                await finish(begin, seconds=BEGINNING_SECONDS)
            yield results[0]
