"""A connection between the submitter and a worker, by Dask's own means (TCP or TLS)."""

from collections.abc import Iterator
from typing import Any

import anyio
from distributed.comm.core import Comm

__all__ = ["Line", "Message"]

# The order's number, what is asked or answered, and how many requests the worker's client has sent so far.
Message = tuple[int, bytes, int]


class Line:
    """One end of a connection. Messages that come up while others are on their way go together.

    Everything raises `OSError` once it is broken.
    """

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._outgoing: list[Message] = []
        self._is_due = anyio.Event()

    def send(self, message: Message) -> None:
        """Let a message go with the next ones."""
        self._outgoing.append(message)
        self._is_due.set()

    async def keep_sending(self) -> None:
        """Send messages as they come up."""
        while True:
            await self._is_due.wait()
            self._is_due = anyio.Event()
            messages, self._outgoing = self._outgoing, []
            await self._comm.write(messages)

    async def receive(self) -> Iterator[Message]:
        """Return the next messages."""
        messages: list[Message] = await self.read()
        return iter(messages)

    async def write(self, value: Any) -> None:
        """Send a value by itself, before there are messages."""
        await self._comm.write(value)

    async def read(self) -> Any:
        """Return a value that was sent by itself."""
        return await self._comm.read()

    def cut(self) -> None:
        """End the connection now."""
        self._comm.abort()
