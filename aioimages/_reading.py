"""JSON values as what they are meant to be, or a `ValueError`: pure functions that take nothing for something else."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from aioimages._times import moment

__all__ = [
    "UnexpectedTypeError",
    "message",
    "read_document",
    "read_moment",
    "read_tuple",
    "read_tuple_of_str",
    "shallow",
    "strictly",
]

# What comes from a service is walked through later, by this library and by others.
_DEEPEST: Final = 64
_CONTAINERS: Final = frozenset({dict, list})


class UnexpectedTypeError(ValueError):
    """A value of another type than was due."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(f"{expected} expected, not {'null' if value is None else type(value).__name__}")


def strictly(expected: type, value: Any, _: object = None) -> Any:
    """Return a value of a type itself, not of a subclass: JSON's true is no integer."""
    if type(value) is not expected:
        raise UnexpectedTypeError(expected.__name__, value)
    return value


def read_moment(value: Any, _: object = None) -> datetime | None:
    """Read a time."""
    if type(value) is not str:
        raise UnexpectedTypeError("str", value)
    return moment(value)


def read_tuple_of_str(value: Any, _: object = None) -> tuple[str, ...]:
    """Read several words: Glance writes the stores of an image as "fast,cheap"."""
    if type(value) is str:
        return tuple(filter(None, value.split(",")))
    if type(value) is not list:
        raise UnexpectedTypeError("list", value)
    for item in value:
        strictly(str, item)
    return tuple(value)


def read_tuple(value: Any, _: object = None) -> tuple[Any, ...]:
    """Read a list of whatever it is of."""
    return tuple(shallow(strictly(list, value)))


def read_document(value: Any, _: object = None) -> dict[str, Any]:
    """Read an object of whatever it is of."""
    document: dict[str, Any] = shallow(strictly(dict, value))
    return document


def message(value: str) -> str | None:
    """Return a task's message: Rackspace says "None" where it has nothing to say."""
    return None if value in {"", "None"} else value


def shallow(value: Any) -> Any:
    """Return a value that is nested in at most 64 levels."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer) if type(inner) in _CONTAINERS]
        if not level:
            return value
    raise ValueError(f"nested deeper than {_DEEPEST} levels")


def _within(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value
