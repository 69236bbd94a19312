"""What the workers do on OpenStack only."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from desk import Desk, GivenUpError, Kept, digest
from imports import Import, bulk_import, single_import
from rounds import COMMON, Round, check_file, delete_some

from aioimages import Client, DownloadRequest, Image, ImportRequest

__all__ = ["ROUNDS"]

_FORMATS: Final[Any] = {"disk_format": "raw", "container_format": "bare"}
_FILES: Final = {number: bytes([number]) * 50_000 * (number + 1) for number in range(4)}
# A creation that fails is undone: it may take 5 seconds to hear of what was begun, and 5 to take it away.
_CLEANING_SECONDS: Final = 10.0


def _data(desk: Desk) -> bytes:
    return desk.chance.randbytes(desk.chance.randrange(1, 200_000))


def _source(desk: Desk, data: bytes, path: Path) -> Any:
    """Return data as bytes, as a file, or as what makes them anew."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 30_000):
            yield data[start : start + 30_000]

    kind = desk.chance.randrange(3)
    if kind == 1:
        path.write_bytes(data)
        return path
    return pieces if kind == 2 else data


async def upload(desk: Desk) -> None:
    """Create an image, upload its data, fetch them again, and keep it or delete it."""
    if desk.is_full:
        await delete_some(desk)
        return
    name, data = desk.name(), _data(desk)
    key = desk.key("image", name)
    with desk.book.change(key, status="queued", tags=[desk.tag]):
        image = await desk.call("create", lambda client: client.images.create(name=name, tags=[desk.tag], **_FORMATS))
    source = _source(desk, data, desk.folder / f"{name}.source")
    try:
        with desk.book.change(key, status="active", data=digest(data)):
            await desk.call("upload", lambda client: client.images.upload(image.id, source, size_bytes=len(data)))
    finally:
        desk.check_folder(desk.folder)
    await _fetch(desk, Kept(image.id, name, data))
    if desk.chance.random() < 0.3:
        with desk.book.change(key, to=0):
            await desk.call("delete", lambda client: client.images.delete(image.id))
    else:
        desk.kept.append(Kept(image.id, name, data))


async def _fetch(desk: Desk, image: Kept) -> None:
    target, parts = desk.folder / image.name, desk.chance.choice([1, 1, 3])
    try:
        await desk.call(
            "download", lambda client: client.images.download(image.id, target, parts=parts, timeout=20.0),
            within=20.0, is_limited=True,
        )  # fmt: skip
        check_file(desk, target, image.data or b"")
    finally:
        desk.check_folder(desk.folder)


async def _made_whole(
    desk: Desk, kind: str, name: str, data: bytes, make: Callable[[Client], Any], *, within: float = 30.0
) -> None:
    """Make an image with its data in one call, which leaves none where it fails and does not say so."""
    key = desk.key("image", name)
    try:
        with desk.book.change(key, status="active", data=digest(data)):
            image: Image = await desk.call(kind, make, within=within, cleaning=_CLEANING_SECONDS)
    except GivenUpError as given_up:
        if not given_up.may_be_left:
            desk.book.settle(key, 0)
        raise
    finally:
        desk.check_folder(desk.folder)
    desk.kept.append(Kept(image.id, name, data))


async def create_with_data(desk: Desk) -> None:
    """Create an image with its data."""
    if desk.is_full:
        return
    name, data = desk.name(), _data(desk)
    source = _source(desk, data, desk.folder / f"{name}.source")
    await _made_whole(
        desk, "create with data", name, data,
        lambda client: client.images.create(
            name=name, tags=[desk.tag], data=source, size_bytes=len(data), **_FORMATS
        ),
    )  # fmt: skip


async def import_from(desk: Desk) -> None:
    """Make an image of a URL, or of data that are staged."""
    if desk.is_full:
        return
    number, name = desk.chance.randrange(4), desk.name()
    source: Any = f"{desk.files}{number}.raw" if desk.chance.random() < 0.5 else _FILES[number]
    stores = None if isinstance(source, str) else ["cheap"]
    await _made_whole(
        desk, "import from", name, _FILES[number],
        lambda client: client.images.import_from(
            source, name=name, disk_format="raw", tags=[desk.tag], stores=stores, timeout=15.0
        ),
        within=40.0,
    )  # fmt: skip


async def web_download(desk: Desk) -> None:
    """Create an image, let the service fetch its data, and wait for it."""
    if desk.is_full:
        return
    number, name = desk.chance.randrange(4), desk.name()
    key = desk.key("image", name)
    with desk.book.change(key):
        image = await desk.call("create", lambda client: client.images.create(name=name, tags=[desk.tag], **_FORMATS))
    with desk.book.change(key, status="active", data=digest(_FILES[number])):
        await desk.call(
            "start an import",
            lambda client: client.images.start_import(image.id, "web-download", uri=f"{desk.files}{number}.raw"),
        )
        await desk.call(
            "wait for an image", lambda client: client.images.wait(image.id, timeout=10.0), within=10.0, is_limited=True
        )
    desk.kept.append(Kept(image.id, name, _FILES[number]))


async def bulk_download(desk: Desk) -> None:
    """Fetch many images at once, and go on where that ended, with a journal or without."""
    wanted = [image for image in desk.kept if image.data is not None]
    folder = desk.folder / "bulk"
    folder.mkdir(exist_ok=True)
    journal = desk.folder / "journal" if desk.chance.random() < 0.5 else None
    requests = {image.id: DownloadRequest(image.id, folder / image.name) for image in wanted}

    over: set[DownloadRequest] = set()

    async def fetch(client: Client) -> bool:
        async with client.bulk.download_images(list(requests.values()), journal=journal) as outcomes:
            async for _ in desk.outcomes("bulk download, an image", outcomes, over):
                pass
        return len(over) == len(wanted)

    try:
        for _ in range(4):
            if await desk.call("bulk download", fetch, within=60.0):
                break
        for image in wanted:
            if requests[image.id] in over:
                check_file(desk, folder / image.name, image.data or b"")
    finally:
        desk.check_folder(folder, may_be_left=True)
        folder.rmdir()
        desk.check_folder(desk.folder)


def _requested(desk: Desk, number: int) -> Import:
    name = desk.name()
    is_bad = desk.chance.random() < 0.1
    where = f"{desk.files}{'missing' if is_bad else number}.raw"
    request = ImportRequest(where, name, properties=_FORMATS, import_from_format="raw")
    return Import(request, is_bad, {} if is_bad else {"data": digest(_FILES[number])})


ROUNDS: Final[Mapping[Round, int]] = {
    **COMMON,
    upload: 8,
    create_with_data: 6,
    import_from: 4,
    web_download: 3,
    bulk_download: 2,
    partial(single_import, requested=_requested): 2,
    partial(bulk_import, requested=_requested): 1,
}
