"""One watcher for all waits for things of one kind: together where that costs fewer requests, one by one otherwise."""

import asyncio
import copy
import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import anyio
import attrs
from anyio.abc import TaskGroup

from aioimages._errors import AioImagesError, StatusError, TransportTimeoutError
from aioimages._exchange import is_passing
from aioimages._experience import Experience
from aioimages._groups import task_group
from aioimages._models import TaskState
from aioimages._policy import PollPolicy

__all__ = ["Looks", "Sight", "Watch", "Watcher"]

T = TypeVar("T")
V = TypeVar("V")

# A look that begins at the deadline is given this long to be answered.
_LAST_LOOK_SECONDS: Final = 1.0
# A crowd of more than so many for each request of a common look is looked at more closely than one alone would be.
_CROWD: Final = 40
# Rounds are not closer than this part of the shortest delay.
_REST: Final = 0.1
# After so many common looks in a row have failed, or when one takes too long, each is looked at by itself for a while.
_FAILURES: Final = 3
_LONGEST_LOOK_SECONDS: Final = 30.0
# What common looks do not show although it is there, they never will.
_ABSENCES: Final = 2


@attrs.frozen
class Sight(Generic[T]):
    """What a common look has shown: the state of some things, and of others only that they are not done yet.

    What is in neither must be looked at by itself.
    """

    found: Mapping[str, T]
    unfinished: Mapping[str, TaskState]


class Looks(ABC, Generic[T]):
    """How things of one kind are looked at."""

    @abstractmethod
    def cost(self, count: int) -> float:
        """Return how many requests a common look at so many takes; infinity where there is none."""

    @abstractmethod
    async def together(self, keys: Collection[str], kind: str | None) -> Sight[T]:
        """Look at many, all of one kind where that is known."""

    @abstractmethod
    async def single(self, key: str) -> T:
        """Look at one."""


class Watch(ABC, Generic[T]):
    """One thing that somebody waits for.

    Attributes:
        key: Its id.
        kind: What it is like: things of one kind take about as long.
        status: What it was seen to be last.
        absences: How often a common look did not show it, though it was not done.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.kind: str | None = None
        self.status: str | None = None
        self.began_at = self.due_at = self.deadline = math.inf
        self.is_looked_at = False
        self.absences = 0
        self.end: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @abstractmethod
    async def take(self, found: T) -> bool:
        """Take what was found, and say whether the wait is over."""

    @abstractmethod
    def missed(self, error: AioImagesError) -> T:
        """Return what it means that there was an error; otherwise raise it."""

    @abstractmethod
    def seconds_taken(self) -> float | None:
        """Return how long the work took that was waited for, where that is known."""

    def settle(self, *, is_done: bool) -> None:
        """End the wait, well or because its time is over."""
        if not self.end.done():
            self.end.set_result(is_done)

    def fail(self, error: Exception) -> None:
        """End the wait with an error."""
        if not self.end.done():
            # Several may wait for one thing, and an error that is raised twice tells two stories.
            self.end.set_exception(copy.copy(error))


class Watcher(Generic[T]):
    """Looks at everything that is waited for, in rounds, for as long as somebody waits.

    The rounds run in an asyncio task of their own, so that whoever gives up waiting does not end the looking for the
    others. It begins with the first wait and ends with the last.
    """

    def __init__(self, looks: Looks[T], policy: PollPolicy) -> None:
        self._looks = looks
        self._policy = policy
        self._watches: set[Watch[T]] = set()
        self._experience: defaultdict[str | None, Experience] = defaultdict(lambda: Experience(policy))
        self._may_look_together = True
        self._together_again_at = self._alone_until = -math.inf
        self._failures = 0
        self._rounds: asyncio.Task[None] | None = None
        self._group: TaskGroup
        self._wake = asyncio.Event()
        self._next_round_at = math.inf
        self._rests_until = -math.inf

    async def wait(self, watch: Watch[T], *, timeout: float | None, first: float) -> bool:
        """Wait until a watch is over, and say whether it is because it is done, not because its time is.

        Trouble that may pass is looked through, once it is known that there is something to wait for, or an end to it.
        """
        now = anyio.current_time()
        watch.began_at = now
        watch.deadline = math.inf if timeout is None else now + timeout
        watch.due_at = min(now + first, watch.deadline)
        self._watches.add(watch)
        try:
            self._expect_round(watch.due_at)
            with anyio.move_on_after(None if timeout is None else timeout + _LAST_LOOK_SECONDS):
                return await watch.end
            return False
        finally:
            self._watches.discard(watch)
            if not watch.end.cancel() and not watch.end.cancelled():
                # An error that came too late is nobody's.
                watch.end.exception()
            if not self._watches:
                await self._stop()

    def _expect_round(self, at: float) -> None:
        if self._rounds is None or self._rounds.done():
            self._next_round_at = at
            self._rounds = asyncio.create_task(self._run(), name="aioimages watcher")
        else:
            self._bring_forward(at)

    def _bring_forward(self, at: float) -> None:
        at = max(at, self._rests_until)
        if at < self._next_round_at:
            self._next_round_at = at
            self._wake.set()

    async def _stop(self) -> None:
        rounds, self._rounds = self._rounds, None
        if rounds is not None:
            rounds.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([rounds])

    async def _run(self) -> None:
        try:
            async with task_group() as self._group:
                await self._policy.rounds(self._sleep)(self._round)
        except asyncio.CancelledError:
            # Not by the last who waited, but by a program that cancels whatever there is.
            if self._rounds is asyncio.current_task():
                for watch in self._watches:
                    watch.end.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # nobody awaits this task, and those who wait must know
            for watch in self._watches:
                watch.fail(error)

    async def _sleep(self, _: float) -> None:
        self._wake.clear()
        with anyio.move_on_after(self._next_round_at - anyio.current_time()):
            await self._wake.wait()

    async def _round(self) -> float:
        """Look at what is due, and return the seconds until the next round."""
        now = anyio.current_time()
        # However many there are, a round looks through all of them.
        self._rests_until = now + self._policy.shortest * _REST
        idle = [watch for watch in self._watches if not watch.is_looked_at]
        crowd = [watch for watch in idle if watch.absences < _ABSENCES]
        keys = {watch.key for watch in crowd}
        may_be_common = self._may_look_together and self._alone_until <= now
        is_common = may_be_common and self._looks.cost(len(keys)) < len(keys)
        last = sum(watch.deadline <= now for watch in crowd)
        may_look = self._together_again_at <= now or self._looks.cost(last) < last
        if is_common and may_look and any(watch.due_at <= now for watch in crowd):
            is_common = await self._look_together(crowd)
            self._together_again_at = anyio.current_time() + self._policy.shortest
        alone = {
            watch.key
            for watch in idle
            if watch.due_at <= now and (not is_common or watch.absences >= _ABSENCES or watch.deadline <= now)
        }
        self._look_at_each(
            watch for watch in idle if watch.key in alone and not (watch.is_looked_at or watch.end.done())
        )
        self._next_round_at = max(self._rests_until, self._due_next(is_common=is_common))
        return self._next_round_at - anyio.current_time()

    def _due_next(self, *, is_common: bool) -> float:
        """Return when somebody is due; of those who are looked at together, not before that may be done again."""
        idle = [watch for watch in self._watches if not watch.is_looked_at]
        waits_for_others = self._together_again_at if is_common else -math.inf
        return min(
            (
                watch.due_at
                if watch.absences >= _ABSENCES
                else min(watch.deadline, max(watch.due_at, waits_for_others))
                for watch in idle
            ),
            default=math.inf,
        )

    def _look_at_each(self, watches: Iterable[Watch[T]], absences: int = 0) -> None:
        by_key: defaultdict[str, list[Watch[T]]] = defaultdict(list)
        for watch in watches:
            watch.is_looked_at = True
            by_key[watch.key].append(watch)
        for key, of_key in by_key.items():
            self._group.start_soon(self._look, key, of_key, absences)

    async def _look(self, key: str, watches: list[Watch[T]], absences: int) -> None:
        found = await self._seen(self._looks.single(key), watches)
        if found is None:
            return
        for watch in watches:
            await self._tell(watch, found, share=1.0)
            watch.absences += absences

    async def _seen(self, look: Awaitable[V], watches: Iterable[Watch[T]]) -> V | AioImagesError | None:
        """Return what a look has shown, or its error. One that is not of the service's making ends the waits."""
        try:
            return await look
        except AioImagesError as error:
            return error
        except Exception as error:  # noqa: BLE001  # nobody awaits this task, and those who wait must know
            for watch in watches:
                watch.fail(error)
        return None

    async def _look_together(self, watches: list[Watch[T]]) -> bool:
        """Look at many, and say whether the service lets us."""
        kinds = {watch.kind for watch in watches}
        look = self._looks.together({watch.key for watch in watches}, kinds.pop() if len(kinds) == 1 else None)
        sight: Sight[T] | AioImagesError | None = TransportTimeoutError("a listing takes for ever")
        with anyio.move_on_after(_LONGEST_LOOK_SECONDS):
            sight = await self._seen(look, watches)
        if isinstance(sight, AioImagesError):
            return self._go_on_without(sight, watches)
        if sight is None:
            return True
        self._failures = 0
        share = min(1.0, _CROWD * self._looks.cost(len(watches)) / len(watches))
        missing = []
        for watch in watches:
            if (state := sight.unfinished.get(watch.key)) is not None:
                watch.status, watch.kind = state.status, state.type or watch.kind
                self._look_again(watch, share)
            elif watch.key in sight.found:
                watch.is_looked_at = True
                self._group.start_soon(self._tell_found, watch, sight.found[watch.key], share)
            else:
                missing.append(watch)
        self._look_at_each(missing, absences=1)
        return True

    def _go_on_without(self, error: AioImagesError, watches: Iterable[Watch[T]]) -> bool:
        """Say after a common look has failed whether there will be another, or for a while each by itself."""
        self._failures += 1
        if isinstance(error, StatusError) and not is_passing(error):
            self._may_look_together = False
            return False
        if not is_passing(error) or isinstance(error, TransportTimeoutError) or self._failures >= _FAILURES:
            self._alone_until = anyio.current_time() + max(self._policy.ceiling, self._policy.shortest)
            return False
        for watch in watches:
            self._look_again(watch, share=1.0)
        return True

    async def _tell_found(self, watch: Watch[T], found: T, share: float) -> None:
        await self._tell(watch, found, share=share)

    async def _tell(self, watch: Watch[T], found: T | AioImagesError, *, share: float) -> None:
        """Tell a watch what was found, and end it or look again later."""
        try:
            state: Any = watch.missed(found) if isinstance(found, AioImagesError) else found
            is_over = await watch.take(state)
        except AioImagesError as error:
            if not is_passing(error) or (watch.status is None and watch.deadline == math.inf):
                watch.fail(error)
                return
            is_over = False
        except Exception as error:  # noqa: BLE001  # nobody awaits this task, and who waits must know
            watch.fail(error)
            return
        if is_over:
            watch.settle(is_done=True)
            self._experience[watch.kind].learn(watch.seconds_taken() or anyio.current_time() - watch.began_at)
        else:
            self._look_again(watch, share)

    def _look_again(self, watch: Watch[T], share: float) -> None:
        now = anyio.current_time()
        watch.is_looked_at = False
        if watch.deadline <= now:
            watch.settle(is_done=False)
            return
        delay = self._experience[watch.kind].delay(now - watch.began_at, share=share)
        watch.due_at = min(now + delay, watch.deadline)
        self._bring_forward(watch.due_at)
