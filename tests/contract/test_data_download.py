"""`client.images.download`."""

import hashlib
import io
import os
from pathlib import Path

import anyio
import pytest
from clouds import World

from aioimages import (
    BadRequestError,
    Download,
    ForbiddenError,
    Image,
    NotFoundError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

DATA = os.urandom(100_000) * 100 + b"the end"


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def filled(world: World, data: bytes = DATA) -> Image:
    """Make an image with data."""
    return await world.make_image(data=data)


async def test_to_a_path(world: World, tmp_path: Path) -> None:
    """A file gets the data, whole and checked, and nothing else is left in its folder."""
    image = await filled(world)
    done = await world.producer.images.download(image.id, tmp_path / "disk.raw")
    assert (tmp_path / "disk.raw").read_bytes() == DATA
    assert names(tmp_path) == ["disk.raw"]
    assert done == Download(
        key=image.id,
        size_bytes=len(DATA),
        hash_algo=image.os_hash_algo,
        hash_value=image.os_hash_value,
        verified=True,
    )


@pytest.mark.parametrize("parts", [2, 5])
async def test_in_parts(world: World, tmp_path: Path, parts: int) -> None:
    """Several parts at a time make the same file."""
    image = await filled(world)
    world.watch.clear()
    done = await world.producer.images.download(image.id, str(tmp_path / "disk.raw"), parts=parts)
    assert (tmp_path / "disk.raw").read_bytes() == DATA
    assert done.verified
    assert len(world.watch.to("/file")) == 4


async def test_over_an_older_file(world: World, tmp_path: Path) -> None:
    """An older file is replaced once the new one is whole, also where a link leads to it."""
    image = await filled(world)
    old = tmp_path / "old.raw"
    old.write_bytes(b"old")
    (tmp_path / "link.raw").symlink_to(old)
    await world.producer.images.download(image.id, tmp_path / "link.raw")
    assert old.read_bytes() == DATA
    assert (tmp_path / "link.raw").is_symlink()


async def test_to_open_files(world: World, tmp_path: Path) -> None:
    """An open file gets the data from where it stands, whether it is async or not."""
    image = await filled(world)
    buffer = io.BytesIO()
    buffer.write(b"before")
    assert (await world.producer.images.download(image.id, buffer)).verified
    assert buffer.getvalue() == b"before" + DATA
    async with await anyio.open_file(tmp_path / "disk.raw", "wb") as file:
        await world.producer.images.download(image.id, file)
    assert (tmp_path / "disk.raw").read_bytes() == DATA


@pytest.mark.parametrize("parts", [1, 3])
async def test_stream(world: World, parts: int) -> None:
    """A stream gives the data in pieces, and has checked them when it ends."""
    image = await filled(world)
    digest = hashlib.sha256()
    async with world.producer.images.download(image.id, parts=parts) as stream:
        assert (stream.key, stream.size_bytes, stream.result) == (image.id, len(DATA), None)
        async for piece in stream:
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(DATA).digest()
    assert stream.result is not None
    assert stream.result.verified


async def test_stream_that_is_left_early(world: World) -> None:
    """A stream that is left early leaves no connection behind, and is no error."""
    image = await filled(world)
    async with world.producer.images.download(image.id) as stream:
        async for piece in stream:
            assert DATA.startswith(piece)
            break
    assert stream.result is None
    assert (await world.producer.images.get(image.id)).id == image.id


async def test_from_image_to_image(world: World) -> None:
    """What one image's stream gives, another image takes, without a file between them."""
    image = await filled(world)
    async with world.producer.images.download(image.id) as stream:
        copy = await world.producer.images.create(name="copy", disk_format="raw", container_format="bare", data=stream)
    assert (copy.size, copy.os_hash_value) == (image.size, image.os_hash_value)


async def test_resume(world: World, tmp_path: Path) -> None:
    """What an earlier program left is checked and gone on with."""
    image = await filled(world)
    target = tmp_path / "disk.raw"
    partial = tmp_path / f".disk.raw.{image.id}.part"
    partial.write_bytes(DATA[:4_000_000])
    world.watch.clear()
    done = await world.producer.images.download(image.id, target, resume=True)
    assert target.read_bytes() == DATA
    assert done.resumed_bytes == 4_000_000
    (request,) = world.watch.to("/file")
    assert request.headers["Range"] == "bytes=4000000-"
    assert names(tmp_path) == ["disk.raw"]


@pytest.mark.parametrize("left", [b"", b"other data" * 1000, DATA[:-1] + b"?", DATA + b"more", DATA])
async def test_resume_with_what_does_not_fit(world: World, tmp_path: Path, left: bytes) -> None:
    """Whatever an earlier program left, the file is right in the end."""
    image = await filled(world)
    (tmp_path / f".disk.raw.{image.id}.part").write_bytes(left)
    done = await world.producer.images.download(image.id, tmp_path / "disk.raw", resume=True)
    assert (tmp_path / "disk.raw").read_bytes() == DATA
    assert done.resumed_bytes == (len(DATA) if left == DATA else 0)


async def test_begin_anew(world: World, tmp_path: Path) -> None:
    """Unless one asks for it, what an earlier program left is not gone on with."""
    image = await filled(world)
    (tmp_path / f".disk.raw.{image.id}.part").write_bytes(b"other data")
    done = await world.producer.images.download(image.id, tmp_path / "disk.raw")
    assert (tmp_path / "disk.raw").read_bytes() == DATA
    assert done.resumed_bytes == 0
    assert names(tmp_path) == ["disk.raw"]


async def test_unknown_image(world: World, tmp_path: Path) -> None:
    """An image that is not there has no data, and the file stays as it was."""
    (tmp_path / "disk.raw").write_bytes(b"old")
    with pytest.raises(NotFoundError):
        await world.producer.images.download("no-such-image", tmp_path / "disk.raw")
    assert (tmp_path / "disk.raw").read_bytes() == b"old"


async def test_deactivated_image(world: World, tmp_path: Path) -> None:
    """A deactivated image keeps its data to itself."""
    image = await filled(world)
    await world.admin.images.deactivate(image.id)
    with pytest.raises(ForbiddenError):
        await world.producer.images.download(image.id, tmp_path / "disk.raw")
    assert names(tmp_path) == []


@pytest.mark.clouds("emulator")
async def test_deactivated_image_of_a_busy_service(world: World, tmp_path: Path) -> None:
    """Trouble before the refusal makes no change of it: nothing had been read."""
    image = await filled(world)
    await world.admin.images.deactivate(image.id)
    trouble = world.emulator.faults.status(503, path="/file$")
    with pytest.raises(ForbiddenError, match="deactivated"):
        await world.producer.images.download(image.id, tmp_path / "disk.raw")
    assert trouble.hits == 1


async def test_preferred_store(world: World, tmp_path: Path) -> None:
    """The stores that are preferred are named; one that there is not is refused."""
    image = await filled(world)
    world.watch.clear()
    await world.producer.images.download(image.id, tmp_path / "disk.raw", prefer=["cheap", "fast"])
    (request,) = world.watch.to("/file")
    assert request.query == "prefer=cheap%2Cfast"
    with pytest.raises(BadRequestError):
        await world.producer.images.download(image.id, tmp_path / "disk.raw", prefer="nowhere")


async def test_without_checks(world: World, tmp_path: Path) -> None:
    """Whoever waives the checks gets the data, and is told that they are unchecked."""
    image = await filled(world)
    done = await world.producer.images.download(image.id, tmp_path / "disk.raw", verify=False)
    assert (done.verified, done.hash_algo) == (False, None)
    assert (tmp_path / "disk.raw").read_bytes() == DATA
