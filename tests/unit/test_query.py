"""Filters, operators and sorting, as the wire wants them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aioimages import eq, gt, gte, in_, lt, lte, neq
from aioimages._calls import images, tasks
from aioimages._calls.query import query_of, sort_parameters
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect, dialect_named

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dialect", "filters", "expected"),
    [
        (RACKSPACE, {"name": "web", "status": "active"}, [("name", "web"), ("status", "active")]),
        (RACKSPACE, {"name": "a:b"}, [("name", "a:b")]),
        (RACKSPACE, {"size_min": 0, "size_max": 5}, [("size_min", "0"), ("size_max", "5")]),
        (RACKSPACE, {"name": None}, []),
        (OPENSTACK, {"name": "a:b"}, [("name", "eq:a:b")]),
        (OPENSTACK, {"name": "a,b"}, [("name", "a,b")]),
        (OPENSTACK, {"name": 'a"b'}, [("name", 'a"b')]),
        (OPENSTACK, {"owner": "a:b"}, [("owner", "a:b")]),
        (OPENSTACK, {"status": in_("a", "b")}, [("status", "in:a,b")]),
        (OPENSTACK, {"name": in_("a,b", "c:d", "e")}, [("name", 'in:"a,b","c:d",e')]),
        (OPENSTACK, {"protected": True}, [("protected", "true")]),
        (OPENSTACK, {"hidden": False}, [("os_hidden", "false")]),
        (OPENSTACK, {"os_hidden": True}, [("os_hidden", "true")]),
        (OPENSTACK, {"created_at": gt(MOMENT)}, [("created_at", "gt:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"created_at": gte(MOMENT)}, [("created_at", "gte:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"updated_at": lt(MOMENT)}, [("updated_at", "lt:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"updated_at": lte(MOMENT)}, [("updated_at", "lte:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"updated_at": neq(MOMENT)}, [("updated_at", "neq:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"updated_at": eq(MOMENT)}, [("updated_at", "eq:2026-03-04T05:06:07Z")]),
        (OPENSTACK, {"updated_at": MOMENT}, [("updated_at", "eq:2026-03-04T05:06:07Z")]),
        (
            OPENSTACK,
            {"updated_at": gt(datetime(2026, 3, 4, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-6))))},
            [("updated_at", "gt:2026-03-04T07:02:03.000004Z")],
        ),
    ],
)
def test_filters(dialect: Dialect, filters: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """A filter's value is written as its dialect reads it."""
    assert query_of(dialect, filters, tag=None, properties=None) == expected


@pytest.mark.parametrize(("tag", "expected"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([], []), (None, [])])
def test_tags(tag: str | Sequence[str] | None, expected: list[str]) -> None:
    """Several tags are the parameter repeated."""
    assert query_of(RACKSPACE, {}, tag=tag, properties=None) == [("tag", name) for name in expected]


def test_properties() -> None:
    """Custom properties are parameters of their own name."""
    assert query_of(OPENSTACK, {}, tag=None, properties={"os_distro": "a:b"}) == [("os_distro", "a:b")]


@pytest.mark.parametrize("name", ["checksum", "protected", "id", "hidden"])
def test_filters_that_rackspace_lacks(name: str) -> None:
    """A filter that only the other dialect has is a `ValueError` that names it and lists those that there are."""
    with pytest.raises(ValueError, match=rf"cannot filter by {name}; it knows member_status, name"):
        query_of(RACKSPACE, {name: "x"}, tag=None, properties=None)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (in_, ValueError),
        (lambda: in_(5), TypeError),  # type: ignore[arg-type]
        (lambda: in_(""), ValueError),
        (lambda: in_('a"b'), ValueError),
        (lambda: gt("2026"), TypeError),  # type: ignore[arg-type]
        (lambda: gt(datetime(2026, 1, 1)), ValueError),  # noqa: DTZ001  # that is what is refused
    ],
)
def test_operators_that_cannot_be(make: Any, kind: type[Exception]) -> None:
    """An operator checks its values when it is made."""
    with pytest.raises(kind, match=r"in_\(\)|gt\(\)"):
        make()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (None, []),
        ("name", [("name", "desc")]),
        ("name:asc", [("name", "asc")]),
        (["name:asc", "size"], [("name", "asc"), ("size", "desc")]),
        ("name:asc, size:desc", [("name", "asc"), ("size", "desc")]),
    ],
)
def test_sort(sort: str | Sequence[str] | None, expected: list[tuple[str, str]]) -> None:
    """Sorting is sent as keys and directions, which both dialects know."""
    sent = [pair for key, direction in expected for pair in (("sort_key", key), ("sort_dir", direction))]
    assert sort_parameters(sort, several=True, title="") == sent


def test_calls_of_listings() -> None:
    """A listing's call has its filters first and its order after them."""
    call = images.list_page(OPENSTACK, {"name": "web"}, sort="name:asc", tag=["a", "b"], properties={"p": "q"})
    assert (call.method, call.path) == ("GET", "images")
    assert call.query == (
        ("name", "web"), ("tag", "a"), ("tag", "b"), ("p", "q"), ("sort_key", "name"), ("sort_dir", "asc"),
    )  # fmt: skip
    listing = tasks.list_page(OPENSTACK, type="import", status="pending", sort="expires_at:asc")
    assert listing.query == (
        ("type", "import"), ("status", "pending"), ("sort_key", "expires_at"), ("sort_dir", "asc"),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "dialect"), [("rackspace", RACKSPACE), ("openstack", OPENSTACK)])
def test_dialect_named(name: str, dialect: Dialect) -> None:
    """A dialect is found by its name."""
    assert dialect_named(name) is dialect
