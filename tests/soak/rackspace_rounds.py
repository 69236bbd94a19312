"""What the workers do at Rackspace only."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from desk import Desk, Kept
from imports import Import, bulk_import, single_import
from rounds import COMMON, Round, delete_some, fetch_object

from aioimages import Client, ExportRequest, ImportRequest
from aioimages.emulator.vhd import fixed_disk

__all__ = ["ROUNDS"]

_DISKS: Final = [fixed_disk(4096 * (number + 1)) for number in range(4)]


def _requested(desk: Desk, number: int) -> Import:
    is_bad = desk.chance.random() < 0.1
    return Import(ImportRequest(f"disks/{'bad' if is_bad else number}.vhd", desk.name()), is_bad, {})


async def import_and_keep(desk: Desk) -> None:
    """Import a disk, tag its image, and keep it."""
    if desk.is_full:
        await delete_some(desk)
        return
    number, name = desk.chance.randrange(4), desk.name()
    key = desk.key("image", name)
    with desk.book.change(desk.key("import", name), status="success"), desk.book.change(key, status="active"):
        image = await desk.call(
            "import from", lambda client: client.images.import_from(f"disks/{number}.vhd", name=name, timeout=15.0),
            within=40.0,
        )  # fmt: skip
    with desk.book.change(key, tags=[desk.tag]):
        await desk.call("update", lambda client: client.images.update(image.id, {"tags": [desk.tag]}))
    desk.kept.append(Kept(image.id, name, _DISKS[number]))


async def export(desk: Desk) -> None:
    """Export images to Cloud Files, with a journal or without, and fetch what came out."""
    chosen = desk.kept[: desk.chance.randrange(1, 4)]
    # An image is exported once, as its object is there afterwards.
    desk.kept = desk.kept[len(chosen) :]
    images = {image.id: image for image in chosen}
    journal = desk.folder / "journal" if desk.chance.random() < 0.6 else None
    for image_id in images:
        desk.book.begin(desk.key("export", image_id))
        desk.book.begin(desk.key("object", f"exports/{image_id}.vhd"))
    done: set[ExportRequest] = set()

    async def run(client: Client) -> None:
        requests = [ExportRequest(image_id, "exports") for image_id in images]
        async with client.bulk.export_images(requests, timeout=15.0, journal=journal, lost_after=1.0) as outcomes:
            async for _ in desk.outcomes("bulk export, an image", outcomes, done):
                pass

    try:
        for _ in range(4 if journal else 1):
            await desk.call("bulk export", run, within=60.0)
            if len(done) == len(images):
                break
    finally:
        desk.check_folder(desk.folder)
    for image_id in [request.image_id for request in done]:
        desk.book.settle(desk.key("export", image_id), 1)
        desk.book.settle(desk.key("object", f"exports/{image_id}.vhd"), 1)
        await fetch_object(desk, "exports", f"{image_id}.vhd", images[image_id].data or b"")


ROUNDS: Final[Mapping[Round, int]] = {
    **COMMON,
    import_and_keep: 8,
    export: 3,
    partial(single_import, requested=_requested): 3,
    partial(bulk_import, requested=_requested): 1,
    partial(bulk_import, requested=_requested, unique_names=True): 1,
}
