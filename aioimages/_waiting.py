"""Waiting for work that the service does by itself: tasks, and images on their way to a status."""

import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import anyio
import attrs

from aioimages._calls import images, tasks
from aioimages._dialect import Operation
from aioimages._errors import (
    AioImagesError,
    NotFoundError,
    TaskExpiredError,
    TaskFailedError,
    TaskTimeoutError,
    TransferError,
)
from aioimages._exchange import is_passing
from aioimages._models import Image, Task, TaskFailureCode
from aioimages._outcomes import AsyncOutcomes, fan_out
from aioimages._policy import UNSET, Clock, PollPolicy, Sleep, Unset, seconds
from aioimages._progress import Meter, Progress
from aioimages._session import Session

__all__ = ["Waiter", "failure_of"]

T = TypeVar("T")

_CODE: Final = re.compile(r"^\s*(\d{3})\b|error code:?\s*'?(\d{3})\b", re.IGNORECASE)
_CODES: Final = {str(code.value): code for code in TaskFailureCode}
_COPIED: Final = re.compile(r"Copied (\d+) MiB")
# A look that begins at the deadline is given this long to be answered.
_LAST_LOOK_SECONDS: Final = 1.0
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
    reasons = [f"{code.value}: {code.explanation}" if code else None, task.message]
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


def _copied_bytes(task: Task | None) -> int:
    copied = _COPIED.search((task and task.message) or "")
    return int(copied[1]) * 2**20 if copied else 0


class _WatchedImage:
    """An image on its way to a status.

    A failed import of Glance leaves little trace in it: it goes back to `queued`, or stays `active` when a further
    store did not get its data. Its tasks tell.
    """

    def __init__(self, session: Session, image_id: str, status: str, progress: Progress | None) -> None:
        self.meter = Meter(progress, "import", image_id)
        self._session = session
        self._call = images.get(image_id)
        self._image_id = image_id
        self._status = status
        self._tells_progress = progress is not None
        self._seen: Image | None = None

    async def look(self) -> Image:
        try:
            image = await self._session.run(self._call)
        except NotFoundError:
            if self._seen is None:
                raise
            image = attrs.evolve(self._seen, status="deleted")
        self._seen = image
        is_back = image.status == "queued" != self._status
        is_there_yet_locked = image.status == self._status and image.os_glance_import_task is not None
        if is_back or is_there_yet_locked or self._tells_progress:
            newest = await self.newest_import()
            self.meter.reach(_copied_bytes(newest))
            if is_back or (newest and newest.is_final and newest.id == image.os_glance_import_task):
                _raise_failed(newest, image)
                # A task that is over may leave its lock on the image, for a moment or for ever.
                image = attrs.evolve(image, os_glance_import_task=None)
        return image

    def is_settled(self, image: Image) -> bool:
        if image.status in _LOST:
            return True
        is_importing = image.os_glance_import_task or image.os_glance_importing_to_stores
        return image.status == self._status and not (self._status == "active" and is_importing)

    async def newest_import(self) -> Task | None:
        dialect = self._session.dialect
        if Operation.IMAGE_TASKS not in dialect.operations:
            return None
        begun = await self._session.run(images.tasks(dialect, self._image_id))
        return max(begun, key=lambda task: task.created_at.timestamp() if task.created_at else 0.0, default=None)


class Waiter:
    """Looks at tasks and images until they are where they should be.

    Looks go through the session, so that however many waits there are, only so many requests are in flight.
    """

    def __init__(
        self,
        session: Session,
        policy: PollPolicy,
        *,
        clock: Clock = anyio.current_time,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._session = session
        self._policy = policy
        self._clock = clock
        self._sleep = sleep

    def timeout(self, timeout: float | Unset | None) -> float | None:
        """Return the seconds that a wait may take: what the call says, or else the policy."""
        return self._policy.timeout if timeout is UNSET else seconds("timeout", timeout)

    async def task(self, task_id: str, timeout: float | None) -> Task:
        """Return a task that has succeeded."""
        seen: Task | None = None

        async def look() -> Task:
            nonlocal seen
            try:
                seen = await self._session.run(call)
            except NotFoundError:
                if seen is None:
                    raise
                expired = TaskExpiredError(f"task {task_id} was deleted while it was {seen.status}", task=seen)
            else:
                return seen
            raise expired

        call = tasks.get(task_id)
        task = await self._until(look, lambda task: task.is_final, timeout, first=self._policy.delay(0))
        if task is None or not task.is_final:
            state = seen.status if seen else "not answered for"
            raise TaskTimeoutError(f"task {task_id} is still {state} after {timeout:g} s", task=seen)
        if task.status == "failure":
            raise failure_of(task)
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

        return fan_out(wait, wanted, workers=len(wanted), meter=Meter.of_items(progress, "tasks", wanted))

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
        watched = _WatchedImage(self._session, image_id, status, progress)
        try:
            image = await self._until(watched.look, watched.is_settled, timeout, first=0.0)
        finally:
            watched.meter.end()
        if image is None or not watched.is_settled(image):
            state = image.status if image else "not answered for"
            wanted = "and being imported into" if state == status else f"not {status}"
            raise TaskTimeoutError(f"image {image_id} is still {state}, {wanted}, after {timeout:g} s")
        if image.status != status:
            raise TransferError(f"image {image_id} is {image.status} and will never be {status}")
        if image.os_glance_failed_import:
            _raise_failed(await watched.newest_import(), image)
        return image

    async def _until(
        self,
        look: Callable[[], Awaitable[T]],
        is_done: Callable[[T], bool],
        timeout: float | None,
        *,
        first: float,
    ) -> T | None:
        """Look until it is done or the time is over; return the last answer, or `None` where none came.

        Trouble that may pass is looked through, once it is known that there is something to wait for, or an end to it.
        """
        start = self._clock()
        deadline = float("inf") if timeout is None else start + timeout
        last: T | None = None

        async def try_to_look() -> T | None:
            nonlocal last
            try:
                last = await look()
            except AioImagesError as error:
                if not is_passing(error) or (last is None and timeout is None):
                    raise
            return last

        poller = self._policy.polling(
            lambda answer: answer is not None and is_done(answer),
            deadline=deadline,
            clock=self._clock,
            sleep=self._sleep,
        )
        with (
            self._session.lifetime.span(),
            anyio.move_on_after(None if timeout is None else timeout + _LAST_LOOK_SECONDS),
        ):
            await self._sleep(min(first, deadline - start))
            return await poller(try_to_look)
        return last
