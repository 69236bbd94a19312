"""What careless programs, cancellations and unlucky moments do to image data."""

import asyncio
import errno
import gc
import gzip
import io
import lzma
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from breaking import Break, breaking_proxy, refusal
from clouds import World
from watch import client_tasks

from aioimages import (
    AmbiguousOutcomeError,
    ChecksumMismatchError,
    Client,
    ClientClosedError,
    ConflictError,
    Image,
    RetryPolicy,
    TransferError,
    UnreplayableBodyError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack"), pytest.mark.clouds("emulator")]

MIB = 2**20
DATA = os.urandom(MIB) * 9 + b"the end"
FAST = RetryPolicy(base=0.01, ceiling=0.05)


async def queued(client: Client, name: str = "new") -> Image:
    """Make an image that waits for its data."""
    return await client.images.create(name=name, disk_format="raw", container_format="bare")


async def stored(world: World, image_id: str) -> bytes:
    """Return an image's data, fetched without the client."""
    return await (await world.site.wire(world.site.producer)).download(image_id)


def quick(world: World) -> Client:
    """Make a client that does not wait long before it tries again."""
    return world.client(world.credentials(world.site.producer), retry=FAST)


def open_files() -> int:
    """Return how many files this process has open."""
    return len(listed(Path("/proc/self/fd")))


def listed(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {path.name for path in folder.iterdir()}


async def names(client: Client) -> list[str | None]:
    """Return what the images are called."""
    return [image.name async for image in client.images.list()]


async def test_more_transfers_than_worker_threads(world: World, tmp_path: Path) -> None:
    """Any number of transfers go on at the same time, and keep no worker thread from others."""
    client, count = world.producer, 60
    source = await client.images.upload((await queued(client)).id, b"x" * 5000)

    async def copy(target: str) -> None:
        async with client.images.download(source.id) as stream:
            await client.images.upload(target, stream)

    targets = [(await queued(client)).id for _ in range(3 * count)]
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(client.images.upload(target, io.BytesIO(b"x" * 5000)) for target in targets[:count]),
            *(copy(target) for target in targets[count : 2 * count]),
            *(client.images.download(source.id, tmp_path / target) for target in targets[2 * count :]),
        )
    limiter = anyio.to_thread.current_default_thread_limiter()
    assert limiter.borrowed_tokens == 0


async def test_source_that_uses_its_buffer_again(world: World) -> None:
    """A source may give the same buffer again and again."""

    async def pieces() -> AsyncIterator[memoryview]:
        buffer, file = bytearray(300_000), io.BytesIO(DATA)
        while size := file.readinto(buffer):
            yield memoryview(buffer)[:size]

    image = await queued(world.producer)
    source: Any = pieces
    await world.producer.images.upload(image.id, source)
    assert await stored(world, image.id) == DATA


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
async def test_archive_that_comes_in_crumbs(world: World, pack: Callable[[bytes], bytes]) -> None:
    """An archive is known for one however short its first pieces are."""

    async def crumbs() -> AsyncIterator[bytes]:
        packed = pack(DATA[:5000])
        for start in range(0, len(packed), 3):
            yield packed[start : start + 3]

    image = await queued(world.producer)
    await world.producer.images.upload(image.id, crumbs, decompress=True)
    assert await stored(world, image.id) == DATA[:5000]


async def test_file_that_has_nothing_yet(world: World) -> None:
    """A file that has nothing for the moment is not at its end."""

    class Pipe:
        answers = iter([b"x" * 1000, None, b"y" * 1000, b""])

        def read(self, _: int) -> bytes | None:
            return next(self.answers)

    image = await queued(world.producer)
    with pytest.raises(TypeError, match="the file gives bytes, not NoneType"):
        await world.producer.images.upload(image.id, Pipe())


async def test_function_that_gives_the_same_again(world: World) -> None:
    """A function that returns what was read before is no source that can be read twice, and nothing short is stored."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(DATA), 100_000):
            yield DATA[start : start + 100_000]

    once = pieces()
    wire = await world.site.wire(world.site.producer)
    async with breaking_proxy(wire.root) as (breaking, endpoint):
        client = world.client(world.credentials(world.site.producer), endpoint=endpoint, retry=FAST)
        image = await queued(client)
        breaking.plan([Break(up=3 * MIB)])
        with pytest.raises(UnreplayableBodyError, match="returned what has been read before"):
            await client.images.upload(image.id, lambda: once)
        await client.close()
    assert (await world.producer.images.wait(image.id, status="queued", timeout=10)).size is None


async def test_copy_whose_connection_breaks(world: World) -> None:
    """A function that opens a stream anew makes a copy that can be sent again."""
    there = await world.make_image(data=DATA)

    async def pieces() -> AsyncIterator[bytes]:
        async with world.producer.images.download(there.id) as stream:
            async for piece in stream:
                yield piece

    wire = await world.site.wire(world.site.producer)
    async with breaking_proxy(wire.root) as (breaking, endpoint):
        client = world.client(world.credentials(world.site.producer), endpoint=endpoint, retry=FAST)
        image = await queued(client)
        breaking.plan([Break(up=3 * MIB)])
        assert (await client.images.upload(image.id, pieces)).os_hash_value == there.os_hash_value
        await client.close()


@pytest.mark.parametrize("parts", [1, 3])
async def test_stream_in_a_generator_that_is_left(world: World, parts: int) -> None:
    """A generator that reads a stream may be left at any place."""
    image = await world.make_image(data=DATA)

    async def pieces() -> AsyncIterator[bytes]:
        async with world.producer.images.download(image.id, parts=parts) as stream:
            async for piece in stream:
                yield piece

    async for _ in pieces():
        break
    gc.collect()
    for _ in range(50):
        await asyncio.sleep(0.002)
    assert (await world.producer.images.get(image.id)).id == image.id


async def test_stream_that_is_looked_into(world: World) -> None:
    """Whoever has looked at the beginning of a stream gets the rest of it, and each byte once."""
    image = await world.make_image(data=DATA)
    got = b""
    async with world.producer.images.download(image.id) as stream:
        async for piece in stream:
            got += piece
            break
        async for piece in stream:
            got += piece
        assert [piece async for piece in stream] == []
    assert got == DATA
    assert stream.result is not None


@pytest.mark.parametrize("parts", [1, 3])
async def test_client_that_is_closed_under_a_stream(world: World, parts: int) -> None:
    """A stream ends with its client."""
    image = await world.make_image(data=DATA)
    client = quick(world)
    has_begun = asyncio.Event()

    async def read() -> None:
        async with client.images.download(image.id, parts=parts) as stream:
            async for _ in stream:
                has_begun.set()
                await asyncio.sleep(0.05)

    reading = asyncio.create_task(read())
    await has_begun.wait()
    await client.close()
    async with asyncio.timeout(10):
        with pytest.raises(ClientClosedError):
            await reading


class Taker:
    """A file that takes a few bytes at a time."""

    def __init__(self, takes: Callable[[bytes], Any]) -> None:
        self.data = b""
        self._takes = takes

    def write(self, data: bytes) -> Any:
        """Take some."""
        answer = self._takes(data)
        self.data += data[:answer] if isinstance(answer, int) else data
        return answer


class AsyncTaker(Taker):
    """So does this one."""

    async def write(self, data: bytes) -> Any:
        """Take some."""
        return super().write(data)


@pytest.mark.parametrize("kind", [Taker, AsyncTaker])
async def test_files_that_take_a_part(world: World, kind: type[Taker]) -> None:
    """A file that takes a part of what it is given is given the rest."""
    image = await world.make_image(data=DATA)
    for takes in (lambda data: min(len(data), 100_000), lambda _: None):
        file = kind(takes)
        await world.producer.images.download(image.id, file)
        assert file.data == DATA


async def test_files_that_do_not_say_what_they_took(world: World) -> None:
    """A file that takes nothing, or answers what nobody understands, is an error."""
    image = await world.make_image(data=DATA)

    async def later() -> None:
        """Take it later."""

    answers: list[tuple[Callable[[bytes], Any], type[Exception]]] = [
        (lambda _: 0, OSError),
        (lambda data: len(data) + 1, OSError),
        (lambda _: later(), TypeError),
    ]
    for takes, error in answers:
        with pytest.raises(error, match="the file's write"):
            await world.producer.images.download(image.id, Taker(takes))


@pytest.mark.parametrize("parts", [1, 3])
async def test_error_of_a_file(world: World, parts: int) -> None:
    """The error of a file comes out as it is, also where parts are on their way."""
    image = await world.make_image(data=DATA)

    def full(_: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    for _ in range(10):
        with pytest.raises(OSError, match="full"):
            await world.producer.images.download(image.id, Taker(full), parts=parts)


@pytest.mark.parametrize("parts", [1, 3])
async def test_download_that_is_out_of_time(world: World, tmp_path: Path, parts: int) -> None:
    """A time-out of the program's own is a time-out, wherever it strikes, and leaves nothing."""
    image = await world.make_image(data=DATA)
    for step in range(25):
        try:
            async with asyncio.timeout(0.002 * step):
                await world.producer.images.download(image.id, tmp_path / "disk.raw", parts=parts)
        except TimeoutError:
            pass
        assert listed(tmp_path) <= {"disk.raw"}


async def test_download_that_is_cancelled_twice(world: World, tmp_path: Path) -> None:
    """A second cancellation does not keep a download from cleaning up."""
    image = await world.make_image(data=DATA)
    before = open_files()
    for wait in range(25):
        downloading = asyncio.create_task(world.producer.images.download(image.id, tmp_path / "disk.raw"))
        await asyncio.sleep(0.02)
        downloading.cancel()
        for _ in range(wait):
            await asyncio.sleep(0)
        downloading.cancel()
        await asyncio.wait([downloading])
        assert listed(tmp_path) <= {"disk.raw"}
    await asyncio.sleep(0.1)
    assert open_files() <= before + 2


@pytest.mark.parametrize("how", ["symlink", "file", "truncated"])
async def test_partial_file_that_somebody_changes(world: World, tmp_path: Path, how: str) -> None:
    """What somebody else has put in the place of the partial file is not published."""
    image = await world.make_image(data=DATA)
    (tmp_path / "evil").write_bytes(b"evil")
    part = tmp_path / f".disk.raw.{image.id}.part"

    class Meddler:
        def update(self, _: object) -> None:
            if how == "truncated":
                os.truncate(part, 10)
                return
            part.unlink(missing_ok=True)
            if how == "symlink":
                part.symlink_to(tmp_path / "evil")
            else:
                part.write_bytes(b"evil")

    with pytest.raises(TransferError, match="was changed by somebody else"):
        await world.producer.images.download(image.id, tmp_path / "disk.raw", progress=Meddler())
    assert "disk.raw" not in listed(tmp_path)


RANGES = {"refused": refusal(400), "not satisfied": refusal(416), "ignored": Break(asks="")}


@pytest.mark.parametrize("how", RANGES)
async def test_parts_that_are_no_longer_given(world: World, tmp_path: Path, how: str) -> None:
    """A store that gives parts at first, and then none, gives the whole, with few requests."""
    image = await world.make_image(data=DATA)
    wire = await world.site.wire(world.site.producer)
    async with breaking_proxy(wire.root) as (breaking, endpoint):
        client = world.client(world.credentials(world.site.producer), endpoint=endpoint, retry=FAST)
        breaking.plan([Break(), RANGES[how], *[RANGES[how]] * 2])
        await client.images.download(image.id, tmp_path / "disk.raw", parts=3)
        assert breaking.requests < 10
        await client.close()
    assert (tmp_path / "disk.raw").read_bytes() == DATA


async def test_upload_whose_image_cannot_be_looked_at(world: World) -> None:
    """Data that have arrived are not sent again, nor deleted, because nobody can look at them."""
    client = quick(world)

    async def once() -> AsyncIterator[bytes]:
        yield DATA

    world.emulator.faults.status(503, method="GET", path="/images/[^/]*$", after=1, times=None)
    with pytest.raises(AmbiguousOutcomeError, match="may or may not have arrived"):
        await client.images.create(name="kept", disk_format="raw", container_format="bare", data=once())
    assert len(world.watch.to("/file")) == 1
    world.emulator.faults.clear()
    assert await names(world.producer) == ["kept"]


async def test_import_that_was_never_begun(world: World) -> None:
    """A refusal of a repeated request is a refusal where no import was begun."""
    image = await queued(world.producer)
    world.emulator.faults.status(503, method="POST", path="/import$")
    with pytest.raises(ConflictError):
        await world.producer.images.start_import(image.id)


async def test_import_whose_answer_is_lost(world: World) -> None:
    """An import whose answer was lost is found among the image's tasks, and not begun twice."""
    image = await queued(world.producer)
    world.emulator.faults.drop_reply(method="POST", path="/import$")
    await world.producer.images.start_import(image.id, "web-download", uri=world.site.put_file("disk.raw", DATA))
    assert len(await world.producer.images.tasks(image.id)) == 1
    assert (await world.producer.images.wait(image.id, timeout=30)).size == len(DATA)


async def test_staged_data_that_are_damaged(world: World) -> None:
    """What was staged is compared once it was imported."""
    client = world.producer
    found = b'{"id": "x", "status": "active", "size": 9437191, "os_hash_algo": "sha512", "os_hash_value": "0"}'
    world.emulator.faults.body(
        found, content_type="application/json", method="GET", path="/images/[^/]*$", after=2, times=None
    )
    with pytest.raises(ChecksumMismatchError, match="has other data than were sent"):
        await client.images.import_from(DATA, name="damaged", disk_format="raw", stores=["fast"], timeout=20)


@pytest.mark.parametrize("steps", range(0, 30, 3))
async def test_creation_that_is_cancelled_early(world: World, steps: int) -> None:
    """A creation that is cancelled leaves no image, also where its making is being answered."""
    world.emulator.faults.delay(0.02, method="POST", path="/images$")
    creating = asyncio.create_task(
        world.producer.images.create(name="gone", disk_format="raw", container_format="bare", data=DATA)
    )
    await asyncio.sleep(0.004 * steps)
    creating.cancel()
    await asyncio.wait([creating])
    await asyncio.sleep(0.05)
    assert await names(world.producer) in ([], ["gone"] if not creating.cancelled() else [])


async def test_creation_that_is_never_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A creation that is cancelled ends also where the service does not answer, and says what may be left."""
    monkeypatch.setattr("aioimages._resources.image_creation._CLEANING_SECONDS", 0.1)
    world.emulator.faults.hang(method="POST", path="/images$")
    with anyio.move_on_after(0.1) as scope:
        await world.producer.images.create(name="gone", disk_format="raw", container_format="bare", data=DATA)
    assert scope.cancelled_caught
    assert "did not answer within 0.1 s: what it was asked to begin may go on" in caplog.text


async def test_creation_with_somebody_elses_id(world: World) -> None:
    """An image that was there before is not deleted because a new one cannot have its id."""
    image = await world.make_image(data=b"old")
    with pytest.raises(ConflictError):
        await world.producer.images.create(
            id=image.id, name="new", disk_format="raw", container_format="bare", data=DATA
        )
    assert await stored(world, image.id) == b"old"


async def test_cleaning_up_that_takes_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that could not be deleted in time is named in a note."""
    monkeypatch.setattr("aioimages._resources.image_creation._CLEANING_SECONDS", 0.1)
    world.emulator.faults.hang(method="DELETE")

    async def failing() -> AsyncIterator[bytes]:
        yield DATA
        raise OSError("the tape broke")

    with pytest.raises(OSError, match="the tape broke") as raised:
        await world.producer.images.create(name="left", disk_format="raw", container_format="bare", data=failing)
    (image,) = await world.producer.images.list().collect()
    (note,) = raised.value.__notes__
    assert note == f"image {image.id} is left behind: the service did not answer within 0.1 s"


async def test_progress_that_fails(world: World) -> None:
    """An error of whoever is told how far it is comes out as it is, and nothing is sent twice."""

    class Failing:
        def update(self, _: object) -> None:
            raise LookupError("no such bar")

    image = await queued(world.producer)
    with pytest.raises(LookupError, match="no such bar"):
        await world.producer.images.upload(image.id, DATA, progress=Failing())
    assert len(world.watch.to("/file")) <= 1


async def test_groups_of_errors_stay_groups(world: World) -> None:
    """A group of errors that the program raises is left as it is."""
    image = await world.make_image(data=DATA)

    async def fail(error: Exception) -> None:
        raise error

    async def work() -> None:
        async with world.producer.images.download(image.id, parts=3), asyncio.TaskGroup() as group:
            group.create_task(fail(ValueError()))
            group.create_task(fail(KeyError()))

    with pytest.raises(ExceptionGroup) as raised:
        await work()
    assert len(raised.value.exceptions) == 2


Refused = Callable[[Client], Awaitable[object]]
FORMATS: dict[str, Any] = {"name": "x", "disk_format": "raw", "container_format": "bare"}
MISTAKES: list[tuple[Refused, type[Exception]]] = [
    (lambda client: client.images.import_from(DATA, name="x", disk_format="raw", stores="fast"), TypeError),
    (lambda client: client.images.import_from(DATA, name="x", disk_format="raw", stores=["a,b"]), ValueError),
    (
        lambda client: client.images.import_from(DATA, name="x", disk_format="raw", stores=["a"], all_stores=True),
        ValueError,
    ),
    (lambda client: client.images.import_from(b"", name="x", disk_format="raw"), ValueError),
    (lambda client: client.images.create(name="x", data=b"data"), ValueError),
    (lambda client: client.images.create(**FORMATS, data=b""), ValueError),
    (lambda client: client.images.create(**FORMATS, data="/no/such/file"), FileNotFoundError),
]


@pytest.mark.parametrize(("ask", "error"), MISTAKES)
async def test_mistakes_are_told_before_anything_is_made(world: World, ask: Refused, error: type[Exception]) -> None:
    """What cannot be uploaded or imported is refused before an image is made for it."""
    with pytest.raises(error):
        await ask(world.producer)
    assert world.watch.requests == []


async def test_sources_are_closed(world: World, tmp_path: Path) -> None:
    """The file of an upload is closed when the upload is over, well or badly."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    client = quick(world)
    await client.images.list().first()
    gc.disable()
    try:
        before = open_files()
        for _ in range(5):
            await client.images.upload((await queued(client)).id, path)
            world.emulator.faults.status(403, method="PUT", path="/file$")
            with pytest.raises(Exception, match="403"):
                await client.images.upload((await queued(client)).id, path)
        await asyncio.sleep(0.1)
        assert open_files() <= before + 3
    finally:
        gc.enable()


async def test_nothing_is_left_running(world: World, tmp_path: Path) -> None:
    """When transfers are over, so is all that they have begun."""
    image = await world.make_image(data=DATA)
    before = client_tasks()
    for parts in (1, 4):
        downloading = asyncio.create_task(world.producer.images.download(image.id, tmp_path / "d", parts=parts))
        await asyncio.sleep(0.02)
        downloading.cancel()
        await asyncio.wait([downloading])
    await asyncio.sleep(0.1)
    assert client_tasks() <= before


async def test_pipes_are_no_paths(world: World, tmp_path: Path) -> None:
    """A pipe has no size, and is to be opened by whoever gives it."""
    os.mkfifo(tmp_path / "pipe")
    image = await queued(world.producer)
    with pytest.raises(ValueError, match="open it, and give the open file"):
        await world.producer.images.upload(image.id, tmp_path / "pipe")


async def test_upload_from_a_silent_pipe_is_cancelled(world: World) -> None:
    """An upload from a pipe that says nothing can be cancelled."""
    reading, writing = os.pipe()
    image = await queued(world.producer)
    with os.fdopen(reading, "rb", buffering=0) as file:
        uploading = asyncio.create_task(world.producer.images.upload(image.id, file))
        await asyncio.sleep(0.1)
        uploading.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([uploading])
        os.close(writing)
    assert uploading.cancelled()
