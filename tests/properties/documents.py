"""Documents as services send them, made from what the models say of their fields, and what must come of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from types import UnionType
from typing import Any, Final, get_args, get_origin

import attrs
from hypothesis import strategies as some

from aioimages._models import WIRE

__all__ = ["MISSING", "documents", "json_values", "kind_of", "misfits", "moments", "texts", "wires"]

MISSING: Final = object()

Pair = tuple[Any, Any]


def texts(**options: Any) -> some.SearchStrategy[str]:
    """Return texts that can be sent: halves of surrogate pairs cannot."""
    return some.text(some.characters(exclude_categories=["Cs"]), **options)


@lru_cache
def json_values() -> some.SearchStrategy[Any]:
    """Return whatever JSON can say."""
    plain: some.SearchStrategy[Any] = some.one_of(
        some.none(),
        some.booleans(),
        some.integers(-(2**63), 2**64 - 1),
        texts(max_size=5),
        some.floats(allow_nan=False, allow_infinity=False),
    )
    return some.recursive(
        plain,
        lambda inner: some.lists(inner, max_size=2) | some.dictionaries(texts(max_size=5), inner, max_size=2),
        max_leaves=4,
    )


@lru_cache
def wires(cls: type) -> dict[str, "attrs.Attribute[Any]"]:
    """Return a model's fields by their names on the wire."""
    fields = attrs.fields(attrs.resolve_types(cls))
    return {name: field for field in fields if (name := field.metadata.get(WIRE, field.name))}


def kind_of(field: "attrs.Attribute[Any]") -> Any:
    """Return the type that a field's value has where there is one."""
    options = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    return next(option for option in options if option not in {type(None), Any})


def moments() -> some.SearchStrategy[datetime]:
    """Return aware times, in zones of any offset."""
    return some.datetimes(timezones=some.integers(-1439, 1439).map(lambda offset: timezone(timedelta(minutes=offset))))


@lru_cache
def values(kind: Any) -> some.SearchStrategy[Pair]:
    """Return values of a kind: as they are sent, and what they are read as."""
    if kind is datetime:
        return moments().map(lambda moment: (moment.isoformat(), moment))
    plain: dict[Any, some.SearchStrategy[Any]] = {
        str: texts(max_size=5),
        int: some.integers(-(2**63), 2**64 - 1),
        bool: some.booleans(),
        object: json_values(),
    }
    if kind in plain:
        return plain[kind].map(lambda value: (value, value))
    return documents(kind) if attrs.has(kind) else _several(kind)


def _several(kind: Any) -> some.SearchStrategy[Pair]:
    made_of: Any = get_origin(kind)
    inner = get_args(kind)[-1] if made_of in (dict, Mapping) else get_args(kind)[0]
    each = json_values().map(lambda value: (value, value)) if inner is Any else values(inner)
    if made_of in (dict, Mapping):
        return some.dictionaries(texts(max_size=5), each, max_size=2).map(
            lambda pairs: (
                {name: sent for name, (sent, _) in pairs.items()},
                {name: read for name, (_, read) in pairs.items()},
            )
        )
    return some.lists(each, max_size=2).map(
        lambda pairs: ([sent for sent, _ in pairs], made_of(read for _, read in pairs))
    )


@lru_cache
def documents(cls: type) -> some.SearchStrategy[Pair]:
    """Return documents of a model, with what is optional missing or null at times, and what must come of them."""
    fields = {}
    for wire, field in wires(cls).items():
        fields[wire] = values(kind_of(field))
        if field.default is not attrs.NOTHING:
            make = getattr(field.default, "factory", None)
            default = make() if make else field.default
            fields[wire] |= some.sampled_from([(MISSING, default), (None, default)])

    def assembled(drawn: dict[str, Pair]) -> Pair:
        sent = {wire: value for wire, (value, _) in drawn.items() if value is not MISSING}
        return sent, cls(**{wires(cls)[wire].name: read for wire, (_, read) in drawn.items()})

    return some.fixed_dictionaries(fields).map(assembled)


@lru_cache
def misfits(kind: Any) -> some.SearchStrategy[Any]:
    """Return values that are none of a kind."""
    plain: dict[Any, tuple[type, ...]] = {str: (str,), datetime: (str,), int: (int,), bool: (bool, str)}
    made_of: Any = get_origin(kind)
    if kind == tuple[str, ...]:
        taken: tuple[type, ...] = (str, list)
    elif attrs.has(kind) or made_of in (dict, Mapping):
        taken = (dict,)
    else:
        taken = plain.get(kind, (list,))
    odd = {str: "", int: 5, bool: True, list: [], dict: {}, float: 1.5}
    return some.sampled_from([value for type_, value in odd.items() if type_ not in taken])
