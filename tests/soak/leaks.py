"""What may be left when nothing is under way, and what Python says of things that nobody has closed or looked at."""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Iterable
from typing import Any

import psutil
from tallies import Tallies

from aioimages import Client

__all__ = ["Complaints", "Leaks"]

_SETTLING_SECONDS = 5.0
# They wait for more to do, end with the program, and are as many as were needed at once.
_POOLED_THREADS = "AnyIO worker thread"


class Complaints(logging.Handler):
    """Hears what is said of errors that nobody has retrieved, and of what was not closed."""

    def __init__(self, tallies: Tallies) -> None:
        super().__init__(logging.WARNING)
        self._tallies = tallies
        for name in ("asyncio", "aiohttp", "py.warnings"):
            logging.getLogger(name).addHandler(self)
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        sys.unraisablehook = self._unraisable

    def emit(self, record: logging.LogRecord) -> None:
        """Hear a message."""
        self._tallies.breach("complaint", self.format(record))

    def _unraisable(self, said: Any) -> None:
        self._tallies.breach("complaint", f"{said.exc_type.__name__}: {said.exc_value} in {said.object!r}")


class Leaks:
    """Knows what there was before the first client was made."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._process = psutil.Process()
        self._tasks = asyncio.all_tasks()
        self._threads = _threads()
        self._files = self.files()
        self._timers = len(_timers())

    def memory_bytes(self) -> int:
        """Return the memory that the process holds, garbage collected."""
        gc.collect()
        return int(self._process.memory_info().rss)

    def objects(self) -> int:
        """Return how many objects there are: they tell what is kept from memory that was only not given back."""
        return len(gc.get_objects())

    def files(self) -> int:
        """Return how many descriptors are open."""
        return int(self._process.num_fds())

    async def check_idle(self, clients: Iterable[Client], ticking: asyncio.Task[None]) -> None:
        """See that clients without anything to do hold nothing but connections that wait for more to do."""
        self._tasks.add(ticking)
        for client in clients:
            limiter = client._exchange._limiter
            session = client._http._session
            connector = session.connector if session else None
            if limiter.in_flight or limiter._waiting:
                self._tallies.breach("leaked", f"{limiter.in_flight} requests in flight, {limiter._waiting} wait")
            if connector is not None and connector._acquired:
                self._tallies.breach("leaked", f"{len(connector._acquired)} connections are held")
        self._check_tasks()

    def _check_tasks(self) -> None:
        left = {task for task in asyncio.all_tasks() - self._tasks if not task.done()}
        if left:
            self._tallies.breach("leaked", f"tasks that run still: {left}")

    async def check_end(self) -> None:
        """See that closed clients have left nothing, after a while."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _SETTLING_SECONDS
        while loop.time() < ends_at and self._left():
            gc.collect()
            await asyncio.sleep(0.1)
        self._check_tasks()
        for what in self._left():
            self._tallies.breach("leaked", what)

    def _left(self) -> list[str]:
        left = []
        if self.files() > self._files:
            left.append(f"{self.files() - self._files} descriptors, such as {self._process.net_connections()[:3]}")
        if len(_timers()) > self._timers:
            left.append(f"timers: {_timers()}")
        if _threads() - self._threads:
            left.append(f"threads: {_threads() - self._threads}")
        return left


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name != _POOLED_THREADS}


def _timers() -> list[asyncio.TimerHandle]:
    """Return what the loop is to call later, but for who asks."""
    scheduled: list[asyncio.TimerHandle] = getattr(asyncio.get_running_loop(), "_scheduled", [])
    return [timer for timer in scheduled if not timer.cancelled()]
