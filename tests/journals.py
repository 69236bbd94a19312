"""What tests of journals share."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
from clouds import World
from wire import Person

from aioimages import ImportRequest, Outcome, Report, Task

__all__ = ["LOST_AFTER", "disks", "images_made", "imported", "person_who_imports", "rows", "tasks_made", "until"]

LOST_AFTER = 0.2


def person_who_imports(world: World) -> Person:
    """Return who may ask for tasks."""
    return world.site.producer if world.dialect == "rackspace" else world.site.admin


def disks(world: World, count: int, *, bad: int | None = None) -> list[ImportRequest]:
    """Return requests for so many disks, of which one may be none."""
    good = world.import_source()
    sources = [world.import_source(good=False) if number == bad else good for number in range(count)]
    return [ImportRequest(source, f"disk-{number}") for number, source in enumerate(sources)]


async def imported(
    world: World, requests: list[ImportRequest], path: Path | str | None, **options: Any
) -> tuple[list[Outcome[ImportRequest, Task]], Report]:
    """Run an import to its end, and return its outcomes and its report."""
    client = options.pop("client", world.importer)
    options = {"journal": path, "lost_after": LOST_AFTER, **options}
    async with client.bulk.import_images(requests, **options) as outcomes:
        done = [outcome async for outcome in outcomes]
    return done, outcomes.report


def rows(path: Path, column: str = "step") -> list[Any]:
    """Read a column of the items as anybody would who has the `sqlite3` tool; there are none before they are made."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as file:
        (begun,) = file.execute("SELECT count(*) FROM sqlite_master WHERE name = 'item'").fetchone()
        return [row[0] for row in file.execute(f"SELECT {column} FROM item ORDER BY position")] if begun else []


async def until(path: Path, step: str, count: int) -> None:
    """Wait until so many items have come to a step."""
    with anyio.fail_after(20):
        while Counter(rows(path))[step] < count:  # noqa: ASYNC110  # nobody tells of it
            await anyio.sleep(0.01)


def tasks_made(world: World) -> int:
    """Return how many tasks there are in the cloud, seen or not."""
    return sum(len(region.tasks) for region in world.emulator._world.regions.values())


async def images_made(world: World) -> list[str | None]:
    """Return the names of the images that there are."""
    return sorted([image.name async for image in world.importer.images.list()], key=str)
