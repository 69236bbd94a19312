"""Filters as they are asked for, and what the embedded cloud makes of the query that is sent."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from yarl import URL

from aioimages import eq, gt, gte, in_, lt, lte, neq
from aioimages._calls import images
from aioimages._calls.query import sort_parameters
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect
from aioimages._http import _url
from aioimages.emulator.accounts import PRODUCER
from aioimages.emulator.documents import new_document
from aioimages.emulator.query import Order, selection
from aioimages.emulator.state import Region, StoredImage
from properties.documents import moments, texts

Document = dict[str, Any]
Fits = Callable[[Document], bool]

NAMES = (
    some.text('ab,:"e q', max_size=4) | texts(max_size=4) | some.sampled_from(["eq:a", "in:a,b", '"a"', "a:b", "a,b"])
)
IN_NAMES = NAMES.filter(lambda name: bool(name) and '"' not in name)
TAGS = texts(min_size=1, max_size=2) | some.sampled_from(["a,b", "a&b", "a=b", "ü", "%41", "+"])
STATUSES = some.sampled_from(["active", "queued", "deactivated"])
PROPERTY = some.sampled_from(["os_distro", "ü&=", "a:b", "%"])
MOMENTS = some.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=some.just(UTC)).map(  # noqa: DTZ001  # its zone is given apart
    lambda moment: moment.replace(microsecond=0)
)
COMPARISONS: dict[Callable[[datetime], Any], Callable[[datetime, datetime], bool]] = {
    gt: lambda value, bound: value > bound,
    gte: lambda value, bound: value >= bound,
    lt: lambda value, bound: value < bound,
    lte: lambda value, bound: value <= bound,
    eq: lambda value, bound: value == bound,
    neq: lambda value, bound: value != bound,
}
DOCUMENTS: some.SearchStrategy[Document] = some.fixed_dictionaries(
    {
        "name": NAMES,
        "status": STATUSES,
        "size": some.none() | some.integers(0, 5),
        "protected": some.booleans(),
        "os_hidden": some.booleans(),
        "created_at": MOMENTS,
        "tags": some.lists(TAGS, max_size=3, unique=True),
        "disk_format": some.sampled_from(["raw", "vhd"]),
    },
    optional={"os_distro": NAMES, "ü&=": NAMES, "a:b": NAMES, "%": NAMES},
)


def equal(name: str) -> some.SearchStrategy[tuple[Document, Fits]]:
    """Return filters by one value of a text."""
    return NAMES.map(lambda value: ({name: value}, lambda document: document[name] == value))


def one_of(name: str) -> some.SearchStrategy[tuple[Document, Fits]]:
    """Return filters by several values of a text."""
    return some.lists(IN_NAMES, min_size=1, max_size=4).map(
        lambda values: ({name: in_(*values)}, lambda document: document[name] in values)
    )


def flag(name: str) -> some.SearchStrategy[tuple[Document, Fits]]:
    """Return filters by a flag."""
    return some.booleans().map(lambda value: ({name: value}, lambda document: document[name] is value))


def bound(name: str, fits: Callable[[int, int], bool]) -> some.SearchStrategy[tuple[Document, Fits]]:
    """Return filters by a size."""
    return some.integers(0, 6).map(lambda value: ({name: value}, lambda document: fits(document["size"] or 0, value)))


def compared() -> some.SearchStrategy[tuple[Document, Fits]]:
    """Return filters by a time."""
    return some.tuples(some.sampled_from(sorted(COMPARISONS, key=repr)), MOMENTS).map(
        lambda drawn: (
            {"created_at": drawn[0](drawn[1])},
            lambda document: COMPARISONS[drawn[0]](document["created_at"], drawn[1]),
        )
    )


FILTERS = {
    "openstack": [
        equal("name"),
        one_of("name"),
        flag("protected"),
        flag("os_hidden"),
        bound("size_min", lambda size, least: size >= least),
        bound("size_max", lambda size, most: size <= most),
        compared(),
    ],
    "rackspace": [
        equal("name"),
        bound("size_min", lambda size, least: size >= least),
        bound("size_max", lambda size, most: size <= most),
    ],
}


def parsed(call: Any) -> Any:
    """Return a call's query as a server reads it off the wire."""
    sent = str(_url(call, "http://cloud.example/v2"))
    assert sent.isascii()
    return URL(sent, encoded=True).query


@pytest.mark.parametrize("dialect", [OPENSTACK, RACKSPACE], ids=lambda dialect: dialect.name)
@given(data=some.data())
def test_filters(dialect: Dialect, data: some.DataObject) -> None:
    """The images that the embedded cloud finds for a query are those that the filters mean."""
    drawn = data.draw(some.lists(some.sampled_from(FILTERS[dialect.name]).flatmap(lambda filter_: filter_), max_size=3))
    filters = {name: value for wanted, _ in drawn for name, value in wanted.items()}
    fits = {name: fit for wanted, fit in drawn for name in wanted}
    tags = data.draw(some.lists(TAGS, max_size=2))
    properties = data.draw(some.dictionaries(PROPERTY, NAMES, max_size=2)) if dialect is OPENSTACK else {}
    region = Region("R", dialect.name)
    wanted = set()
    for number, facts in enumerate(data.draw(some.lists(DOCUMENTS, max_size=6))):
        document = {**new_document(region, str(number), PRODUCER.tenant_id, facts["created_at"]), **facts}
        region.images[str(number)] = StoredImage(document)
        if (
            all(fit(document) for fit in fits.values())
            and set(tags) <= set(document["tags"])
            and all(document.get(name) == value for name, value in properties.items())
            and ("os_hidden" in filters or dialect is RACKSPACE or not document["os_hidden"])
        ):
            wanted.add(str(number))
    call = images.list_page(dialect, filters, tag=tags, properties=properties)
    assert {image.id for image in selection(region, PRODUCER, parsed(call))} == wanted


@given(
    some.dictionaries(
        some.text(max_size=5) | some.sampled_from(sorted(OPENSTACK.filters)), some.text() | some.integers()
    ),
    some.none() | some.text() | some.lists(some.text()),
    some.dictionaries(some.text(), some.text()),
)
def test_any_filters(filters: dict[str, Any], tag: Any, properties: dict[str, str]) -> None:
    """Whatever is asked for is refused as a mistake of the program's, or it is read off the wire as it was given."""
    try:
        call = images.list_page(OPENSTACK, filters, tag=tag, properties=properties)
    except (TypeError, ValueError):
        return
    assert list(parsed(call).items()) == list(call.query)


@given(moments())
def test_moments(moment: datetime) -> None:
    """A moment of any zone is sent as the same moment."""
    with suppress(OverflowError):
        expected = moment.astimezone(UTC)
        query = dict(images.list_page(OPENSTACK, {"created_at": gt(moment)}).query)
        assert datetime.fromisoformat(query["created_at"].removeprefix("gt:")) == expected


KEYS = ("name", "status", "size", "id", "created_at")


@given(
    some.lists(some.tuples(some.sampled_from(KEYS), some.sampled_from(["", ":asc", ":desc"])), min_size=1, max_size=3),
    some.booleans(),
    some.lists(DOCUMENTS, max_size=6),
)
def test_sorting(terms: list[tuple[str, str]], is_one: bool, facts: list[Document]) -> None:  # noqa: FBT001  # drawn
    """The order that the embedded cloud makes of a query is the one that was asked for."""
    given_terms = [f"{key}{direction}" for key, direction in terms]
    parameters = sort_parameters(",".join(given_terms) if is_one else given_terms, several=True, title="")
    query = URL.build(query=parameters).query
    documents = [{"id": str(number), **document} for number, document in enumerate(facts)]
    found = Order(query).sorted(documents)

    def rank(document: Document, key: str) -> tuple[bool, Any]:
        return document[key] is not None, document[key] if document[key] is not None else 0

    for before, after in pairwise(found):
        for key, direction in terms:
            first, second = rank(before, key), rank(after, key)
            if first != second:
                assert (first < second) is (direction == ":asc")
                break
