"""Imports by task, which both dialects have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from desk import Desk, GivenUpError
from rounds import settle_import

from aioimages import Client, ImportRequest, TaskFailedError

__all__ = ["Import", "bulk_import", "single_import"]

_ITEMS: Final = 8
# Runs with a journal go on where they ended; by then nearly everything was done.
_RUNS: Final = 4


@dataclass(frozen=True)
class Import:
    """An import.

    Attributes:
        request: What is asked for.
        is_bad: Whether the service cannot do it.
        facts: What holds for the image.
    """

    request: ImportRequest
    is_bad: bool
    facts: dict[str, Any]


def _begin(desk: Desk, wanted: Import) -> None:
    desk.book.begin(desk.key("import", wanted.request.name))
    desk.book.begin(desk.key("image", wanted.request.name))


def _end(desk: Desk, wanted: Import, error: BaseException | None) -> None:
    if isinstance(error, TaskFailedError) != wanted.is_bad and (error is None or isinstance(error, TaskFailedError)):
        desk.wrong(f"the import of {wanted.request.name} ended with {error!r}")
    settle_import(desk, wanted.request.name, error, **wanted.facts)


async def single_import(desk: Desk, requested: Callable[[Desk, int], Import]) -> None:
    """Ask for an import, wait for its task, and look at the image."""
    wanted = requested(desk, desk.chance.randrange(4))
    request = wanted.request
    _begin(desk, wanted)
    task = await desk.call(
        "ask for an import",
        lambda client: client.tasks.import_image(
            request.import_from,
            name=request.name,
            properties=request.properties,
            import_from_format=request.import_from_format,
        ),
        role=desk.importer,
    )
    desk.book.settle(desk.key("import", request.name), 1)
    try:
        task = await desk.call(
            "wait for a task", lambda client: client.tasks.wait(task.id, timeout=10.0),
            role=desk.importer, within=10.0, is_limited=True,
        )  # fmt: skip
    except GivenUpError as given_up:
        _end(desk, wanted, given_up.error)
        raise
    _end(desk, wanted, None)
    image = await desk.call("get", lambda client: client.images.get(task.image_id), role=desk.importer)
    if image.name != request.name:
        desk.wrong(f"the import of {request.name} made an image of the name {image.name}")


async def bulk_import(desk: Desk, requested: Callable[[Desk, int], Import], *, unique_names: bool = False) -> None:
    """Import many disks at once: without a journal, or with one until all are done."""
    wanted = {one.request: one for one in (requested(desk, number % 4) for number in range(_ITEMS))}
    has_journal = unique_names or desk.chance.random() < 0.6
    journal = desk.folder / "journal" if has_journal else None
    for one in wanted.values():
        _begin(desk, one)

    over: set[ImportRequest] = set()

    async def run(client: Client) -> bool:
        kind = f"bulk import, an image{', journal' * has_journal}"
        async with client.bulk.import_images(
            list(wanted), timeout=15.0, journal=journal, unique_names=unique_names, lost_after=1.0
        ) as outcomes:
            async for outcome in desk.outcomes(kind, outcomes, over):
                _end(desk, wanted[outcome.key], outcome.error)
        return len(over) == len(wanted)

    try:
        for _ in range(_RUNS if has_journal else 1):
            try:
                if await desk.call(f"bulk import{', journal' * has_journal}", run, role=desk.importer, within=30.0):
                    break
            except GivenUpError:
                continue
    finally:
        desk.check_folder(desk.folder)
