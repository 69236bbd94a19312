"""What a run does with one item, step by step; each step is in the journal before it is taken."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from secrets import token_hex
from typing import Any, Final, Generic, Protocol, TypeVar

import anyio

from aioimages._asking import Asker, Question
from aioimages._attempts import Trail
from aioimages._bulk import results
from aioimages._bulk.journal import Journal
from aioimages._bulk.records import Record, Step
from aioimages._calls import tasks as calls
from aioimages._errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    EndpointNotFoundError,
    PoolTimeoutError,
    ProxyError,
    StatusError,
    TlsError,
)
from aioimages._models import Task
from aioimages._resources.images import Images
from aioimages._session import Session
from aioimages._waiting import Waiter, failure_of

__all__ = ["FunctionJob", "Job", "TaskJob"]

R = TypeVar("R")
V = TypeVar("V")
R_contra = TypeVar("R_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)

_LONGEST_NAME: Final = 255
# After these, the service has surely begun nothing.
_WITHOUT_EFFECT: Final = (
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    EndpointNotFoundError,
    PoolTimeoutError,
    ProxyError,
    StatusError,
    TlsError,
)


class Job(Protocol[R_contra, V_co]):
    """What is to be done with the items of a run."""

    async def perform(self, request: R_contra, record: Record, /) -> V_co:
        """Do what is left to be done with an item."""
        raise NotImplementedError

    def recall(self, record: Record, /) -> V_co:
        """Return what came of an item that an earlier run has finished, or raise its error."""
        raise NotImplementedError


class FunctionJob(Generic[R, V]):
    """Applies a function, from its beginning whenever it did not come to its end.

    Args:
        journal: Where the steps go.
        function: What is applied.
        keep: Notes the result.
        recall: Makes the result of what was noted.
    """

    def __init__(
        self,
        journal: Journal,
        function: Callable[[R], Awaitable[V]],
        keep: Callable[[V, Record], None],
        recall: Callable[[Record], V],
    ) -> None:
        self._journal = journal
        self._function = function
        self._keep = keep
        self.recall = recall

    async def perform(self, request: R, record: Record, /) -> V:
        """Apply the function to an item."""
        record.go_to(Step.WORKING)
        await self._journal.write(record)
        try:
            value = await self._function(request)
        except Exception:
            record.go_to(Step.NEW)
            raise
        self._keep(value, record)
        return value


class TaskJob(Generic[R]):
    """Has a task made for an item, exactly once, and awaits it.

    Args:
        session: Asks for the tasks.
        waiter: Awaits them.
        asker: Finds them again, when their answer is lost.
        images: Renames their images.
        journal: Where the steps go.
        type: Of which type the tasks are.
        input_of: Returns the input of an item's task, whose image gets the name that is given, if one is.
        timeout: Seconds to wait for each task.
        patience: Seconds to look for a task whose answer was lost, before it is asked for again; `None` is as usual.
        unique_names: Whether tasks are asked for under names that no other has.
    """

    def __init__(
        self,
        session: Session,
        waiter: Waiter,
        asker: Asker,
        images: Images,
        journal: Journal,
        *,
        type: str,
        input_of: Callable[[R, str | None], Mapping[str, Any]],
        timeout: float | None,
        patience: float | None,
        unique_names: bool = False,
    ) -> None:
        self._session = session
        self._waiter = waiter
        self._images = images
        self._journal = journal
        self._type = type
        self._input_of = input_of
        self._timeout = timeout
        self._patience = patience
        self._unique_names = unique_names
        # Not more items are being asked for than need be: they are what must be looked for after a crash. Half of them
        # are on their way while the others' steps are written.
        self._places = anyio.Semaphore(2 * session.concurrency)
        self._asker = asker.for_run() if journal.is_kept else asker
        for record in journal.records.values():
            if record.task_id is not None:
                self._asker.own(type, record.task_id)

    def recall(self, record: Record, /) -> Task:
        """Return the task that an earlier run has awaited, or raise that it failed."""
        task = results.task(record)
        if record.step is Step.FAILED:
            raise failure_of(task)
        return task

    async def perform(self, request: R, record: Record, /) -> Task:
        """Go on with an item from the step where it is."""
        if record.step is Step.RENAMING:
            task = results.task(record)
        else:
            question = self._question(request, record)
            if record.task_id is None:
                await self._begin(question, record)
            task = await self._end(question, record)
        if record.asked_name is not None:
            record.go_to(Step.RENAMING)
            await self._journal.write(record)
            await self._images.update(task.image_id, {"name": record.name})
        return task

    def _question(self, request: R, record: Record) -> Question:
        if record.step is Step.NEW:
            if self._unique_names and record.asked_name is None:
                record.asked_name = f"{record.name[: _LONGEST_NAME - 9]}-{token_hex(4)}"
            record.request_id = calls.new_request_id(self._session.dialect)
        return self._asker.question(
            self._type,
            self._input_of(request, record.asked_name),
            request_id=record.request_id,
            # With a journal, no two items are equal, and all tasks since its beginning may be theirs.
            is_told_apart=self._journal.is_kept,
            since=self._journal.began_at,
            patience=self._patience,
        )

    async def _begin(self, question: Question, record: Record) -> None:
        """See to it that there is a task."""
        task = await self._asker.find(question) if record.step is Step.ASKING else None
        task = task or await self._asker.ask(question, partial(self._post, question, record))
        record.task_id = task.id
        record.go_to(Step.AWAITING)
        record.meet(None)
        await self._journal.write(record)

    async def _post(self, question: Question, record: Record, trail: Trail) -> Task:
        is_new = record.step is Step.NEW
        call = calls.create(self._session.dialect, question.type, question.details, request_id=question.request_id)
        async with self._places:
            record.go_to(Step.ASKING)
            await self._journal.write(record)
            try:
                return self._waiter.promised(await self._session.run(call, trail))
            except _WITHOUT_EFFECT:
                if is_new:
                    record.go_to(Step.NEW)
                raise

    async def _end(self, question: Question, record: Record) -> Task:
        """Await an item's task, and note how it ended."""
        task = await self._waiter.ended(str(record.task_id), self._timeout, kind=self._type)
        if task.status == "failure":
            task = await self._earlier(task, question) or task
        if task.status == "failure":
            record.go_to(Step.FAILED)
            raise failure_of(self._kept(task, record))
        return self._kept(task, record)

    def _kept(self, task: Task, record: Record) -> Task:
        """Note how a task ended, where anything is noted, and return it."""
        if self._journal.is_kept:
            results.keep_task(task, record)
        return results.shown(task)

    async def _earlier(self, failed: Task, question: Question) -> Task | None:
        """Return the task that has put there what a repeated export finds there, if it may be this item's own."""
        if question.since is None or "already has an object" not in (failed.message or ""):
            return None
        while found := await self._asker.earlier(question):
            task = await self._waiter.ended(found.id, self._timeout, kind=self._type)
            if task.status != "failure":
                return task
        return None
