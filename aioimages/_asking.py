"""Asking for tasks, each of which is made once, also where the answer is lost."""

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import anyio
import attrs

from aioimages._attempts import Trail
from aioimages._calls import tasks as calls
from aioimages._calls.place import place
from aioimages._errors import (
    AioImagesError,
    AmbiguousOutcomeError,
    ClientClosedError,
    ProtocolError,
    UnsafeLinkError,
)
from aioimages._finding import Finder, Lately
from aioimages._limiter import Rank
from aioimages._models import Task
from aioimages._policy import TimeoutPolicy
from aioimages._session import Session
from aioimages._sharing import Shared

__all__ = ["Asker", "Question"]

_LOST: Final = (AmbiguousOutcomeError, ProtocolError)
_SHOWN: Final = 3
# Longer than clocks differ, and a request takes.
_MEMORY_SECONDS: Final = 900.0

Post = Callable[[Trail], Awaitable[Task]]


@attrs.define(eq=False, kw_only=True)
class Question:
    """A task that is to be asked for.

    Attributes:
        type: Its type.
        details: Its input.
        request_id: The id of the request for it, where tasks keep that.
        mark: What it is known by; empty where nothing tells it from others.
        is_told_apart: Whether no other task has its mark, or whether it does no harm to take one for the other.
        patience: Seconds to look for it before it is asked for once more.
        seconds: What all of this may take, from when it is asked for.
        since: When it can have been asked for, by the service's clock, in seconds since 1970, once that is known.
        attempts: How many requests for it have had no answer.
        candidates: The tasks of which it may be one, where it was looked for in vain.
    """

    type: str
    details: Mapping[str, Any]
    request_id: str | None
    mark: calls.Mark
    is_told_apart: bool
    patience: float
    seconds: float
    since: float | None = None
    attempts: int = 0
    candidates: tuple[Task, ...] = ()


class Asker:
    """Asks for tasks. One whose answer is lost is looked for, before it is asked for again.

    Where requests have ids, that is what it is found by. Elsewhere it is a task of the same content, if there is just
    one and nobody else here has asked for such. An import is not asked for again then: that would make a second image,
    while of equal exports only the first one has an effect.

    Args:
        session: Where the tasks are made.
        timeout: For how long to look.
        memory_seconds: How long it is known which tasks belong to somebody.
    """

    def __init__(self, session: Session, timeout: TimeoutPolicy, *, memory_seconds: float = _MEMORY_SECONDS) -> None:
        self.timeout = timeout
        self._session = session
        self._memory_seconds = memory_seconds
        self._finders: dict[str, Finder] = {}
        self._asked: Counter[calls.Mark] = Counter()
        self._disputed = Lately(memory_seconds)
        self._service_ahead = 0.0
        self._compared_clocks = Shared(self._compare_clocks)

    def for_run(self) -> "Asker":
        """Return one for a run, in which no task belongs to two."""
        return Asker(self._session, self.timeout, memory_seconds=math.inf)

    def question(
        self,
        type: str,
        details: Mapping[str, Any],
        *,
        request_id: str | None = None,
        is_told_apart: bool = False,
        patience: float | None = None,
        seconds: float | None = None,
        since: float | None = None,
    ) -> Question:
        """Return a question; `None` is what is usual."""
        dialect = self._session.dialect
        request_id = request_id or calls.new_request_id(dialect)
        return Question(
            type=type,
            details=details,
            request_id=request_id,
            mark=calls.mark_of(dialect, type, details, request_id),
            is_told_apart=is_told_apart or dialect.tasks_have_request_ids or type == "export",
            patience=self.timeout.lost_after if patience is None else patience,
            seconds=math.inf if seconds is None else seconds,
            since=since,
        )

    async def task(self, type: str, details: Mapping[str, Any]) -> Task:
        """Return a new task; it raises what `ask` does."""
        question = self.question(type, details, seconds=self.timeout.call)
        call = calls.create(self._session.dialect, type, details, request_id=question.request_id)
        return await self.ask(question, partial(self._session.run, call))

    def own(self, type: str, task_id: str) -> None:
        """Note that a task belongs to somebody."""
        self._finder(type).own(task_id)

    async def ask(self, question: Question, post: Post) -> Task:
        """Return the task that a question is for, newly made or found.

        Args:
            question: What is asked for.
            post: Asks for it.

        Raises:
            AmbiguousOutcomeError: Nobody can tell whether there is such a task, or which one it is.
        """
        with self._asking(question):
            trail, asked_at = Trail(), time.monotonic()
            try:
                return self._owned(question, await post(trail))
            except _LOST as error:
                lost = error
            question.attempts = lost.attempts
            if not question.mark or isinstance(lost, UnsafeLinkError):
                raise lost
            asked_at = asked_at if trail.began_at is None else trail.began_at
            left = question.seconds - (time.monotonic() - asked_at)
            with self._session.lifetime.span(), anyio.move_on_after(left):
                return await self._found_or_repeated(question, post, asked_at, lost)
            raise self._unsure(question, f"it was not found out within {question.seconds:g} s", lost)

    async def find(self, question: Question, lost: AioImagesError | None = None) -> Task | None:
        """Return the task that was asked for, or `None` where it is safe to ask once more.

        Raises:
            AmbiguousOutcomeError: Nobody can tell whether there is such a task, or which one it is.
        """
        found = await self._look(question, lost)
        if found and self._is_enough(question, found):
            # Of equal exports, the first one succeeds.
            return self._owned(question, found[-1])
        if question.is_told_apart:
            return None
        raise self._unsure(question, _counted(found, question), lost)

    async def earlier(self, question: Question) -> Task | None:
        """Return a task of the same content that belongs to nobody, though another one was asked for."""
        found = await self._look(question, None, looks=1)
        return self._owned(question, found[-1]) if found else None

    async def _found_or_repeated(self, question: Question, post: Post, asked_at: float, lost: AioImagesError) -> Task:
        if question.since is None:
            with self._explained(question, lost):
                await self._compared_clocks.done()
            question.since = asked_at + self._service_ahead
        task = await self.find(question, lost)
        if task is not None:
            return task
        try:
            task = self._owned(question, await post(Trail()))
        except _LOST as error:
            lost = error
            question.attempts += lost.attempts
        else:
            # One that was carried out late is the export that succeeds.
            with suppress(AmbiguousOutcomeError):
                return (None if question.request_id else await self.earlier(question)) or task
            return task
        task = await self.find(question, lost)
        if task is None:
            raise self._unsure(question, _counted([], question), lost)
        return task

    async def _look(self, question: Question, lost: AioImagesError | None, **options: Any) -> list[Task]:
        def is_enough(found: list[Task]) -> bool:
            question.candidates = () if question.is_told_apart else tuple(found)
            return self._is_enough(question, found)

        since = -math.inf if question.since is None else question.since
        with self._explained(question, lost):
            return await self._finder(question.type).find(
                question.mark, since=since, patience=question.patience, is_enough=is_enough, **options
            )

    def _is_enough(self, question: Question, found: list[Task]) -> bool:
        if question.is_told_apart:
            return bool(found)
        is_only = len(found) == 1 and self._asked[question.mark] == 1
        return is_only and found[0].id not in self._disputed

    def _finder(self, type: str) -> Finder:
        finder = self._finders.get(type)
        if finder is None:
            finder = self._finders[type] = Finder(self._session, type, memory_seconds=self._memory_seconds)
        return finder

    def _owned(self, question: Question, task: Task) -> Task:
        self._finder(question.type).own(task.id)
        return task

    @contextmanager
    def _asking(self, question: Question) -> Iterator[None]:
        """Let it be known that a task of this content is being asked for."""
        self._asked[question.mark] += 1
        try:
            yield
        finally:
            self._asked[question.mark] -= 1
            if not self._asked[question.mark]:
                del self._asked[question.mark]

    async def _compare_clocks(self) -> None:
        here = await self._session.ranked(Rank.SOON).run(place())
        self._service_ahead = (here.time or datetime.now(UTC)).timestamp() - time.monotonic()

    @contextmanager
    def _explained(self, question: Question, lost: AioImagesError | None) -> Iterator[None]:
        """Say that what hinders the search leaves open what it was for."""
        try:
            yield
        except ClientClosedError:
            raise
        except AioImagesError as error:
            problem = self._unsure(question, f"it cannot be looked for: {error}", lost)
        else:
            return
        raise problem

    def _unsure(self, question: Question, what: str, lost: AioImagesError | None) -> AmbiguousOutcomeError:
        for task in question.candidates:
            self._disputed.add(task.id)
        said = str(lost.args[0]) if lost and lost.args else ""
        if not isinstance(lost, AmbiguousOutcomeError):
            said = f"POST tasks may or may not have been carried out{': ' * bool(said)}{said}"
        error = AmbiguousOutcomeError(f"{said}; {what}", candidates=question.candidates)
        error.attempts = question.attempts
        error.__cause__ = lost and lost.__cause__
        return error


def _counted(found: list[Task], question: Question) -> str:
    if not found:
        return f"no such task was found within {question.patience:g} s"
    ids = " or ".join(task.id for task in found[:_SHOWN])
    more = len(found) - _SHOWN
    return f"it may be task {ids}{f' or one of {more} more' if more > 0 else ''}"
