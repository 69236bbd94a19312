"""The event loop of the benchmark: uvloop, which is the limit, or asyncio's own where uvloop is not installed."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import Any, Final, TypeVar

__all__ = ["LOOP", "in_flight", "run"]

T = TypeVar("T")

LOOP: Final = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program's coroutine."""
    # By name, because the checkers need not have it.
    loops: Any = import_module("uvloop") if LOOP == "uvloop" else asyncio
    result: T = loops.run(main)
    return result


async def in_flight(width: int, count: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Do some work with each number below a count, so many at a time."""
    left = iter(range(count))

    async def worker() -> None:
        for number in left:
            await work(number)

    await asyncio.gather(*(worker() for _ in range(min(width, count))))
