"""Listings: lazy, page by page, the next page on its way while this one is being looked at."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, Final, Generic, TypeVar

import attrs

from aioimages._call import Call
from aioimages._errors import BadRequestError, PaginationLoopError
from aioimages._models import Page
from aioimages._policy import count

__all__ = ["Listing"]

T = TypeVar("T")

# Others are not kept waiting for longer.
_LONG_SECONDS: Final = 0.002
# A service that filters what it has paged may give some.
_MOST_EMPTY_PAGES: Final = 1000
# How many of the last items may be gone before the next page cannot be found.
_MARKERS: Final = 100

Run = Callable[[Call[Page[T]]], Awaitable[Page[T]]]


class Listing(Generic[T]):
    """Items that the service lists, fetched as they are asked for.

    Iterate over it with `async for`, as often as you like: each time asks anew. It ends when the service says so, never
    by a short page, and gives each item once, also where images are added or deleted meanwhile: should the one that
    marks where a page begins be gone, the page begins at the one before it.
    """

    def __init__(
        self,
        run: Run[T],
        call: Call[Page[T]],
        *,
        key: Callable[[T], str],
        page_size: int | None = None,
        max_items: int | None = None,
    ) -> None:
        self._run = run
        self._call = call
        self._key = key
        self._page_size = None if page_size is None else count("page_size", page_size, least=1)
        self._max_items = None if max_items is None else count("max_items", max_items, least=0)

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for item in page:
                    yield item

    async def pages(self) -> AsyncGenerator[list[T], None]:
        """Iterate over the items page by page, as the service cuts them."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                yield page

    async def collect(self) -> list[T]:
        """Return all items."""
        return [item async for item in self]

    async def first(self) -> T | None:
        """Return the first item, or `None` where there is none."""
        one = Listing(self._run, self._call, key=self._key, page_size=1, max_items=1)
        async with aclosing(aiter(one)) as items:
            return await anext(items, None)

    def _page_call(self, marker: str | None) -> Call[Page[T]]:
        # The original parameters, not those of the server's link: Glance drops repeated ones from it.
        paging = [("limit", str(self._page_size))] if self._page_size else []
        if marker is not None:
            paging.append(("marker", marker))
        return attrs.evolve(self._call, query=(*self._call.query, *paging))

    async def _pages(self) -> AsyncGenerator[list[T], None]:
        left = float("inf") if self._max_items is None else self._max_items
        seen: set[str] = set()
        markers: set[str] = set()
        upcoming: asyncio.Future[Page[T]] | None = None
        keys: deque[str] = deque(maxlen=_MARKERS)
        empty = 0
        if not left:
            return
        try:
            page = await self._run(self._page_call(None))
            while True:
                empty = 0 if page.count else empty + 1
                self._check_progress(empty)
                # What is needed for sure is asked for before this page is read.
                upcoming = self._next(page, markers) if left > page.count else None
                if upcoming is not None:
                    await asyncio.sleep(0)
                items = (await self._new_items(page, seen, keys))[: int(min(left, page.count))]
                left -= len(items)
                if left and upcoming is None:
                    upcoming = self._next(page, markers)
                if items:
                    yield items
                if upcoming is None:
                    return
                page = await self._following(upcoming, keys)
        finally:
            if upcoming is not None:
                await _drop(upcoming)

    async def _following(self, upcoming: "asyncio.Future[Page[T]]", keys: deque[str]) -> Page[T]:
        """Return the next page, or where its marker was deleted meanwhile, what follows the last item that was not."""
        try:
            return await upcoming
        except BadRequestError:
            for key in [*reversed(keys)][1:]:
                with suppress(BadRequestError):
                    return await self._run(self._page_call(key))
            raise

    def _check_progress(self, empty: int) -> None:
        if empty > _MOST_EMPTY_PAGES:
            raise PaginationLoopError(
                f"the listing of {self._call.path} has given {_MOST_EMPTY_PAGES} empty pages on end"
            )

    async def _new_items(self, page: Page[T], seen: set[str], keys: deque[str]) -> list[T]:
        items = []
        begun = time.monotonic()
        for part in page.parts:
            for item in part:
                key = self._key(item)
                keys.append(key)
                if key not in seen:
                    seen.add(key)
                    items.append(item)
            if time.monotonic() - begun > _LONG_SECONDS:
                await asyncio.sleep(0)
                begun = time.monotonic()
        return items

    def _next(self, page: Page[T], markers: set[str]) -> "asyncio.Future[Page[T]] | None":
        marker = page.next_marker
        if marker is None:
            return None
        if marker in markers:
            raise PaginationLoopError(
                f"the listing of {self._call.path} came back to marker {marker!r}: it would never end"
            )
        markers.add(marker)
        return asyncio.ensure_future(self._run(self._page_call(marker)))


async def _drop(upcoming: "asyncio.Future[Any]") -> None:
    """Leave no request behind, and no error that nobody will see."""
    upcoming.cancel()
    await asyncio.wait([upcoming])
    if not upcoming.cancelled():
        upcoming.exception()
