"""A run: a job for many items, with a journal or without."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from aioimages._bulk.jobs import Job
from aioimages._bulk.journal import Journal, opened
from aioimages._bulk.records import Record, Step
from aioimages._models import Outcome
from aioimages._outcomes import AsyncOutcomes, RunEndedError, Tally, outcome_of, run_all

__all__ = ["Items", "Place", "run"]

K = TypeVar("K")
V = TypeVar("V")

Items = Iterable[tuple[K, Record]] | AsyncIterable[tuple[K, Record]]
Place = Callable[[], Awaitable[tuple[str, str | None]]]


class _Worker(Generic[K, V]):
    """Does what is left to be done with each item, and notes how that ends."""

    def __init__(self, job: Job[K, V], journal: Journal, tally: Tally) -> None:
        self._job = job
        self._journal = journal
        self._tally = tally

    async def work(self, item: tuple[K, Record]) -> Outcome[K, V]:
        return await outcome_of(partial(self._value, *item), item[0])

    async def _value(self, request: K, record: Record) -> V:
        if record.step.is_final:
            self._tally.resumed += 1
            return self._job.recall(record)
        try:
            value = await self._job.perform(request, record)
        except RunEndedError:
            raise
        except Exception as error:
            record.meet(error)
            await self._journal.write(record)
            raise
        record.go_to(Step.DONE)
        record.meet(None)
        await self._journal.write(record)
        return value


@asynccontextmanager
async def run(
    kind: str,
    items: Callable[[Journal], Items[K]],
    job: Callable[[Journal], Job[K, V]],
    *,
    journal: Path | None,
    place: Place,
    known: Iterable[tuple[str, str]] | None,
    workers: int,
    tally: Tally,
) -> AsyncIterator[AsyncOutcomes[K, V]]:
    """Do a job for items.

    Args:
        kind: What the journal calls it.
        items: The items, with the journal's records of them.
        job: What to do with them.
        journal: The journal's path.
        place: Finds out where this is done, and what time it is there.
        known: Key and name of every item, where they are known beforehand.
        workers: How many items to work on at a time.
        tally: Counts.
    """
    tally.begin()
    async with opened(journal) as notes:
        await notes.begin(kind, place, known)
        worker = _Worker(job(notes), notes, tally)
        async with run_all(worker.work, items(notes), workers=workers, tally=tally) as outcomes:
            yield outcomes
