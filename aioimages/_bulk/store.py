"""The journal's file: SQLite, and what can be wrong with it. Everything here blocks: it belongs into threads."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from aioimages._bulk.records import FORMAT, Record, Run, Step
from aioimages._errors import JournalError

__all__ = ["Store"]

_APPLICATION_ID: Final = 0x61696D67  # "aimg"
_RUN: Final = tuple(field.name for field in attrs.fields(Run))
_ITEM: Final = tuple(field.name for field in attrs.fields(Record))
_TABLES: Final = """
CREATE TABLE run (
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    started_at TEXT NOT NULL,
    service_time TEXT,
    version INTEGER NOT NULL
);
CREATE TABLE item (
    position INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    step TEXT NOT NULL,
    request_id TEXT,
    asked_name TEXT,
    task_id TEXT,
    image_id TEXT,
    result TEXT,
    error TEXT,
    message TEXT,
    started_at TEXT,
    finished_at TEXT,
    size_bytes INTEGER
);
"""
# SQLite may have been built to take no more than 999 values.
_ROWS: Final = 999 // len(_ITEM)
# Somebody may be writing in it by hand.
_PATIENCE_SECONDS: Final = 10.0
_TAKEN: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Store:
    """A journal's file, held by one run at a time.

    A second file beside it, whose name ends in `-lock`, is held for as long as the run lasts: also by one that was
    killed the system takes it back. The journal itself stays free to be read meanwhile.

    Args:
        path: Where it is, or is to be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: sqlite3.Connection | None = None
        self._file: sqlite3.Connection | None = None

    def open(self) -> tuple[Run, list[Record]] | None:
        """Hold the journal, and return what stands in it, or `None` where it is new.

        Raises:
            JournalError: It is held by another run, is damaged, of a newer version, or no journal at all.
        """
        with self._troubles():
            self._hold()
            self._file = _connected(self._path, _PATIENCE_SECONDS)
            if self._is_new(self._file):
                return None
            # Whoever reads meanwhile does not keep the run from writing.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            return self._read(self._file)

    def _hold(self) -> None:
        self._lock = _connected(self._path.with_name(f"{self._path.name}-lock"), 0.0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if _code(error) not in _TAKEN:
                raise
        else:
            return
        raise JournalError(f"the journal {self._path} is held by another run, in this process or another")

    def _is_new(self, file: sqlite3.Connection) -> bool:
        (application,) = file.execute("PRAGMA application_id").fetchone()
        (version,) = file.execute("PRAGMA user_version").fetchone()
        (tables,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables and application in {0, _APPLICATION_ID}:
            return True
        if application != _APPLICATION_ID:
            raise JournalError(f"{self._path} is no journal, but the SQLite database of another program")
        if version > FORMAT:
            raise JournalError(
                f"the journal {self._path} is of format {version}, made by a newer aioimages; this one knows {FORMAT}"
            )
        return False

    def _read(self, file: sqlite3.Connection) -> tuple[Run, list[Record]]:
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise JournalError(f"the journal {self._path} is damaged: {verdict}")
        runs = file.execute(f"SELECT {', '.join(_RUN)} FROM run").fetchall()  # noqa: S608  # our own names
        items = file.execute(f"SELECT {', '.join(_ITEM)} FROM item ORDER BY position")  # noqa: S608
        problem = f"it has {len(runs)} runs" if len(runs) != 1 else ""
        try:
            records = [_record(*row) for row in items]
        except ValueError as error:
            records, problem = [], str(error)
        if problem:
            raise JournalError(f"the journal {self._path} is damaged: {problem}")
        return Run(**dict(zip(_RUN, runs[0], strict=True))), records

    def begin(self, run: Run, records: Iterable[Record]) -> None:
        """Make a new journal, with its items if they are known: all or nothing."""
        with self._troubles():
            file = self._opened
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = FULL")
            with _transaction(file):
                for statement in _TABLES.split(";\n"):
                    file.execute(statement)
                file.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                file.execute(f"PRAGMA user_version = {FORMAT}")
                _insert(file, "run", _RUN, [run])
                _insert(file, "item", _ITEM, records)

    def save(self, records: Iterable[Record]) -> None:
        """Write down how far items are, in one transaction that is on the disk when this returns."""
        with self._troubles(), _transaction(self._opened):
            _insert(self._opened, "item", _ITEM, records)

    def close(self) -> None:
        """Let go of it. Closing twice does no harm."""
        for connection in (self._file, self._lock):
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
        self._file = self._lock = None

    @property
    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            raise RuntimeError("the journal is not open")
        return self._file

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _code(error) == sqlite3.SQLITE_NOTADB:
                problem = f"{self._path} is no journal: {error}"
            else:
                problem = f"the journal {self._path} cannot be used: {error}"
        else:
            return
        raise JournalError(problem)


def _connected(path: Path, patience: float) -> sqlite3.Connection:
    # One thread after the other uses it.
    return sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's number for an error, without what it says beyond the kind."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _storable(value: Any) -> Any:
    """Return a value as SQLite takes it: a name that the file system gives, or a header, need not be UTF-8."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _record(position: int, key: str, name: str, step: str, *facts: Any) -> Record:
    return Record(position, key, name, Step(step), *facts)


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        # A full disk has ended it already.
        with suppress(sqlite3.Error):
            file.execute("ROLLBACK")
        raise


def _insert(file: sqlite3.Connection, table: str, columns: tuple[str, ...], facts: Iterable[object]) -> None:
    """Write rows, many with each statement: Python lets the loop run at each one, and may wait long to go on."""
    left = list(facts)
    while left:
        some, left = left[:_ROWS], left[_ROWS:]
        row = f"({', '.join('?' * len(columns))})"
        file.execute(
            f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(some))}",  # noqa: S608
            [_storable(getattr(fact, column)) for fact in some for column in columns],
        )
