"""A client's life: what is under way when it ends, ends with it."""

import asyncio
from types import TracebackType
from typing import Any

from aioimages._errors import ClientClosedError

__all__ = ["Lifetime"]


class Lifetime:
    """From a client's making until it is closed."""

    def __init__(self) -> None:
        self._is_over = False
        self._spans: set[_Span] = set()

    def span(self) -> "_Span":
        """Do something within the client's life; when that is over, it ends with `ClientClosedError`."""
        if self._is_over:
            raise ClientClosedError("the client is closed")
        return _Span(self._spans)

    def end(self) -> None:
        """End it, once and for all."""
        self._is_over = True
        for span in list(self._spans):
            span.cut()


class _Span:
    """What one task does within a client's life. It ends as `asyncio.timeout` does, but costs next to nothing."""

    def __init__(self, spans: "set[_Span]") -> None:
        self._spans = spans
        self._is_cut = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a client works inside asyncio tasks only")
        self._task: asyncio.Task[Any] = task
        self._cancellations = task.cancelling()
        self._spans.add(self)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spans.discard(self)
        if not self._is_cut:
            return
        is_ours_alone = self._task.uncancel() <= self._cancellations
        if is_ours_alone and exc_type is not None and issubclass(exc_type, asyncio.CancelledError):
            raise ClientClosedError("the client was closed before the answer came") from None

    def cut(self) -> None:
        """End it now, from outside."""
        self._is_cut = True
        self._task.cancel()
