"""Listings of a service whose items come and go while they are listed."""

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as some

from aioimages import BadRequestError, Listing, PaginationLoopError
from aioimages._call import Call
from aioimages._codec import nothing
from aioimages._models import Page
from properties.running import run

CALL: Call[Any] = Call(method="GET", path="things", read=nothing)


@attrs.define
class Changes:
    """What happens before a page is asked for: where items are added, and which are deleted, by their place."""

    added: Sequence[float]
    deleted: Sequence[float]


CHANGES = some.builds(
    Changes,
    some.lists(some.floats(0, 1), max_size=2),
    some.lists(some.floats(0, 1, exclude_max=True), max_size=2),
)


class Service:
    """A service that lists numbers in their order, with limit and marker, as Glance does.

    Args:
        items: What there is.
        cap: How many a page has at the most.
        changes: What happens before each page.
        repeats: Whether a page begins with the item that the one before it has ended with.
    """

    def __init__(self, items: Sequence[float], cap: int, changes: Sequence[Changes], *, repeats: bool) -> None:
        self.items = sorted(items)
        self.throughout = set(items)
        self.pages: list[list[float]] = []
        self._cap = cap
        self._changes = list(changes)
        self._repeats = repeats

    def _change(self) -> None:
        if not self._changes:
            return
        changes = self._changes.pop(0)
        for place in changes.deleted:
            if self.items:
                gone = self.items.pop(int(place * len(self.items)))
                self.throughout.discard(gone)
        self.items = sorted({*self.items, *changes.added})

    async def page(self, call: Call[Page[float]]) -> Page[float]:
        """Answer one request for a page."""
        await asyncio.sleep(0)
        if self.pages:
            self._change()
        query = dict(call.query)
        limit = min(self._cap, int(query.get("limit", self._cap)))
        first = 0
        if "marker" in query:
            marker = float(query["marker"])
            if marker not in self.items:
                detail = f"No image found with ID {marker}"
                raise BadRequestError(detail, status=400, method="GET", url="http://x/things")
            first = self.items.index(marker) + (0 if self._repeats else 1)
        found = self.items[first : first + limit + (self._repeats and "marker" in query)]
        self.pages.append(found)
        is_last = first + len(found) >= len(self.items)
        return Page(len(found), [found], None if is_last or not found else repr(found[-1]))


@given(
    some.sets(some.floats(0, 1), max_size=25),
    some.integers(1, 7),
    some.none() | some.integers(1, 9),
    some.lists(CHANGES, max_size=12),
    some.booleans(),
)
def test_every_item_once(
    items: set[float],
    cap: int,
    page_size: int | None,
    changes: list[Changes],
    repeats: bool,  # noqa: FBT001  # drawn
) -> None:
    """What is there throughout comes once and in order, nothing comes twice; it fails only if all that came is gone."""
    service = Service(list(items), cap, changes, repeats=repeats)
    found: list[float] = []

    async def collect() -> None:
        async for page in Listing(service.page, CALL, key=repr, page_size=page_size).pages():
            found.extend(page)

    try:
        run(collect())
    except BadRequestError:
        assert not set(found) & set(service.items)
        return
    assert len(found) == len(set(found))
    assert [item for item in found if item in service.throughout] == sorted(service.throughout)


@given(some.sets(some.integers(), max_size=20), some.integers(1, 6), some.integers(0, 25))
def test_most_items(items: set[int], cap: int, most: int) -> None:
    """So many items as are asked for come, the first ones, and no page is asked for that is not needed."""
    service = Service([float(item) for item in items], cap, (), repeats=False)
    listing = Listing(service.page, CALL, key=repr, max_items=most)
    assert run(listing.collect()) == service.items[:most]
    assert len(service.pages) <= -(-most // cap)
    assert run(listing.first()) == (service.items[0] if items else None)


@given(some.lists(some.integers(0, 6), min_size=1, max_size=20), some.booleans())
def test_loops(markers: list[int], is_empty: bool) -> None:  # noqa: FBT001  # drawn
    """A listing that comes back to a marker is an error at once; one that does not, ends."""
    asked: list[str | None] = []

    async def page(call: Call[Page[int]]) -> Page[int]:
        asked.append(dict(call.query).get("marker"))
        number = len(asked) - 1
        items = [] if is_empty else [number]
        return Page(len(items), [items], str(markers[number]) if number < len(markers) else None)

    listing = Listing(page, CALL, key=str)
    has_loop = len(set(markers)) < len(markers)
    try:
        found = run(listing.collect())
    except PaginationLoopError:
        assert has_loop
    else:
        assert not has_loop
        assert found == ([] if is_empty else list(range(len(markers) + 1)))
    known = [marker for marker in asked if marker is not None]
    assert len(known) == len(set(known))
