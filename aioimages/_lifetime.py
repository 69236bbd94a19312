"""A client's life: what is under way when it ends, ends with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from aioimages._errors import ClientClosedError

__all__ = ["Lifetime"]


class Lifetime:
    """From a client's making until it is closed."""

    def __init__(self) -> None:
        self._is_over = False
        self._scopes: set[anyio.CancelScope] = set()

    @contextmanager
    def span(self) -> Iterator[None]:
        """Do something within the client's life; when that is over, it ends with `ClientClosedError`."""
        if self._is_over:
            raise ClientClosedError("the client is closed")
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise ClientClosedError("the client was closed before the answer came")

    def end(self) -> None:
        """End it, once and for all."""
        self._is_over = True
        for scope in list(self._scopes):
            scope.cancel()
