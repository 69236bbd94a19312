"""Task groups without their groups of errors: what goes wrong comes out as itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

__all__ = ["task_group"]


@asynccontextmanager
async def task_group() -> AsyncIterator[TaskGroup]:
    """Run tasks; the first error among them ends the others and is raised, not in a group.

    A group of errors that the block or a task raises by itself stays one.
    """
    problem: BaseException
    try:
        async with anyio.create_task_group() as group:
            yield group
    except BaseExceptionGroup as errors:
        problem = errors.exceptions[0]
    else:
        return
    raise problem
