"""One function over many keys, concurrently: an outcome for each, and one that fails does not stop the others."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import Generic, Protocol, Self, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from aioimages._errors import TaskFailedError
from aioimages._groups import task_group
from aioimages._models import Outcome, Report
from aioimages._progress import Meter

__all__ = ["AsyncOutcomes", "RunEndedError", "Tally", "fan_out", "one_by_one", "outcome_of", "run_all"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class RunEndedError(Exception):
    """Not the error of one item: it ends the whole run, which raises `problem`."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Sender(Protocol):
    """Whoever knows how many requests were sent."""

    @property
    def requests(self) -> int: ...


class _Nobody:
    def __init__(self) -> None:
        self.requests = 0


class Tally:
    """Counts what becomes of a run's items.

    Args:
        sender: Whoever knows how many requests the client has sent.
        total: How many items there are, where that is known.
        meter: Tells of the progress.

    Attributes:
        resumed: How many items an earlier run had finished.
        transferred_bytes: How many bytes of data came.
    """

    def __init__(self, sender: _Sender | None = None, total: int | None = None, meter: Meter | None = None) -> None:
        self.resumed = 0
        self.transferred_bytes = 0
        self._sender: _Sender = sender or _Nobody()
        self._total = total
        self._meter = meter or Meter(None, "bulk", "")
        self._taken = 0
        self._done = 0
        self._failures: Counter[str] = Counter()
        self._began: tuple[float, int] | None = None
        self._ended: tuple[float, int] | None = None

    def begin(self) -> None:
        """Count time and requests from now on, unless that is done already."""
        self._began = self._began or self._now()

    def take(self) -> None:
        """Count an item that is begun."""
        self._taken += 1

    def count(self, error: Exception | None) -> None:
        """Count an item that is over, with the error that it met where it met one."""
        if error is None:
            self._done += 1
        else:
            code = error.code if isinstance(error, TaskFailedError) else None
            self._failures[code.name if code else type(error).__name__] += 1
        self._meter.advance(1)

    def end(self) -> None:
        """Count no more."""
        self._ended = self._now()
        self._meter.end()

    def report(self) -> Report:
        """Return how far the run is."""
        now, requests = self._ended or self._now()
        began, requests_before = self._began or (now, requests)
        failed = self._failures.total()
        return Report(
            total=self._total,
            done=self._done,
            failed=failed,
            resumed=self.resumed,
            open=(self._taken if self._total is None else self._total) - self._done - failed,
            failures=dict(self._failures.most_common()),
            seconds=now - began,
            transferred_bytes=self.transferred_bytes,
            requests=requests - requests_before,
        )

    def _now(self) -> tuple[float, int]:
        return time.monotonic(), self._sender.requests


class AsyncOutcomes(AsyncIterator[Outcome[K, V]], Generic[K, V]):
    """The outcomes of a run as they come, for `async for`; and a report on it, at any time."""

    def __init__(self, outcomes: MemoryObjectReceiveStream[Outcome[K, V]], tally: Tally) -> None:
        self._outcomes = outcomes
        self._tally = tally

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[K, V]:
        try:
            # A busy loop comes round seldom: whoever takes one outcome each time is late with the last by far.
            return self._outcomes.receive_nowait()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        except anyio.ClosedResourceError:
            raise RuntimeError("outcomes are iterated over inside their block, which is over") from None
        except anyio.WouldBlock:
            return await anext(self._outcomes)

    @property
    def report(self) -> Report:
        """How far the run is, or how it has ended: also when the block was left, whatever the reason."""
        return self._tally.report()


async def one_by_one(keys: Iterable[K] | AsyncIterable[K]) -> AsyncGenerator[K, None]:
    """Yield keys from whatever they come."""
    if not isinstance(keys, AsyncIterable):
        for key in keys:
            yield key
        return
    iterator = aiter(keys)
    try:
        async for key in iterator:
            yield key
    finally:
        # One that was made here is closed here; one that was given stays its giver's.
        if iterator is not keys and isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def outcome_of(function: Callable[[], Awaitable[V]], key: K) -> Outcome[K, V]:
    """Return what comes of a function: its value, or the error that it raises."""
    try:
        return Outcome(key=key, value=await function())
    except RunEndedError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to this item
        return Outcome(key=key, error=error)
    except anyio.get_cancelled_exc_class():
        task = asyncio.current_task()
        if anyio.current_effective_deadline() == -math.inf or (task is not None and task.cancelling()):
            raise
        # Nobody cancelled us: the function awaited something that somebody else had cancelled.
        return Outcome(key=key, error=RuntimeError("what the function waited for was cancelled"))


class _Source(Generic[T]):
    """Items for many workers, each taken once."""

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        self._at_hand = None if isinstance(items, AsyncIterable) else iter(items)
        self._coming = one_by_one(items)
        self._turn = anyio.Lock()

    async def next(self) -> T:
        """Return the next item; at their end raise `StopAsyncIteration`."""
        if self._at_hand is None:
            async with self._turn:
                return await anext(self._coming)
        # Waiting for a lock would let thousands of workers begin one by one.
        for item in self._at_hand:
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Take no more."""
        await self._coming.aclose()


@asynccontextmanager
async def run_all(
    work: Callable[[T], Awaitable[Outcome[K, V]]],
    items: Iterable[T] | AsyncIterable[T],
    *,
    workers: int,
    tally: Tally,
) -> AsyncIterator[AsyncOutcomes[K, V]]:
    """Work on items, so many at a time, count, and give the outcomes as they come.

    Leaving the block cancels what is not done. Where outcomes are not taken, work goes on for twice `workers` items at
    the most. When the items themselves fail, what was begun is ended, and the error is raised after its outcomes.
    """
    source = _Source(items)
    send, receive = anyio.create_memory_object_stream[Outcome[K, V]](workers)
    problem: Exception | None = None

    async def go_on(results: MemoryObjectSendStream[Outcome[K, V]]) -> None:
        nonlocal problem
        async with results:
            while True:
                try:
                    item = await source.next()
                except StopAsyncIteration:
                    return
                except Exception as error:  # noqa: BLE001  # raised when the outcomes have been taken
                    problem = error
                    return
                tally.take()
                outcome = await work(item)
                tally.count(outcome.error)
                await results.send(outcome)

    tally.begin()
    try:
        async with aclosing(source), receive, task_group() as group:
            async with send:
                for _ in range(workers):
                    group.start_soon(go_on, send.clone())
            yield AsyncOutcomes(receive, tally)
            group.cancel_scope.cancel()
    except RunEndedError as ended:
        problem = ended.problem
    finally:
        tally.end()
    if problem is not None:
        raise problem


def fan_out(
    function: Callable[[K], Awaitable[V]],
    keys: Iterable[K] | AsyncIterable[K],
    *,
    workers: int,
    tally: Tally | None = None,
) -> AbstractAsyncContextManager[AsyncOutcomes[K, V]]:
    """Apply a function to keys, so many at a time, as `run_all` does."""

    async def work(key: K) -> Outcome[K, V]:
        return await outcome_of(partial(function, key), key)

    return run_all(work, keys, workers=workers, tally=tally or Tally())
