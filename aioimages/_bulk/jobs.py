"""What a run does with one item, step by step; each step is in the journal before it is taken."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Any, Final, Generic, Protocol, TypeVar

import anyio

from aioimages._bulk import results
from aioimages._bulk.finding import Finder
from aioimages._bulk.journal import Journal
from aioimages._bulk.records import Record, Step
from aioimages._calls import tasks as calls
from aioimages._errors import (
    AmbiguousOutcomeError,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    EndpointNotFoundError,
    PoolTimeoutError,
    ProtocolError,
    ProxyError,
    StatusError,
    TlsError,
)
from aioimages._models import Task
from aioimages._resources.images import Images
from aioimages._resources.tasks import Tasks
from aioimages._session import Session
from aioimages._waiting import Waiter, failure_of

__all__ = ["FunctionJob", "Job", "TaskJob"]

R = TypeVar("R")
V = TypeVar("V")
R_contra = TypeVar("R_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)

_LONGEST_NAME: Final = 255
_ASKS: Final = 2
_LOST: Final = (AmbiguousOutcomeError, ProtocolError)
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
        tasks: Lists them.
        images: Renames their images.
        journal: Where the steps go.
        type: Of which type the tasks are.
        input_of: Returns the input of an item's task, whose image gets the name that is given, if one is.
        timeout: Seconds to wait for each task.
        patience: Seconds to look for a task whose answer was lost, before it is asked for again.
        unique_names: Whether tasks are asked for under names that no other has.
    """

    def __init__(
        self,
        session: Session,
        waiter: Waiter,
        tasks: Tasks,
        images: Images,
        journal: Journal,
        *,
        type: str,
        input_of: Callable[[R, str | None], Mapping[str, Any]],
        timeout: float | None,
        patience: float,
        unique_names: bool = False,
    ) -> None:
        self._session = session
        self._waiter = waiter
        self._images = images
        self._journal = journal
        self._type = type
        self._input_of = input_of
        self._timeout = timeout
        self._unique_names = unique_names
        # Not more items are being asked for than need be: they are what must be looked for after a crash. Half of them
        # are on their way while the others' steps are written.
        self._places = anyio.Semaphore(2 * session.concurrency)
        self._finder = Finder(session, tasks, type=type, since=journal.service_time, patience=patience)
        for record in journal.records.values():
            if record.task_id is not None:
                self._finder.own(record.task_id)

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
            if record.task_id is None:
                await self._begin(request, record)
            task = await self._end(request, record)
        if record.asked_name is not None:
            record.go_to(Step.RENAMING)
            await self._journal.write(record)
            await self._images.update(task.image_id, {"name": record.name})
        return task

    async def _begin(self, request: R, record: Record) -> None:
        """See to it that there is a task."""
        if record.step is Step.NEW:
            if self._unique_names and record.asked_name is None:
                record.asked_name = f"{record.name[: _LONGEST_NAME - 9]}-{token_hex(4)}"
            if self._journal.is_kept and self._session.dialect.tasks_have_request_ids:
                record.request_id = f"req-{uuid.uuid4()}"
        details = self._input_of(request, record.asked_name)
        task = await self._find(record, details) if record.step is Step.ASKING else None
        task = task or await self._ask(record, details)
        self._finder.own(task.id)
        record.task_id = task.id
        record.go_to(Step.AWAITING)
        record.meet(None)
        await self._journal.write(record)

    async def _ask(self, record: Record, details: Mapping[str, Any]) -> Task:
        """Ask for a task. One whose answer is lost is looked for, before it is asked for once more."""
        is_new = record.step is Step.NEW
        lost: list[Exception] = []
        for _ in range(_ASKS):
            try:
                return await self._post(record, details)
            except _WITHOUT_EFFECT:
                if is_new:
                    record.go_to(Step.NEW)
                raise
            except _LOST as error:
                if not self._journal.is_kept:
                    raise
                lost.append(error)
            is_new = False
            found = await self._find(record, details)
            if found is not None:
                return found
        raise lost[-1]

    async def _post(self, record: Record, details: Mapping[str, Any]) -> Task:
        async with self._places:
            record.go_to(Step.ASKING)
            await self._journal.write(record)
            call = calls.create(self._session.dialect, self._type, details, request_id=record.request_id)
            return await self._session.run(call)

    async def _find(self, record: Record, details: Mapping[str, Any]) -> Task | None:
        return await self._finder.find(lambda task: self._fits(task, record, details))

    def _fits(self, task: Task, record: Record, details: Mapping[str, Any]) -> bool:
        if task.type != self._type:
            return False
        if self._session.dialect.tasks_have_request_ids:
            return task.request_id == record.request_id
        return task.input == details

    async def _end(self, request: R, record: Record) -> Task:
        """Await an item's task, and note how it ended."""
        task = await self._waiter.ended(str(record.task_id), self._timeout, kind=self._type)
        if task.status == "failure":
            task = await self._earlier(task, record, self._input_of(request, record.asked_name)) or task
        if task.status == "failure":
            record.go_to(Step.FAILED)
            raise failure_of(self._kept(task, record))
        return self._kept(task, record)

    def _kept(self, task: Task, record: Record) -> Task:
        """Note how a task ended, where anything is noted, and return it."""
        if self._journal.is_kept:
            results.keep_task(task, record)
        return results.shown(task)

    async def _earlier(self, failed: Task, record: Record, details: Mapping[str, Any]) -> Task | None:
        """Return the task that has put there what a repeated export finds there, if it was made in this run."""
        if not self._journal.is_kept or "already has an object" not in (failed.message or ""):
            return None
        while found := await self._finder.find(lambda task: self._fits(task, record, details), looks=1):
            task = await self._waiter.ended(found.id, self._timeout, kind=self._type)
            if task.status != "failure":
                return task
        return None
