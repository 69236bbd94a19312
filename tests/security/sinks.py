"""Everything through which a secret could come out."""

import copy
import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["chain", "leaks", "logged", "shown"]

_TESTS = str(Path(__file__).parents[1])


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and whatever it came of."""
    left, seen = [error], set()
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [other for other in (one.__cause__, one.__context__) if other is not None]


def _frames(error: BaseException) -> Iterator[str]:
    """Yield what a traceback with local variables shows of each frame that is not the program's own."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in report.stack:
        if not frame.filename.startswith(_TESTS):
            yield f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"


def shown(error: BaseException, *, frames: bool = True) -> Iterator[str]:
    """Yield everything that an error shows, wherever it is printed, kept or sent."""
    for one in chain(error):
        yield f"{one} {one!r} {one.args!r} {getattr(one, '__notes__', ())!r}"
        facts = {name: value for name, value in vars(one).items() if name != "task"}
        yield f"{facts!r} {getattr(one, 'task', None)!r}"
        for twin in (copy.copy(one), copy.deepcopy(one)):
            yield f"{twin} {twin!r} {twin.args!r}"
        if getattr(one, "task", None) is None:
            yield pickle.dumps(one).decode("latin-1")
        yield "".join(traceback.format_exception(one))
        if frames:
            yield from _frames(one)


def logged(records: Iterable[logging.LogRecord]) -> Iterator[str]:
    """Yield what log records say, and what they carry."""
    for record in records:
        yield f"{record.getMessage()} {record.__dict__}"


def leaks(texts: Iterable[str], *marks: str) -> list[str]:
    """Return the texts with one of these marks in them, whatever the case."""
    return [text[:2000] for text in texts if any(mark.lower() in text.lower() for mark in marks)]
