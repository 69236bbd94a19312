"""Looking for tasks that were asked for, and whose answer was lost."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import anyio

from aioimages._bulk.sharing import Shared
from aioimages._calls import tasks as calls
from aioimages._errors import NotFoundError
from aioimages._models import Task
from aioimages._outcomes import fan_out
from aioimages._resources.tasks import Tasks
from aioimages._session import Session

__all__ = ["Finder"]

_LOOKS: Final = 3
_PAGE_SIZE: Final = 1000
# The clocks of a service's machines differ: who answers need not be who makes tasks.
_LEEWAY: Final = timedelta(minutes=1)
# No other task has the same request id, so that nothing but requests is lost by looking at older ones.
_LEEWAY_OF_IDS: Final = timedelta(minutes=10)


class Finder:
    """Finds the tasks of a run's items again.

    It lists the tasks that were made since the run began, and gets each one that no item is known to own, once: what
    tells them from each other never changes. Items that are looked for at the same time share a listing.

    Args:
        session: Where the tasks are.
        tasks: Lists them.
        type: Of which type they are.
        since: When the run began, by the service's clock, in ISO 8601.
        patience: Seconds from the first look to the last one.
    """

    def __init__(self, session: Session, tasks: Tasks, *, type: str, since: str | None, patience: float) -> None:
        self._session = session
        self._tasks = tasks
        self._type = type
        leeway = _LEEWAY_OF_IDS if session.dialect.tasks_have_request_ids else _LEEWAY
        self._since = datetime.fromisoformat(since) - leeway if since else None
        self._pause = patience / (_LOOKS - 1)
        self._owned: set[str] = set()
        self._known: dict[str, Task | None] = {}
        self._looked = Shared(self._look)

    def own(self, task_id: str) -> None:
        """Note that a task belongs to an item."""
        self._owned.add(task_id)

    async def find(self, fits: Callable[[Task], bool], *, looks: int = _LOOKS) -> Task | None:
        """Return a task that fits and belongs to no item yet, or `None` where there is none after some looks."""
        for look in range(looks):
            if look:
                await anyio.sleep(self._pause)
            await self._looked.done()
            for task in self._known.values():
                if task is not None and task.id not in self._owned and fits(task):
                    self.own(task.id)
                    return task
        return None

    async def _look(self) -> None:
        async with aclosing(self._recent()) as recent:
            unknown = [task_id async for task_id in recent if task_id not in self._known]
        async with fan_out(self._get, unknown, workers=min(len(unknown), self._session.concurrency)) as outcomes:
            async for outcome in outcomes:
                self._known[outcome.key] = outcome.unwrap()

    async def _get(self, task_id: str) -> Task | None:
        try:
            return await self._session.run(calls.get(task_id))
        except NotFoundError:
            return None

    async def _recent(self) -> AsyncGenerator[str, None]:
        """Yield the ids of the tasks that were made since the run began, and belong to nobody yet."""
        before: datetime | None = None
        is_sorted = True
        listing = self._tasks.list(type=self._type, sort="created_at:desc", page_size=_PAGE_SIZE)
        async with aclosing(aiter(listing)) as tasks:
            async for task in tasks:
                made = task.created_at
                is_sorted = is_sorted and made is not None and (before is None or made <= before)
                before = made
                is_recent = self._since is None or made is None or made >= self._since
                # Only a listing that is in order has nothing recent behind what is not.
                if not is_recent and is_sorted:
                    return
                if is_recent and task.id not in self._owned:
                    yield task.id
