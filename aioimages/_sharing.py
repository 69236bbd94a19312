"""Work that many ask for at the same time, done once for all of them."""

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["Shared"]


class Shared:
    """Work that is done for all who ask for it at the same time.

    Who asks while it is being done has come too late for that, and shares the next time with the others who did. When
    it fails, or whoever does it is cancelled, each of the others does it for those who are left.

    Args:
        work: What is to be done.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._begun = 0
        self._last_done = 0
        self._over: anyio.Event | None = None

    async def done(self) -> None:
        """Return when it has been done, from beginning to end, since this was called."""
        asked = self._begun
        while self._last_done <= asked:
            # All who wait are woken together: one after the other, as by a lock, they would keep each other waiting.
            if self._over is not None:
                await self._over.wait()
            else:
                await self._do()

    async def _do(self) -> None:
        self._begun += 1
        number = self._begun
        over = self._over = anyio.Event()
        try:
            await self._work()
            self._last_done = number
        finally:
            self._over = None
            over.set()
