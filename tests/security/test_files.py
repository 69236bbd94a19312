"""Downloads write to the path that they were given, and to nothing that others have put there."""

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from clouds import World
from servers import answering, raw_server

from aioimages import AioImagesError, Client, DownloadRequest, Image, RetryPolicy, StaticToken
from aioimages._transfer.partial import PartialFile
from security.canary import answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.clouds("emulator"),
    pytest.mark.dialects("openstack"),
    pytest.mark.skipif(os.name != "posix", reason="there are no such files"),
]

DATA = b"an image" * 1000
OTHERS = b"what others have"


@pytest.fixture
def umask() -> Iterator[None]:
    """Put the process's umask back afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


async def _image(world: World) -> Image:
    return await world.make_image("web", data=DATA)


def _part(target: Path, image: Image) -> Path:
    return target.with_name(f".{target.name}.{image.id}.part")


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o027, 0o640)])
async def test_modes(world: World, tmp_path: Path, mask: int, mode: int) -> None:
    """A file has the mode that the program's umask says, also while it is not whole, and a journal likewise."""
    image = await _image(world)
    os.umask(mask)
    target = tmp_path / "web.img"
    world.emulator.faults.truncate(4000, path="/file$", method="GET", times=None)
    with pytest.raises(AioImagesError):
        await world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=1)).images.download(
            image.id, target, resume=True
        )
    assert stat.S_IMODE(_part(target, image).stat().st_mode) == mode
    world.emulator.faults.clear()
    requests = [DownloadRequest(image.id, target)]
    async with world.producer.bulk.download_images(requests, journal=tmp_path / "run.db") as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True]
    for path in (target, tmp_path / "run.db", tmp_path / "run.db-lock"):
        assert stat.S_IMODE(path.stat().st_mode) == mode, path


def _link(part: Path, victim: Path) -> None:
    part.symlink_to(victim)


def _dangling(part: Path, victim: Path) -> None:
    part.symlink_to(victim.with_name("nowhere"))


def _hard_link(part: Path, victim: Path) -> None:
    part.hardlink_to(victim)


def _folder(part: Path, _: Path) -> None:
    part.mkdir()


def _pipe(part: Path, _: Path) -> None:
    os.mkfifo(part)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("trap", [_link, _dangling, _hard_link, _folder, _pipe])
async def test_traps(world: World, tmp_path: Path, trap: object, *, resume: bool) -> None:
    """A link, a pipe or a folder where the partial file would be is left alone, and the download is whole."""
    image = await _image(world)
    victim, target = tmp_path / "victim", tmp_path / "web.img"
    victim.write_bytes(OTHERS)
    trap(_part(target, image), victim)  # type: ignore[operator]
    await world.producer.images.download(image.id, target, resume=resume)
    assert target.read_bytes() == DATA
    assert not target.is_symlink()
    assert target.stat().st_nlink == 1
    assert victim.read_bytes() == OTHERS
    assert sorted(os.listdir(tmp_path)) == sorted([_part(target, image).name, "victim", "web.img"])  # noqa: PTH208


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
async def test_files_of_others(world: World, tmp_path: Path) -> None:
    """A partial file that belongs to somebody else is not gone on with: it would stay theirs."""
    image = await _image(world)
    target = tmp_path / "web.img"
    part = _part(target, image)
    part.write_bytes(DATA[:1000])
    os.chown(part, 65534, 65534)
    done = await world.producer.images.download(image.id, target, resume=True)
    assert done.resumed_bytes == 0
    assert target.stat().st_uid == os.geteuid()
    assert part.read_bytes() == DATA[:1000]


async def test_links_of_ones_own(world: World, tmp_path: Path) -> None:
    """A link that one gives as the target is followed: the file that it leads to is replaced whole."""
    image = await _image(world)
    target, link = tmp_path / "web.img", tmp_path / "link"
    target.write_bytes(OTHERS)
    link.symlink_to(target)
    await world.producer.images.download(image.id, link)
    assert link.is_symlink()
    assert target.read_bytes() == DATA


async def test_places_that_are_no_files(world: World, tmp_path: Path) -> None:
    """A folder, a pipe and a device are refused before anything is fetched."""
    image = await _image(world)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    world.watch.clear()
    for target in (tmp_path, pipe, Path("/dev/null")):
        with pytest.raises(OSError, match=r"directory|Invalid|argument"):
            await world.producer.images.download(image.id, target)
    assert not world.watch.to("/file")


NAMES = ["../../evil", "/etc/evil", "evil\x00", "..", "a/b", "C:\\evil"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_names_that_servers_say(tmp_path: Path, name: str) -> None:
    """No file is called as a server says: not by an image's name, id or `file`, nor by `Content-Disposition`."""
    image = {"id": "image-1", "name": name, "status": "active", "size": 4, "file": name, "path": name}
    folder = tmp_path / "folder"
    folder.mkdir()
    headers = f'Content-Disposition: attachment; filename="{quote(name)}"'
    for said in (answer(200, json.dumps(image).encode(), headers), answer(200, b"data", headers)):
        async with raw_server(answering(said)) as url:
            client = Client(
                StaticToken("a-secret-token", f"{url}/v2"), retry=RetryPolicy(attempts=1), dialect="openstack"
            )
            async with client:
                with pytest.raises(AioImagesError):
                    await client.images.download("image-1", folder / "web.img")
    assert os.listdir(tmp_path) == ["folder"]  # noqa: PTH208
    assert os.listdir(folder) == []  # noqa: PTH208


@pytest.mark.parametrize("key", ["../../x", "a/b", "x" * 500, "..", "é"])
def test_names_of_partial_files(tmp_path: Path, key: str) -> None:
    """Whatever the data are called, the partial file is beside its target."""
    partial = PartialFile(tmp_path / "web.img", key, resume=False)
    partial.open()
    assert partial._path.parent == tmp_path
    partial.give_up()
    assert list(tmp_path.iterdir()) == []


async def test_two_downloads_to_one_path(world: World, tmp_path: Path) -> None:
    """Of images that go to one path at the same time, one is there whole in the end; in bulk they are refused."""
    images = [await world.make_image("web", data=bytes([65 + number]) * 100_000) for number in range(4)]
    target = tmp_path / "web.img"
    requests = [DownloadRequest(image.id, path) for image, path in zip(images, (target, target), strict=False)]
    with pytest.raises(ValueError, match="two downloads to the same file"):
        async with world.producer.bulk.download_images(requests):
            pass
    await asyncio.gather(*(world.producer.images.download(image.id, target) for image in images))
    assert target.read_bytes() in {bytes([65 + number]) * 100_000 for number in range(4)}
    assert os.listdir(tmp_path) == ["web.img"]  # noqa: PTH208
