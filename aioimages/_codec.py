"""Bytes to models and changes to bytes, by one cattrs converter; the only source of `DecodeError`."""

import re
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from functools import cached_property, partial
from http import HTTPStatus
from operator import itemgetter
from types import GenericAlias, UnionType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qs, urljoin, urlsplit

import attrs
import orjson
from cattrs import AttributeValidationNote, BaseValidationError, Converter, transform_error
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from aioimages._call import Reply
from aioimages._errors import DecodeError, ProtocolError, UnsafeLinkError
from aioimages._models import WIRE, Page, Store, Task
from aioimages._reading import (
    UnexpectedTypeError,
    message,
    read_document,
    read_moment,
    read_tuple,
    read_tuple_of_str,
    shallow,
    strictly,
)
from aioimages._text import one_line

__all__ = [
    "document",
    "dump",
    "facts",
    "items",
    "marker",
    "nothing",
    "one",
    "origin",
    "page",
    "undecodable",
    "under",
]

T = TypeVar("T")

_LONGEST_PROBLEM: Final = 100


def _is_object(kind: Any) -> bool:
    made_of: Any = get_origin(kind)
    return made_of in (dict, Mapping)


def _object_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    values = get_args(kind)[1]
    if values is Any:
        return read_document
    read = converter.get_structure_hook(values)
    return lambda value, _: {name: read(item, values) for name, item in strictly(dict, value).items()}


def _is_sequence(kind: Any) -> bool:
    made_of: Any = get_origin(kind)
    return made_of in (list, tuple)


def _sequence_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    # cattrs by itself takes whatever can be iterated over: an object's keys, a string's letters.
    items: Any = GenericAlias(list, get_args(kind)[:1])
    read = list_structure_factory(items, converter)
    make: Any = get_origin(kind)
    return lambda value, _: make(read(strictly(list, value), kind))


_converter: Final = Converter(detailed_validation=True, prefer_attrib_converters=False)
for _type in (str, int, bool, dict):
    _converter.register_structure_hook(_type, partial(strictly, _type))
_converter.register_structure_hook(datetime, read_moment)
_converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
_converter.register_structure_hook_factory(_is_sequence, _sequence_hook)
_converter.register_structure_hook_factory(_is_object, _object_hook)
_converter.register_structure_hook_func(lambda kind: kind == tuple[str, ...], read_tuple_of_str)
_converter.register_structure_hook_func(lambda kind: kind == tuple[Any, ...], read_tuple)

# What type checkers see of a `str` that may be missing; a null never gets here.
_converter.register_structure_hook_func(lambda kind: kind == str | Any, partial(strictly, str))

_PLAIN: Final = (str, int, bool)


@attrs.frozen
class _Slot:
    """Which field a value goes into: as it is when it is of one of these types, otherwise as it is read."""

    wire: str
    default: Any
    name: str
    types: tuple[type, ...]
    read: Callable[[Any, Any], Any]
    kind: Any


def _kind_of(field: "attrs.Attribute[Any]") -> Any:
    options = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    return next(option for option in options if option not in {type(None), Any})


def _slot_of(wire: str, field: "attrs.Attribute[Any]") -> _Slot:
    kind = _kind_of(field)
    plain = (kind,) if kind in _PLAIN else ()
    hook = _converter.get_structure_hook(kind)
    if field.default in {None, attrs.NOTHING}:
        nothing = () if field.default is attrs.NOTHING else (type(None),)
        return _Slot(wire, None, field.name, plain + nothing, hook, kind)
    make: Any = getattr(field.default, "factory", None)

    def read(value: Any, kind: Any) -> Any:
        if value is not None:
            return hook(value, kind)
        return make() if make else field.default

    if make:
        return _Slot(wire, None, field.name, plain, read, kind)
    return _Slot(wire, field.default, field.name, (*plain, type(field.default)), read, kind)


def _fields(cls: type) -> dict[str, "attrs.Attribute[Any]"]:
    """Return a model's fields by their names on the wire; nameless is the one for keys without a field."""
    return {field.metadata.get(WIRE, field.name): field for field in attrs.fields(attrs.resolve_types(cls))}


# As many images as are read in a millisecond or so.
_PART: Final = 50
# What is in no need of a look at how deep it is.
_FLAT: Final = frozenset({str, int, float, bool, type(None)})
# What does not fit, however it shows.
_MISFIT: Final = (ValueError, TypeError, AttributeError, BaseValidationError)


def _name_as_on_the_wire(error: BaseValidationError, wires: Mapping[str, str]) -> None:
    """Let an error say what the service calls a field, rather than what we do."""
    for problem in error.exceptions:
        problem.__notes__ = [
            AttributeValidationNote(note, wires[note.name], note.type)
            if isinstance(note, AttributeValidationNote)
            else note
            for note in getattr(problem, "__notes__", ())
        ]


class _Structure(Generic[T]):
    """The structure hook of a model, made from its fields.

    Most answers are as they should be, so they go straight into the instance, past `__init__` and the checks of a
    generated hook, at a third of the cost. Whatever does not fit goes through the generated hook once more, which says
    what is wrong and where. A null takes the default where there is one; keys without a field go to the field whose
    wire name is empty.
    """

    def __init__(self, cls: type[T]) -> None:
        fields = _fields(cls)
        self._cls = cls
        self._rest = fields[""].name if "" in fields else None
        self._slots = [attrs.astuple(_slot_of(wire, field), recurse=False) for wire, field in fields.items() if wire]

    def __call__(self, raw: Any, _: object = None) -> T:
        if type(raw) is not dict:
            raise UnexpectedTypeError("dict", raw)
        try:
            return self._straight(raw)
        except _MISFIT:
            return self._carefully(raw)

    def _straight(self, raw: dict[str, Any]) -> T:
        rest = raw.copy()
        take = rest.pop
        values = {
            name: value if type(value := take(wire, default)) in types else read(value, kind)
            for wire, default, name, types, read, kind in self._slots
        }
        if self._rest is not None:
            values[self._rest] = rest if _FLAT.issuperset(map(type, rest.values())) else shallow(rest)
        made = self._cls.__new__(self._cls)
        object.__setattr__(made, "__dict__", values)
        return made

    def _carefully(self, raw: dict[str, Any]) -> T:
        shallow(raw)
        fields = _fields(self._cls)
        needed = {
            key: value
            for key, value in raw.items()
            if key in fields and (value is not None or fields[key].default is attrs.NOTHING)
        }
        try:
            return self._generated(needed, self._cls)
        except BaseValidationError as error:
            _name_as_on_the_wire(error, {field.name: wire for wire, field in fields.items()})
            raise

    @cached_property
    def _generated(self) -> Callable[[Mapping[str, Any], Any], T]:
        overrides: dict[str, Any] = {
            field.name: override(rename=wire) if wire else override(omit=True)
            for wire, field in _fields(self._cls).items()
        }
        return make_dict_structure_fn(self._cls, _converter, **overrides)


def _task_hook(raw: Any, _: object) -> Task:
    if type(raw) is dict and not isinstance(raw.get("message"), str | None):
        # It is for people, and no reason not to understand the rest.
        raw = {**raw, "message": orjson.dumps(raw["message"]).decode()}
    task = _structure_task(raw, None)
    changes: dict[str, Any] = {}
    if task.message is not None:
        changes["message"] = message(task.message)
    made = (task.result or {}).get("image_id")
    if task.image_id is None and isinstance(made, str):
        changes["image_id"] = made
    return attrs.evolve(task, **changes) if changes else task


def _store_hook(raw: Any, _: object) -> Store:
    # Glance writes these two as words.
    if type(raw) is dict:
        raw = {**raw, **{key: raw[key] == "true" for key in ("default", "read-only") if type(raw.get(key)) is str}}
    return _structure_store(raw, None)


_converter.register_structure_hook_factory(attrs.has, _Structure)
_structure_store: Final = _Structure(Store)
_converter.register_structure_hook(Store, _store_hook)
_structure_task: Final = _Structure(Task)
_converter.register_structure_hook(Task, _task_hook)


def _explain(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"required key {error.args[0]!r} is missing"
    return one_line(str(error), _LONGEST_PROBLEM) or type(error).__name__


def undecodable(reply: Reply, what: str) -> DecodeError:
    """Return the error for an answer that was not understood."""
    what = one_line(what, 2 * _LONGEST_PROBLEM)
    return DecodeError(f"{what} (answer of {reply.status} from {urlsplit(reply.url).path})")


def _parse(reply: Reply) -> Any:
    if not reply.body.strip():
        raise undecodable(reply, "JSON was due, the body is empty")
    problem = ""
    try:
        return orjson.loads(reply.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        problem = f"{error.msg} at line {error.lineno}, column {error.colno}"
    # Whatever else stands there is the server's, and may be long.
    kind = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,40}(?=;|$)", reply.headers.get("content-type", ""))
    raise undecodable(
        reply, f"not JSON: {problem} ({len(reply.body)} bytes of {kind[0] if kind else 'no content type'})"
    )


def _structure(reply: Reply, raw: Any, cls: type[T], place: str) -> T:
    try:
        return _converter.structure(raw, cls)
    except BaseValidationError as error:
        problems = transform_error(error, path=place, format_exception=_explain)
    except ValueError as error:
        problems = [f"{_explain(error, None)} @ {place}"]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise undecodable(reply, f"{problems[0].replace(' @ ', ' at ')}{more}")


def _models(
    reply: Reply, raws: list[Any], cls: type[T], place: str, find: Callable[[Any], Any]
) -> Generator[list[T], None, None]:
    """Make models of a list, which `find` finds again in the answer's document should one of them not fit."""
    hook = _converter.get_structure_hook(cls)
    try:
        # Each is let go when it has been read: the garbage collector then has half as much to look through.
        raws.reverse()
        while raws:
            yield [hook(raws.pop(), cls) for _ in range(min(_PART, len(raws)))]
    except _MISFIT:
        _structure(reply, find(_parse(reply)), list[cls], place)  # type: ignore[valid-type]
        raise


def one(cls: type[T]) -> Callable[[Reply], T]:
    """Return a reader of answers that are one such model."""
    return lambda reply: _structure(reply, _parse(reply), cls, "$")


def nothing(_: Reply) -> None:
    """Read an answer that says nothing beyond its status."""


def document(reply: Reply) -> dict[str, Any]:
    """Read an answer that is a JSON object, as it is."""
    return _structure(reply, _parse(reply), dict[str, Any], "$")


def under(kind: type[T], *keys: str) -> Callable[[Reply], T]:
    """Return a reader of what stands under a key, or under a key under a key."""

    def read(reply: Reply) -> T:
        found, place = _parse(reply), "$"
        for key in keys:
            if key not in _structure(reply, found, dict, place):
                raise undecodable(reply, f"required key {key!r} is missing at {place}")
            found, place = found[key], f"{place}.{key}"
        return _structure(reply, found, kind, place)

    return read


def page(cls: type[T], key: str) -> Callable[[Reply], Page[T]]:
    """Return a reader of a page of such models, which stand under a key."""

    def read(reply: Reply) -> Page[T]:
        found = _structure(reply, _parse(reply), dict, "$")
        if key not in found:
            raise undecodable(reply, f"required key {key!r} is missing at $")
        raws = _structure(reply, found[key], list[Any], f"$.{key}")
        parts = _models(reply, raws, cls, f"$.{key}", itemgetter(key))
        return Page(len(raws), parts, _next_marker(reply, found.get("next")))

    return read


def items(cls: type[T], marker_of: Callable[[T], str]) -> Callable[[Reply], Page[T]]:
    """Return a reader of pages that are a bare list; only one without anything is the last."""

    def read(reply: Reply) -> Page[T]:
        if reply.status == HTTPStatus.NO_CONTENT:
            return Page(0, (), None)
        found = _structure(reply, _parse(reply), list[cls], "$")  # type: ignore[valid-type]
        return Page(len(found), [found], marker_of(found[-1]) if found else None)

    return read


def facts(cls: type[T], raw: Callable[[Reply], Mapping[str, Any]]) -> Callable[[Reply], T]:
    """Return a reader of a model whose facts are in an answer's headers."""
    return lambda reply: _structure(reply, dict(raw(reply)), cls, "headers")


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL: what a token may be sent to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _next_marker(reply: Reply, link: Any) -> str | None:
    """Read the marker out of `next`.

    The rest of that link is not used: its path does not know of a proxy, and Glance loses repeated parameters.
    """
    if link is None or link == "":
        return None
    if not isinstance(link, str):
        raise undecodable(reply, f"{UnexpectedTypeError('str', link)} at $.next")
    try:
        target = urljoin(reply.url, link)
        leaves = "\\" in link or "@" in urlsplit(target).netloc or origin(target) != origin(reply.url)
    except ValueError:
        leaves = True
    if leaves:
        raise UnsafeLinkError(
            f"the listing's next page is on another origin than {'//'.join(map(str, origin(reply.url)[:2]))}"
        )
    return marker(reply, link)


def marker(reply: Reply, link: str) -> str:
    """Read the marker out of a link to the next page."""
    try:
        markers = parse_qs(urlsplit(link).query).get("marker")
    except ValueError:
        markers = None
    if not markers:
        raise ProtocolError(f"the link to the next page has no marker (answer from {urlsplit(reply.url).path})")
    return markers[-1]


def dump(value: Any) -> bytes:
    """Write a JSON body; what JSON cannot say is a `TypeError`."""
    return orjson.dumps(value)
