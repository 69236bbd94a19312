"""`client.images.upload`, `stage` and `create(data=…)`."""

import asyncio
import bz2
import gzip
import hashlib
import io
import lzma
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import pytest
from clouds import World

from aioimages import (
    ConflictError,
    FormatWarning,
    Image,
    NotFoundError,
    StatusError,
    TransferError,
    UnsupportedMediaTypeError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

# Python's own from 3.14 on.
zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
# Not a multiple of the size of a piece.
DATA = bytes(range(256)) * 10_000 + b"the end"


async def pieces(size: int = 700_001) -> AsyncIterator[bytes]:
    """Give the data in pieces."""
    for start in range(0, len(DATA), size):
        yield DATA[start : start + size]


async def queued(world: World, **attributes: Any) -> Image:
    """Make an image that waits for its data."""
    return await world.producer.images.create(
        **{"name": "new", "disk_format": "raw", "container_format": "bare", **attributes}
    )


async def stored(world: World, image: Image) -> bytes:
    """Return an image's data, fetched without the client."""
    return await (await world.site.wire(world.site.producer)).download(image.id)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda _: DATA,
    "bytearray": lambda _: bytearray(DATA),
    "memoryview": lambda _: memoryview(DATA),
    "path": lambda path: path,
    "str": str,
    "BytesIO": lambda _: io.BytesIO(DATA),
    "async iterable": lambda _: pieces(),
    "many pieces": lambda _: pieces(10_007),
    "factory": lambda _: pieces,
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_upload(world: World, kind: str, tmp_path: Path) -> None:
    """Whatever the data come from, they arrive whole, and are compared."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    image = await queued(world)
    image = await world.producer.images.upload(image.id, SOURCES[kind](path))
    assert (image.status, image.size) == ("active", len(DATA))
    assert image.os_hash_value == hashlib.new(image.os_hash_algo or "", DATA).hexdigest()
    assert await stored(world, image) == DATA


async def test_upload_of_an_open_file(world: World, tmp_path: Path) -> None:
    """An open file is uploaded from where it stands, whether it is async or not."""
    path = tmp_path / "disk.raw"
    path.write_bytes(b"skipped" + DATA)
    with path.open("rb") as file:
        file.seek(7)
        image = await world.producer.images.upload((await queued(world)).id, file)
    assert await stored(world, image) == DATA
    async with await anyio.open_file(path, "rb") as async_file:
        await async_file.seek(7)
        image = await world.producer.images.upload((await queued(world)).id, async_file)
    assert await stored(world, image) == DATA


@pytest.mark.parametrize("size", [None, len(DATA)])
async def test_length(world: World, size: int | None) -> None:
    """Data of a known length are announced, others come in chunks."""
    image = await queued(world)
    world.watch.clear()
    await world.producer.images.upload(image.id, pieces, size_bytes=size)
    (request,) = world.watch.to("/file")
    assert request.headers.get("Content-Length") == (str(size) if size else None)
    assert request.headers.get("X-OpenStack-Image-Size") == (str(size) if size else None)


@pytest.mark.parametrize("store", ["fast", "cheap"])
async def test_store(world: World, store: str) -> None:
    """Data go to the store that is asked for."""
    image = await queued(world)
    image = await world.producer.images.upload(image.id, DATA, store=store)
    assert image.stores == (store,)


async def test_unknown_store(world: World) -> None:
    """A store that there is not is an error, and the image still waits for its data."""
    image = await queued(world)
    with pytest.raises(StatusError, match="400"):
        await world.producer.images.upload(image.id, DATA, store="nowhere")
    assert (await world.producer.images.get(image.id)).status == "queued"


async def test_image_with_data(world: World) -> None:
    """An image that has data takes no others, and nothing is sent."""
    image = await world.make_image(data=b"first")
    world.watch.clear()
    with pytest.raises(ConflictError, match="is active, and only a queued one takes data"):
        await world.producer.images.upload(image.id, DATA)
    assert world.watch.to("/file") == []


async def test_unknown_image(world: World) -> None:
    """An image that is not there takes no data."""
    with pytest.raises(NotFoundError):
        await world.producer.images.upload("no-such-image", DATA)


async def test_image_without_formats(world: World) -> None:
    """An image without its formats takes no data."""
    image = await world.producer.images.create(name="new")
    with pytest.raises(StatusError, match=r"40[09]"):
        await world.producer.images.upload(image.id, DATA)


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd.compress,
    "several": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "plain": lambda data: data,
}


@pytest.mark.parametrize("kind", PACKED)
async def test_decompress(world: World, kind: str) -> None:
    """A compressed source is unpacked on its way, where that is asked for."""
    image = await queued(world)
    image = await world.producer.images.upload(image.id, PACKED[kind](DATA), decompress=True)
    assert await stored(world, image) == DATA


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2", "zstd"])
async def test_damaged_archive(world: World, kind: str) -> None:
    """A compressed source that ends in the middle, or is damaged, leaves the image without data."""
    image = await queued(world)
    packed = PACKED[kind](DATA)
    for damaged in (packed[: len(packed) // 2], packed[:6] + b"\xff" * 50 + packed[56:]):
        with pytest.raises(TransferError, match="the compressed source"):
            await world.producer.images.upload(image.id, damaged, decompress=True)
        assert (await world.producer.images.wait(image.id, status="queued", timeout=10)).size is None


@pytest.mark.parametrize(
    ("first", "found"),
    [(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"vhdxfile", "vhdx"), (b"conectix", "vhd")],
)
async def test_format_that_does_not_fit(world: World, first: bytes, found: str) -> None:
    """Of data that look like another format than the image's there is a warning, before the service judges them."""
    image = await queued(world)
    with (
        pytest.warns(FormatWarning, match=f"look like {found}, and its disk_format is raw"),
        suppress(UnsupportedMediaTypeError),
    ):
        await world.producer.images.upload(image.id, first + bytes(2000))


async def test_create_with_data(world: World) -> None:
    """An image is made and given its data in one call."""
    image = await world.producer.images.create(name="new", disk_format="raw", container_format="bare", data=DATA)
    assert (image.status, image.size) == ("active", len(DATA))


@pytest.mark.parametrize("keep", [False, True])
async def test_creation_that_fails(world: World, *, keep: bool) -> None:
    """An image whose data could not be uploaded is not left behind, unless that is asked for."""

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise OSError("the tape broke")

    before = {image.id async for image in world.producer.images.list()}
    with pytest.raises(OSError, match="the tape broke"):
        await world.producer.images.create(
            name="new", disk_format="raw", container_format="bare", data=failing, keep_failed=keep
        )
    left = {image.id async for image in world.producer.images.list()} - before
    assert len(left) == keep


async def test_source_that_lies_about_its_size(world: World) -> None:
    """A source that gives more or fewer bytes than were announced leaves the image without data."""
    for size in (len(DATA) - 1, len(DATA) + 1):
        image = await queued(world)
        with pytest.raises(TransferError, match="the source should give"):
            await world.producer.images.upload(image.id, pieces, size_bytes=size)
        assert (await world.producer.images.wait(image.id, status="queued", timeout=10)).size is None


async def test_stage(world: World) -> None:
    """Staged data wait for their import, which brings them into the image."""
    image = await queued(world)
    image = await world.producer.images.stage(image.id, pieces, size_bytes=len(DATA))
    assert image.status == "uploading"
    await world.producer.images.start_import(image.id)
    image = await world.producer.images.wait(image.id, timeout=30)
    assert (image.size, await stored(world, image)) == (len(DATA), DATA)


async def test_two_uploads_at_once(world: World) -> None:
    """Of two uploads into one image one succeeds, and its data are whole."""
    image = await queued(world)
    outcomes = await asyncio.gather(
        world.producer.images.upload(image.id, b"a" * 3_000_000),
        world.producer.images.upload(image.id, b"b" * 3_000_000),
        return_exceptions=True,
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, Image)]
    lost = [outcome for outcome in outcomes if not isinstance(outcome, Image)]
    assert len(won) == 1
    assert isinstance(lost[0], StatusError | TransferError)
    assert len(set(await stored(world, image))) == 1
