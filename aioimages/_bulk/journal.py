"""The journal of a run: each item's step is on the disk before the next one starts, many items' in one write."""

import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import attrs

from aioimages._bulk.records import Record, Run, now
from aioimages._errors import JournalError
from aioimages._outcomes import RunEndedError
from aioimages._sharing import Shared
from aioimages._transfer.pump import to_its_end

__all__ = ["Journal", "JournalPath", "checked_path", "opened"]

JournalPath = str | os.PathLike[str]


class _Store(Protocol):
    """A journal's file."""

    def open(self) -> tuple[Run, list[Record]] | None: ...
    def begin(self, run: Run, records: Iterable[Record]) -> None: ...
    def save(self, records: Iterable[Record]) -> None: ...
    def close(self) -> None: ...


def checked_path(journal: JournalPath | None) -> Path | None:
    """Return a journal's path with nothing left to be followed in it; otherwise raise, before anything is done."""
    if journal is None:
        return None
    path = os.fspath(journal) if isinstance(journal, str | os.PathLike) else None
    if not isinstance(path, str):
        raise TypeError(f"journal is the path of a file, a str or a Path, not {type(journal).__name__}")
    if not path or "\0" in path:
        raise ValueError(f"journal is the path of a file, not {path!r}")
    return Path(os.path.realpath(path))


class Journal:
    """What a run notes of its items: in a file, or nowhere, where it has none.

    Attributes:
        began_at: When the run began, by the service's clock, in seconds since 1970, if the journal is kept.
        records: What an earlier run has noted, by key.
    """

    def __init__(self, path: Path | None, store: _Store | None) -> None:
        self.began_at: float | None = None
        self.records: dict[str, Record] = {}
        self._path = path
        self._store = store
        self._count = 0
        self._pending: dict[int, Record] = {}
        self._broken: JournalError | None = None
        self._written = Shared(self._write_pending)

    @property
    def is_kept(self) -> bool:
        """Whether anything that is noted will be there later."""
        return self._store is not None

    async def begin(
        self,
        kind: str,
        place: Callable[[], Awaitable[tuple[str, str | None]]],
        items: Iterable[tuple[str, str]] | None,
    ) -> None:
        """Begin a run, or go on with it.

        Args:
            kind: What is done with the items.
            place: Finds out where, and what time it is there, in ISO 8601, where that is told.
            items: Key and name of each, or `None` where they come one by one.

        Raises:
            JournalError: The journal is of other work.
        """
        if self._store is None:
            return
        keyed = dict(items or ())
        found = await to_its_end(self._store.open)
        if found is not None and found[0].kind != kind:
            raise JournalError(f"{self._path} is the journal of a run of kind {found[0].kind}, not {kind}")
        target, service_time = await place()
        if found is None:
            for key, name in keyed.items():
                self.record(key, name)
            run = Run(kind=kind, target=target, started_at=now(), service_time=service_time)
            await to_its_end(partial(self._store.begin, run, list(self.records.values())))
        else:
            run = found[0]
            self._check(run, target, {record.key for record in found[1]}, None if items is None else keyed.keys())
            self.records = {record.key: record for record in found[1]}
            self._count = len(found[1])
        # Where the service does not tell the time, any task may be of this run.
        self.began_at = datetime.fromisoformat(run.service_time).timestamp() if run.service_time else -math.inf

    def _check(self, run: Run, target: str, keys: set[str], wanted: AbstractSet[str] | None) -> None:
        if run.target != target:
            raise JournalError(f"{self._path} is the journal of a run on {run.target}, not on {target}")
        if wanted is not None and wanted != keys:
            raise JournalError(
                f"{self._path} is the journal of another run: {len(wanted - keys)} of these {len(wanted)} items are "
                f"not in it, and {len(keys - wanted)} of its {len(keys)} are not among these"
            )

    def record(self, key: str, name: str) -> Record:
        """Return what is known of an item, which may be new."""
        known = self.records.get(key)
        if known is not None:
            return known
        self._count += 1
        record = Record(self._count, key, name)
        if self.is_kept:
            self.records[key] = record
        return record

    async def write(self, record: Record) -> None:
        """Return when a record as it is now is on the disk.

        Those of several items go there together. One whose writer is cancelled goes with the next, or at the end.

        Raises:
            RunEndedError: It cannot be written, nor could it be before.
        """
        if self._store is None:
            return
        self._pending[record.position] = record
        await self._written.done()

    async def _write_pending(self) -> None:
        if self._store is not None and self._broken is None and self._pending:
            records = [attrs.evolve(record) for record in self._pending.values()]
            self._pending.clear()
            try:
                await to_its_end(partial(self._store.save, records))
            except JournalError as error:
                self._broken = error
            except Exception as error:
                self._broken = JournalError(f"the journal {self._path} cannot be written: {error!r}")
                raise
        if self._broken is not None:
            raise RunEndedError(self._broken)

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        if self._store is None:
            return
        with anyio.CancelScope(shield=True):
            try:
                # Only steps of items that were cancelled are left: without them, those items are looked for.
                with suppress(RunEndedError):
                    await self._written.done()
            finally:
                await to_its_end(self._store.close)


@asynccontextmanager
async def opened(path: Path | None) -> AsyncIterator[Journal]:
    """Hold a journal until the end of the block, also one that is not kept."""
    store: _Store | None = None
    if path is not None:
        # SQLite takes its time to import, and few runs need it.
        from aioimages._bulk.store import Store  # noqa: PLC0415

        store = Store(path)
    journal = Journal(path, store)
    try:
        yield journal
    finally:
        await journal.close()
