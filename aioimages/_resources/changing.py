"""Changes of one image, one at a time: the service loses those that are made at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final
from weakref import WeakValueDictionary

__all__ = ["Changes"]

_under_way: Final[ContextVar[tuple[object, ...]]] = ContextVar("aioimages_changes_under_way", default=())


class _Turn(asyncio.Lock):
    """Whose turn it is to change an image.

    Attributes:
        change: The change that is under way.
    """

    change: object | None = None


class Changes:
    """Lets the changes of each image wait for each other."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    @asynccontextmanager
    async def one_of(self, image_id: str) -> AsyncIterator[None]:
        """Change an image in the block, once the changes that were asked for before are over.

        Raises:
            RuntimeError: It would wait for itself.
        """
        turn = self._turns.setdefault(image_id, _Turn())
        if turn.change in _under_way.get():
            raise RuntimeError(f"the source of an upload cannot change its own image {image_id}; do so afterwards")
        async with turn:
            turn.change = object()
            before = _under_way.set((*_under_way.get(), turn.change))
            try:
                yield
            finally:
                _under_way.reset(before)
                turn.change = None
