"""Waiting for work that the service does by itself: tasks, and images on their way to a status."""

import logging
import math
import re
from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final

import anyio
import attrs

from aioimages._calls import images, tasks
from aioimages._calls.query import in_
from aioimages._dialect import Operation
from aioimages._errors import (
    AioImagesError,
    NotFoundError,
    ProtocolError,
    TaskExpiredError,
    TaskFailedError,
    TaskTimeoutError,
    TransferError,
)
from aioimages._limiter import Rank
from aioimages._listing import Listing
from aioimages._models import Image, Task, TaskFailureCode, TaskState
from aioimages._outcomes import AsyncOutcomes, Tally, fan_out
from aioimages._policy import UNSET, PollPolicy, Unset, seconds
from aioimages._progress import Meter, Progress
from aioimages._session import Session
from aioimages._text import one_line
from aioimages._watching import Looks, Sight, Watch, Watcher

__all__ = ["Waiter", "failure_of"]

_log: Final = logging.getLogger("aioimages")

_CODE: Final = re.compile(r"^\s*(\d{3})\b|error code:?\s*'?(\d{3})\b", re.IGNORECASE)
_CODES: Final = {str(code.value): code for code in TaskFailureCode}
_COPIED: Final = re.compile(r"Copied (\d{1,18}) MiB")
# Servers make less of it where they must.
_LONGEST_REASON: Final = 200
_PAGE_SIZE: Final = 1000
_IDS_IN_A_QUERY: Final = 100
_UNFINISHED: Final = ("pending", "processing")
# Services with several copies of their database may take so long until each of them shows a new task.
_FRESH_SECONDS: Final = 10.0
_LONGEST_STATUS: Final = 60
IMAGE_STATUSES: Final = frozenset(
    {
        "active",
        "deactivated",
        "deleted",
        "importing",
        "killed",
        "pending_delete",
        "queued",
        "saving",
        "uploading",
    },
)
_LOST: Final = frozenset({"killed", "deleted", "pending_delete"})


def failure_of(task: Task, image: str = "") -> TaskFailedError:
    """Return the error that a failed task stands for, with what is to be said of its image."""
    found = _CODE.search(task.message or "")
    code = _CODES.get(found[1] or found[2]) if found else None
    said = task.message and one_line(task.message, _LONGEST_REASON)
    reasons = [f"{code.value}: {code.explanation}" if code else None, said]
    reason = "; ".join(filter(None, reasons)) or "the service does not say why"
    return TaskFailedError(
        f"task {task.id} ({task.type}) failed{image}: {reason}", task=task, code=code, reason=task.message
    )


def _raise_failed(newest: Task | None, image: Image) -> None:
    """Raise when the newest import into an image failed, naming the stores that have the data and those that do not."""
    if newest is None or newest.status != "failure":
        return
    stores = [
        f"{word} {', '.join(names)}"
        for word, names in (("not in", image.os_glance_failed_import), ("in", image.stores))
        if names
    ]
    raise failure_of(newest, image=f" (image {image.id}{''.join(f', {store}' for store in stores)})")


def _check_result(task: Task) -> None:
    """Raise when a task has succeeded and does not say what it has made, so that nobody goes on with nothing."""
    made = {"import": task.image_id, "export": task.export_location}.get(task.type or "", "")
    if task.status == "success" and made is None:
        raise ProtocolError(f"task {task.id} ({task.type}) has succeeded, and does not say what it has made")


class _Statuses:
    """The statuses that are known. Of each other one the log is told once, because it may be waited on for ever."""

    def __init__(self, kind: str, known: Iterable[str]) -> None:
        self._kind = kind
        self._known = set(known)

    def meet(self, key: str, status: str) -> None:
        """Take note of something's status."""
        if status not in self._known:
            self._known.add(status)
            shown = one_line(status, _LONGEST_STATUS)
            _log.warning("%s %s is %s, a status that is not known here; the wait goes on", self._kind, key, shown)


def _copied_bytes(task: Task | None) -> int:
    copied = _COPIED.search((task and task.message) or "")
    return int(copied[1]) * 2**20 if copied else 0


class _TaskLooks(Looks[Task]):
    """Tasks: a listing of those that are not done tells of the others that they may be."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ahead = session.ranked(Rank.AHEAD)
        self._page_length = math.inf
        self._others = 0

    def cost(self, count: int) -> float:
        # The listing shows all tasks, whoever waits for them.
        pages = (count + self._others) / self._page_length
        return len(_UNFINISHED) if pages <= 1 else math.ceil(pages) + 1

    async def together(self, keys: Collection[str], kind: str | None) -> Sight[Task]:
        unfinished: dict[str, TaskState] = {}
        # In this order: a task that moves on meanwhile is seen twice, not never.
        for status in _UNFINISHED:
            call = tasks.states_page(self._session.dialect, type=kind, status=status)
            listing = Listing(self._ahead.run, call, key=lambda state: state.id, page_size=_PAGE_SIZE)
            async with aclosing(listing.pages()) as pages:
                lengths = []
                async for page in pages:
                    lengths.append(len(page))
                    unfinished |= {state.id: state for state in page if state.status in _UNFINISHED}
            if len(lengths) > 1:
                self._page_length = max(lengths)
        self._others = len(unfinished.keys() - keys)
        return Sight({}, unfinished)

    async def single(self, key: str) -> Task:
        return await self._session.run(tasks.get(key))


class _TaskWatch(Watch[Task]):
    """A task on its way to its end.

    Args:
        key: Its id.
        kind: Its type, where it is known that there is such a task.
        statuses: What its status may be.
        fresh: The task as the service promised it, and until when it may not be found yet.
    """

    def __init__(self, key: str, kind: str | None, statuses: _Statuses, fresh: tuple[Task, float] | None) -> None:
        super().__init__(key)
        self.kind = kind
        self.status = None if kind is None else "pending"
        self.task: Task | None = None
        self._statuses = statuses
        self._promised = fresh[0] if fresh else None
        self._fresh_until = fresh[1] if fresh else -math.inf

    async def take(self, found: Task) -> bool:
        self.task, self.kind, self.status = found, found.type, found.status
        self._statuses.meet(self.key, found.status)
        return found.is_final

    def missed(self, error: AioImagesError) -> Task:
        if not isinstance(error, NotFoundError):
            raise error
        is_fresh = anyio.current_time() < self._fresh_until and self.task in (None, self._promised)
        if is_fresh and self._promised is not None:
            return self._promised
        if self.status is not None:
            raise TaskExpiredError(f"task {self.key} was deleted while it was {self.status}", task=self.last_seen())
        raise error

    def last_seen(self) -> Task | None:
        """Return the task as it was seen last; a common look shows no more of it than its status."""
        if self.status is None:
            return None
        seen = self.task or Task(id=self.key, type=self.kind, status=self.status)
        return attrs.evolve(seen, status=self.status)

    def seconds_taken(self) -> float | None:
        if self.task is None or self.task.created_at is None or self.task.updated_at is None:
            return None
        return (self.task.updated_at - self.task.created_at).total_seconds()


class _ImageLooks(Looks[Image]):
    """Images: a listing of just these shows all but those that it leaves out, as hidden ones."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def cost(self, count: int) -> float:
        return math.ceil(count / _IDS_IN_A_QUERY) if self._session.dialect.operators else math.inf

    async def together(self, keys: Collection[str], kind: str | None) -> Sight[Image]:  # noqa: ARG002  # all alike
        found: dict[str, Image] = {}
        wanted = sorted(keys)
        for start in range(0, len(wanted), _IDS_IN_A_QUERY):
            some = in_(*wanted[start : start + _IDS_IN_A_QUERY])
            call = images.list_page(self._session.dialect, {"id": some})
            listing = Listing(self._session.run, call, key=lambda image: image.id, page_size=_IDS_IN_A_QUERY)
            found |= {image.id: image async for image in listing}
        return Sight(found, {})

    async def single(self, key: str) -> Image:
        return await self._session.run(images.get(key))


class _ImageWatch(Watch[Image]):
    """An image on its way to a status.

    A failed import of Glance leaves little trace in it: it goes back to `queued`, or stays `active` when a further
    store did not get its data. Its tasks tell.
    """

    def __init__(self, session: Session, key: str, wanted: str, statuses: _Statuses, progress: Progress | None) -> None:
        super().__init__(key)
        self._statuses = statuses
        self.kind = wanted
        self.image: Image | None = None
        self.meter = Meter(progress, "import", key)
        self._session = session
        self._wanted = wanted
        self._tells_progress = progress is not None

    async def take(self, found: Image) -> bool:
        self.image, self.status = found, found.status
        self._statuses.meet(self.key, found.status)
        is_back = found.status == "queued" != self._wanted
        is_there_yet_locked = found.status == self._wanted and found.os_glance_import_task is not None
        if is_back or is_there_yet_locked or self._tells_progress:
            newest = await self.newest_import()
            self.meter.reach(_copied_bytes(newest))
            is_over = newest is not None and newest.is_final and newest.id == found.os_glance_import_task
            if is_back or is_over:
                _raise_failed(newest, found)
            if newest and is_over:
                # It may have ended since, and may leave its lock on the image, for a moment or for ever.
                image = await self._session.run(images.get(self.key))
                is_left = newest.id == image.os_glance_import_task
                self.image = attrs.evolve(image, os_glance_import_task=None) if is_left else image
        return self.is_settled(self.image)

    def is_settled(self, image: Image) -> bool:
        """Say whether there is nothing more to wait for."""
        if image.status in _LOST:
            return True
        is_importing = image.os_glance_import_task or image.os_glance_importing_to_stores
        return image.status == self._wanted and not (self._wanted == "active" and is_importing)

    def missed(self, error: AioImagesError) -> Image:
        if isinstance(error, NotFoundError) and self.image is not None:
            return attrs.evolve(self.image, status="deleted")
        raise error

    def seconds_taken(self) -> float | None:
        return None

    async def newest_import(self) -> Task | None:
        """Return the newest task that imports into the image, where the cloud tells."""
        dialect = self._session.dialect
        if Operation.IMAGE_TASKS not in dialect.operations:
            return None
        try:
            begun = await self._session.run(images.tasks(dialect, self.key))
        except NotFoundError:
            # The image has just gone, as the next look at it will tell.
            return None
        return max(begun, key=lambda task: task.created_at.timestamp() if task.created_at else 0.0, default=None)


class Waiter:
    """Waits for tasks and images to be where they should be, all waits of a client together."""

    def __init__(self, session: Session, policy: PollPolicy) -> None:
        self._session = session.ranked(Rank.SOON)
        self._policy = policy
        self._tasks = Watcher(_TaskLooks(self._session), policy)
        self._images = Watcher(_ImageLooks(self._session), policy)
        self._task_statuses = _Statuses("task", tasks.STATUSES)
        self._image_statuses = _Statuses("image", IMAGE_STATUSES)
        self._fresh: dict[str, tuple[Task, float]] = {}

    def promised(self, task: Task) -> Task:
        """Return a task that the service has just promised; for a while it is no wonder when it is not found yet."""
        now = anyio.current_time()
        while self._fresh and next(iter(self._fresh.values()))[1] <= now:
            del self._fresh[next(iter(self._fresh))]
        self._fresh[task.id] = task, now + _FRESH_SECONDS
        return task

    def timeout(self, timeout: float | Unset | None) -> float | None:
        """Return the seconds that a wait may take: what the call says, or else the policy."""
        return self._policy.timeout if timeout is UNSET else seconds("timeout", timeout)

    async def task(self, task_id: str, timeout: float | None, *, kind: str | None = None) -> Task:
        """Return a task that has succeeded.

        Raises:
            TaskFailedError: It failed.
            TaskTimeoutError: The time is over.
            TaskExpiredError: It was deleted while it was being watched.
            ProtocolError: It has succeeded, and does not say what it has made.
            NotFoundError: There is none.
        """
        task = await self.ended(task_id, timeout, kind=kind)
        if task.status == "failure":
            raise failure_of(task)
        return task

    async def ended(self, task_id: str, timeout: float | None, *, kind: str | None) -> Task:
        """Return a task that is over, well or not; it raises what `task` does.

        Args:
            task_id: The task.
            timeout: Seconds to wait at the most.
            kind: Its type, where it is known that there is such a task.
        """
        watch = _TaskWatch(task_id, kind, self._task_statuses, self._fresh.get(task_id))
        with self._session.lifetime.span():
            await self._tasks.wait(watch, timeout=timeout, first=self._policy.first)
        task = watch.task
        if task is None or not task.is_final:
            state = watch.status or "not answered for"
            raise TaskTimeoutError(f"task {task_id} is still {state} after {timeout:g} s", task=watch.last_seen())
        self._fresh.pop(task_id, None)
        _check_result(task)
        return task

    def tasks(
        self,
        task_ids: Iterable[str],
        timeout: float | None,
        progress: Progress | None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[str, Task]]:
        """Wait for many tasks at once."""
        if isinstance(task_ids, str):
            raise TypeError("task_ids is several ids, not one str")
        wanted = list(dict.fromkeys(task_ids))
        for task_id in wanted:
            tasks.get(task_id)

        async def wait(task_id: str) -> Task:
            return await self.task(task_id, timeout)

        meter = Meter.of_items(progress, "tasks", wanted)
        return fan_out(wait, wanted, workers=len(wanted), tally=Tally(self._session, len(wanted), meter))

    async def image(
        self,
        image_id: str,
        status: str,
        timeout: float | None,
        progress: Progress | None = None,
    ) -> Image:
        """Return an image that has come to a status, and that nothing is being imported into if that is `active`."""
        if status not in IMAGE_STATUSES:
            raise ValueError(f"status is one of {', '.join(sorted(IMAGE_STATUSES))}, not {status!r}")
        images.get(image_id)
        watch = _ImageWatch(self._session, image_id, status, self._image_statuses, progress)
        try:
            with self._session.lifetime.span():
                await self._images.wait(watch, timeout=timeout, first=0.0)
        finally:
            watch.meter.end()
        image = watch.image
        if image is None or not watch.is_settled(image):
            state = image.status if image else "not answered for"
            wanted = "and being imported into" if state == status else f"not {status}"
            raise TaskTimeoutError(f"image {image_id} is still {state}, {wanted}, after {timeout:g} s")
        if image.status != status:
            raise TransferError(f"image {image_id} is {image.status} and will never be {status}")
        if image.os_glance_failed_import:
            _raise_failed(await watch.newest_import(), image)
        return image
