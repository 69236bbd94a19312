"""Looking for tasks that were asked for, and whose answer was lost."""

import copy
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import anyio
import attrs

from aioimages._calls import tasks as calls
from aioimages._errors import AioImagesError, NotFoundError
from aioimages._limiter import Rank
from aioimages._listing import Listing
from aioimages._models import Task
from aioimages._outcomes import fan_out
from aioimages._policy import Clock
from aioimages._session import Session
from aioimages._sharing import Shared

__all__ = ["Finder", "Lately"]

_LOOKS: Final = 3
_PAGE_SIZE: Final = 1000
# The clocks of a service's machines differ: who answers need not be who makes tasks.
_LEEWAY_SECONDS: Final = 60.0
# No other task has the same request id, so that nothing but requests is lost by looking at older ones.
_LEEWAY_SECONDS_OF_IDS: Final = 600.0


class Lately:
    """Ids, each of which is known for some seconds."""

    def __init__(self, seconds: float, *, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ids: dict[str, float] = {}

    def __contains__(self, one: str) -> bool:
        return one in self._ids

    def add(self, one: str) -> None:
        """Note an id, and forget what is old."""
        now = self._clock()
        while self._ids and self._ids[oldest := next(iter(self._ids))] <= now - self._seconds:
            del self._ids[oldest]
        self._ids[one] = now


@attrs.frozen(eq=False)
class _Search:
    """Somebody who looks for what was made since a time."""

    since: float


class Finder:
    """Finds tasks of one type again.

    It lists those that were made since any of what is looked for was asked for, and gets each one that nobody is known
    to own, once: what tells them from each other never changes. Whoever looks at the same time shares a listing.

    Args:
        session: Where the tasks are.
        type: Of which type they are.
        memory_seconds: How long it is known which tasks belong to somebody.
    """

    def __init__(self, session: Session, type: str, *, memory_seconds: float) -> None:
        self._session = session.ranked(Rank.SOON)
        self._type = type
        self._leeway = _LEEWAY_SECONDS_OF_IDS if session.dialect.tasks_have_request_ids else _LEEWAY_SECONDS
        self._owned = Lately(memory_seconds)
        self._searches: set[_Search] = set()
        self._known: dict[str, Task | None] = {}
        self._by_mark: dict[calls.Mark, list[Task]] = {}
        self._looked = Shared(self._look)
        self._problem: AioImagesError | None = None

    def own(self, task_id: str) -> None:
        """Note that a task belongs to somebody."""
        self._owned.add(task_id)

    async def find(
        self,
        mark: calls.Mark,
        *,
        since: float,
        patience: float,
        looks: int = _LOOKS,
        is_enough: Callable[[list[Task]], bool] = bool,
    ) -> list[Task]:
        """Return the tasks that have a mark and belong to nobody yet, the newest first, or none after some looks.

        Args:
            mark: What they are known by.
            since: When they can have been asked for, by the service's clock, in seconds since 1970.
            patience: Seconds from the first look to the last one.
            looks: How many looks there are.
            is_enough: Says of what a look has found whether there is no need for another one.

        Raises:
            AioImagesError: Whatever hinders a look.
        """
        search = _Search(since - self._leeway)
        self._searches.add(search)
        found: list[Task] = []
        try:
            for look in range(looks):
                if look:
                    await anyio.sleep(patience / (looks - 1))
                await self._looked.done()
                if self._problem is not None:
                    raise copy.copy(self._problem)
                found = [task for task in self._by_mark.get(mark, ()) if self._may_be(task, search.since)]
                if is_enough(found):
                    break
        finally:
            self._searches.discard(search)
        return found

    def _may_be(self, task: Task, since: float) -> bool:
        return task.id not in self._owned and _made_at(task) >= since

    async def _look(self) -> None:
        """Look for all. What hinders it is told to all, who would otherwise try the same one after the other."""
        try:
            await self._learn()
        except AioImagesError as error:
            self._problem = error
        else:
            self._problem = None

    async def _learn(self) -> None:
        async with aclosing(self._recent(min(search.since for search in self._searches))) as recent:
            listed = [task_id async for task_id in recent]
        self._known = {task_id: self._known[task_id] for task_id in listed if task_id in self._known}
        unknown = [task_id for task_id in listed if task_id not in self._known]
        async with fan_out(self._get, unknown, workers=min(len(unknown), self._session.concurrency)) as outcomes:
            async for outcome in outcomes:
                self._known[outcome.key] = outcome.unwrap()
        self._by_mark = {}
        for task in filter(None, map(self._known.get, listed)):
            mark = calls.mark_of(self._session.dialect, task.type, task.input, task.request_id)
            self._by_mark.setdefault(mark, []).append(task)

    async def _get(self, task_id: str) -> Task | None:
        try:
            return await self._session.run(calls.get(task_id))
        except NotFoundError:
            return None

    async def _recent(self, since: float) -> AsyncGenerator[str, None]:
        """Yield the ids of the tasks that were made since a time, and belong to nobody yet."""
        before = math.inf
        is_sorted = True
        call = calls.list_page(self._session.dialect, type=self._type, sort="created_at:desc")
        listing = Listing(self._session.run, call, key=lambda task: task.id, page_size=_PAGE_SIZE)
        async with aclosing(aiter(listing)) as tasks:
            async for task in tasks:
                made = _made_at(task)
                is_sorted = is_sorted and made <= before and made < math.inf
                before = made
                # Only a listing that is in order has nothing recent behind what is not.
                if made < since and is_sorted:
                    return
                if self._may_be(task, since):
                    yield task.id


def _made_at(task: Task) -> float:
    """Return when a task was made, in seconds since 1970; one that does not tell may have been made at any time."""
    return task.created_at.timestamp() if task.created_at else math.inf
