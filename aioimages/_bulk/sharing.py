"""Work that many ask for at the same time, done once for all of them."""

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["Shared"]


class Shared:
    """Work that is done for all who ask for it at the same time.

    Who asks while it is being done has come too late for that, and shares the next time with the others who did.

    Args:
        work: What is to be done.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._turn = anyio.Lock()
        self._begun = 0
        self._last_done = 0

    async def done(self) -> None:
        """Return when it has been done, from beginning to end, since this was called."""
        asked = self._begun
        async with self._turn:
            if self._last_done > asked:
                return
            self._begun += 1
            number = self._begun
            await self._work()
            self._last_done = number
