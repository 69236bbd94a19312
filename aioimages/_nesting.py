"""How deep JSON may be: what comes from a service is walked through later, by this library and by others."""

from collections.abc import Iterable
from typing import Any, Final

__all__ = ["checked"]

_DEEPEST: Final = 64
_CONTAINERS: Final = frozenset({dict, list})


def checked(value: Any) -> Any:
    """Return a JSON value that is nested in at most 64 levels; otherwise raise."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer) if type(inner) in _CONTAINERS]
        if not level:
            return value
    raise ValueError(f"nested deeper than {_DEEPEST} levels")


def _within(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()
