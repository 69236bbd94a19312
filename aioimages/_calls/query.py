"""Filters and sorting as the wire wants them, and the operators that filters take (Images v2, "List images")."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

import attrs

from aioimages._call import is_unicode
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect

__all__ = ["ImageFilters", "Operator", "eq", "gt", "gte", "in_", "lt", "lte", "neq", "query_of", "sort_parameters"]

COLON_PARSED: Final = frozenset({"id", "name", "status", "container_format", "disk_format"})
MOMENTS: Final = frozenset({"created_at", "updated_at"})
NUMBERS: Final = frozenset({"size_min", "size_max"})
FLAGS: Final = frozenset({"protected", "os_hidden"})
SORT_KEYS: Final = frozenset(
    {"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"},
)
# What people write for what the wire calls otherwise.
ALIASES: Final = {"hidden": "os_hidden"}


@attrs.frozen
class Operator:
    """A comparison that a filter asks for in place of equality."""

    name: str
    values: tuple[str | datetime, ...]


class ImageFilters(TypedDict, total=False):
    """The filters of a listing of images, by the wire's names."""

    checksum: str | None
    container_format: str | Operator | None
    created_at: datetime | Operator | None
    disk_format: str | Operator | None
    hidden: bool | None
    id: str | Operator | None
    member_status: str | None
    name: str | Operator | None
    os_hash_algo: str | None
    os_hash_value: str | None
    os_hidden: bool | None
    owner: str | None
    protected: bool | None
    size_max: int | None
    size_min: int | None
    status: str | Operator | None
    updated_at: datetime | Operator | None
    visibility: str | None


def in_(*values: str) -> Operator:
    """Match any of the values: `images.list(status=in_("queued", "saving"))`."""
    if not values:
        raise ValueError("in_() needs at least one value")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"in_() takes str, not {type(value).__name__}")
        if not value or '"' in value:
            raise ValueError(f"in_() cannot match an empty value or one with a double quote: {value!r}")
    return Operator("in", values)


def _comparison(name: str, moment: datetime) -> Operator:
    if not isinstance(moment, datetime):
        raise TypeError(f"{name}() takes a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None:
        raise ValueError(f"{name}() takes an aware datetime; {moment.isoformat()} has no time zone")
    return Operator(name, (moment,))


def gt(moment: datetime) -> Operator:
    """Match what is after the moment: `images.list(created_at=gt(yesterday))`."""
    return _comparison("gt", moment)


def gte(moment: datetime) -> Operator:
    """Match what is at the moment or after it."""
    return _comparison("gte", moment)


def lt(moment: datetime) -> Operator:
    """Match what is before the moment."""
    return _comparison("lt", moment)


def lte(moment: datetime) -> Operator:
    """Match what is at the moment or before it."""
    return _comparison("lte", moment)


def eq(moment: datetime) -> Operator:
    """Match the moment itself."""
    return _comparison("eq", moment)


def neq(moment: datetime) -> Operator:
    """Match every other moment."""
    return _comparison("neq", moment)


def query_of(
    dialect: Dialect,
    filters: Mapping[str, Any],
    *,
    tag: str | Sequence[str] | None,
    properties: Mapping[str, str] | None,
) -> list[tuple[str, str]]:
    """Return the wire's parameters for filters.

    What the dialect lacks is a `ValueError`, what no dialect has is a `TypeError`.
    """
    query = []
    for given, value in filters.items():
        name = ALIASES.get(given, given)
        if name not in dialect.filters:
            raise _unknown_filter(dialect, given)
        if value is not None:
            query.append((name, _filter_value(dialect, name, value)))
    query += [("tag", value) for value in _strings("tag", tag)]
    if properties:
        if not dialect.property_filters:
            raise ValueError(f"{dialect.title} cannot filter by custom properties")
        query += [_property(dialect, name, value) for name, value in properties.items()]
    for name, value in query:
        if not is_unicode(name + value):
            raise ValueError(f"{name!r} is not valid Unicode: {value!r}")
    return query


def _unknown_filter(dialect: Dialect, name: str) -> Exception:
    known = OPENSTACK.filters | RACKSPACE.filters
    if ALIASES.get(name, name) in known:
        return ValueError(f"{dialect.title} cannot filter by {name}; it knows {', '.join(sorted(dialect.filters))}")
    return TypeError(f"list() has no filter {name!r}; custom properties go in properties={{...}}")


def _filter_value(dialect: Dialect, name: str, value: Any) -> str:
    if isinstance(value, Operator):
        return _operator_value(dialect, name, value)
    if name in MOMENTS:
        return _operator_value(dialect, name, eq(value))
    if name in FLAGS:
        if not isinstance(value, bool):
            raise TypeError(f"{name} is a bool, not {type(value).__name__}")
        return "true" if value else "false"
    if name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} is an int, not {type(value).__name__}")
        if value < 0:
            raise ValueError(f"{name} cannot be negative: {value}")
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str, not {type(value).__name__}")
    # Glance takes what stands before a colon for an operator.
    return f"eq:{value}" if dialect.operators and name in COLON_PARSED and ":" in value else value


def _operator_value(dialect: Dialect, name: str, operator: Operator) -> str:
    if not dialect.operators:
        raise ValueError(f"{dialect.title} has no filter operators: {name} cannot take {operator.name}")
    fitting = COLON_PARSED if operator.name == "in" else MOMENTS
    if name not in fitting:
        raise ValueError(f"{name} cannot take {operator.name}; that is for {', '.join(sorted(fitting))}")
    return f"{operator.name}:{','.join(map(_operand, operator.values))}"


def _operand(value: str | datetime) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return f'"{value}"' if "," in value or ":" in value else value


def _property(dialect: Dialect, name: str, value: str) -> tuple[str, str]:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"properties are str by str, not {name!r}: {value!r}")
    if not name or name in dialect.filters or name in {"limit", "marker", "sort", "sort_key", "sort_dir", "tag"}:
        raise ValueError(f"{name!r} is no custom property; filter by it with a keyword of its own")
    return name, value


def _strings(name: str, value: str | Iterable[str] | None) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} is a str or several, not {type(value).__name__}")
    found = [value] if isinstance(value, str) else list(value)
    for item in found:
        if not isinstance(item, str):
            raise TypeError(f"{name} is a str or several, not {type(item).__name__}")
        if not item:
            raise ValueError(f"{name} cannot be empty")
    return found


def sort_parameters(
    sort: str | Sequence[str] | None,
    *,
    keys: frozenset[str] = SORT_KEYS,
    several: bool,
    title: str,
) -> list[tuple[str, str]]:
    """Return `sort_key` and `sort_dir` for `"name:asc"`, several of them, or `"name:asc,size:desc"`.

    Without a direction it is `desc`, as on the wire.
    """
    terms = [term.strip() for given in _strings("sort", sort) for term in given.split(",")]
    if len(terms) > 1 and not several:
        raise ValueError(f"{title} sorts by one key only, not by {', '.join(terms)}")
    parameters = []
    for term in terms:
        key, _, direction = term.partition(":")
        if key not in keys:
            raise ValueError(f"cannot sort by {key!r}; there are {', '.join(sorted(keys))}")
        if direction not in {"", "asc", "desc"}:
            raise ValueError(f"the direction of sort {term!r} is neither 'asc' nor 'desc'")
        parameters += [("sort_key", key), ("sort_dir", direction or "desc")]
    return parameters
