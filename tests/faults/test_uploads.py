"""Faults 21 to 34: what goes wrong while data go."""

import asyncio
import hashlib
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from journals import rows, tasks_made, until
from programs import NEVER, order, said_by, started

from aioimages import (
    AmbiguousOutcomeError,
    ChecksumMismatchError,
    Client,
    ConflictError,
    ForbiddenError,
    GoneError,
    Image,
    QuotaExceededError,
    RetryPolicy,
    SourceChangedError,
    StaticToken,
    StatusError,
    TransportError,
    UnreplayableBodyError,
)
from faults.conftest import Stage

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")

DATA = os.urandom(3_000_007)
HALF = len(DATA) // 2
IMPORTS = 1000
UPLOAD: dict[str, Any] = {"method": "PUT", "path": "/file$"}


async def pieces(size: int = 700_001) -> AsyncIterator[bytes]:
    """Give the data in pieces."""
    for start in range(0, len(DATA), size):
        yield DATA[start : start + size]


async def queued(stage: Stage) -> Image:
    """Make an image that waits for its data."""
    return await stage.world.producer.images.create(name="new", disk_format="raw", container_format="bare")


async def seen(stage: Stage, image: Image, *, status: str) -> Image:
    """Return an image as it is in the cloud, when it has come to a status."""
    return await stage.world.producer.images.wait(image.id, status=status, timeout=15)


async def stored(stage: Stage, image: Image) -> bytes:
    """Return the data that the cloud has, fetched without the client."""
    return await (await stage.world.site.wire(stage.world.site.producer)).download(image.id)


async def takes_its_data(stage: Stage, image: Image) -> bool:
    """Say whether an image that has no data yet takes them, when the service is done with an upload that broke off."""
    async with asyncio.timeout(20):
        while True:
            waiting = await seen(stage, image, status="queued")
            # It may not even have begun with that one.
            with suppress(ConflictError):
                done = await stage.world.producer.images.upload(image.id, DATA)
                return (waiting.size, done.size) == (None, len(DATA))


def answered(status: int) -> bytes:
    """Return an answer that refuses."""
    return f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda _: DATA,
    "path": lambda path: path,
    "open file": lambda path: path.open("rb"),
    "function": lambda _: pieces,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Give the data as something that can be read again."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)
    given = SOURCES[request.param](path)
    yield given
    if hasattr(given, "close"):
        given.close()


@pytest.fixture(params=["bytes", "function"])
def sized_or_not(request: pytest.FixtureRequest) -> Any:
    """Give the data as something of a known length, or not."""
    return DATA if request.param == "bytes" else pieces


@openstack
@pytest.mark.fault(21)
async def test_token_refused_after_the_data(stage: Stage, source: Any) -> None:
    """Another token is got, once, and all data are sent again from their start; size and digest are compared."""
    image = await queued(stage)
    stage.faults.raw(answered(401), **UPLOAD)
    image = await stage.client().images.upload(image.id, source)
    assert (image.size, image.os_hash_value) == (len(DATA), hashlib.sha512(DATA).hexdigest())
    assert await stored(stage, image) == DATA
    assert (len(stage.proxy.to("/file")), stage.proxy.sign_ins) == (2, 2)
    assert len({one.headers.get("X-OpenStack-Image-Size") for one in stage.proxy.to("/file")}) == 1


@openstack
@pytest.mark.fault(22)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_token_refused_before_the_data(stage: Stage, sized_or_not: Any, how: str) -> None:
    """The refusal counts, though the connection is lost with it: another token is got, and the data are sent again."""
    image = await queued(stage)
    stage.faults.refuse_upload(0, 401, how=how, **UPLOAD)
    await stage.client().images.upload(image.id, sized_or_not)
    assert await stored(stage, image) == DATA
    assert (len(stage.proxy.to("/file")), stage.proxy.sign_ins) == (2, 2)


@openstack
@pytest.mark.fault(23)
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", [0, HALF])
@pytest.mark.parametrize(("status", "error"), [(413, QuotaExceededError), (403, ForbiddenError)])
async def test_refused_early(stage: Stage, status: int, error: type[StatusError], after: int, how: str) -> None:
    """The upload ends with the refusal, and is not tried again; the image still waits for its data."""
    image = await queued(stage)
    stage.faults.refuse_upload(after, status, how=how, times=None, **UPLOAD)
    with pytest.raises(error):
        await stage.client().images.upload(image.id, DATA)
    assert len(stage.proxy.to("/file")) == 1
    assert (await seen(stage, image, status="queued")).size is None


@openstack
@pytest.mark.clouds("emulator")
@pytest.mark.fault(23)
async def test_refused_at_once(stage: Stage, sized_or_not: Any) -> None:
    """A refusal that comes with the end of the connection is read before more is written, or got by another try."""
    program = Path(__file__).with_name("refusing.py")
    async with await anyio.open_process([sys.executable, str(program)]) as process:
        try:
            assert process.stdout
            client = stage.world.client(
                StaticToken("token", f"http://127.0.0.1:{int(await process.stdout.receive())}/v2"),
                retry=RetryPolicy(attempts=12, base=0.0),
            )
            for _ in range(10):
                with pytest.raises(QuotaExceededError):
                    await client.images.upload("web", sized_or_not)
                stage.injected += 1
        finally:
            process.kill()


@openstack
@pytest.mark.fault(24)
@pytest.mark.parametrize(("after", "seconds"), [(0, 0), (1, 0), (HALF, 1), (len(DATA) - 1, 0)])
async def test_busy_service(stage: Stage, sized_or_not: Any, after: int, seconds: int) -> None:
    """All data are sent again, once the time is over that the service asked for."""
    image = await queued(stage)
    stage.faults.refuse_upload(after, 503, headers={"Retry-After": str(seconds)}, **UPLOAD)
    begun_at = time.monotonic()
    await stage.client().images.upload(image.id, sized_or_not)
    assert time.monotonic() - begun_at >= seconds
    assert await stored(stage, image) == DATA
    assert len(stage.proxy.to("/file")) == 2


@openstack
@pytest.mark.fault(25)
async def test_lost_answer(stage: Stage) -> None:
    """The image is looked at: it is active and has the data, which are not sent again."""
    image = await queued(stage)
    stage.faults.drop_reply(**UPLOAD)
    image = await stage.client().images.upload(image.id, pieces())
    assert (image.status, image.size) == ("active", len(DATA))
    assert len(stage.proxy.to("/file")) == 1


@openstack
@pytest.mark.fault(25)
async def test_lost_answer_and_a_slow_service(stage: Stage) -> None:
    """An image that is still saving is looked at again until it is not."""
    image = await queued(stage)
    stage.faults.drop_reply(**UPLOAD)
    stage.faults.change(body=_saving, method="GET", path=f"/images/{image.id}$", after=1, times=3)
    image = await stage.client().images.upload(image.id, DATA)
    assert image.status == "active"
    assert len(stage.proxy.to("/file")) == 1


def _saving(document: bytes) -> bytes:
    return json.dumps({**json.loads(document), "status": "saving", "size": None}).encode()


@openstack
@pytest.mark.fault(25)
@pytest.mark.parametrize("after", [0, 1, HALF, len(DATA) - 1])
async def test_lost_upload(stage: Stage, sized_or_not: Any, after: int) -> None:
    """The image is looked at: it waits for its data again, which are sent from their start."""
    image = await queued(stage)
    stage.faults.cut_upload(after, **UPLOAD)
    await stage.client().images.upload(image.id, sized_or_not)
    assert await stored(stage, image) == DATA
    assert len(stage.proxy.to("/file")) >= 2


@openstack
@pytest.mark.fault(25)
async def test_lost_answer_and_a_service_that_is_down(stage: Stage) -> None:
    """Where nobody can look at the image, the outcome is said to be ambiguous, and nothing is sent again."""
    image = await queued(stage)
    stage.faults.drop_reply(**UPLOAD)
    stage.faults.status(503, method="GET", path=f"/images/{image.id}$", after=1, times=None)
    with pytest.raises(AmbiguousOutcomeError, match=f"image {image.id} may or may not have arrived"):
        await stage.client().images.upload(image.id, DATA)
    assert len(stage.proxy.to("/file")) == 1
    assert await stored(stage, image) == DATA


@openstack
@pytest.mark.fault(25)
async def test_lost_upload_and_another_one(stage: Stage) -> None:
    """Data that somebody else has sent meanwhile are not taken for one's own."""
    image = await queued(stage)
    wire = await stage.world.site.wire(stage.world.site.producer)
    tries = iter(range(5))

    async def late() -> AsyncIterator[bytes]:
        if next(tries) == 1:
            await wire.upload(image.id, b"others")
        yield DATA

    stage.faults.refuse_upload(0, 503, **UPLOAD)
    with pytest.raises(ChecksumMismatchError, match=f"image {image.id} has 6 bytes"):
        await stage.client().images.upload(image.id, late)
    assert await stored(stage, image) == b"others"


TROUBLE: dict[str, Callable[[Stage], object]] = {
    "401 after the data": lambda stage: stage.faults.raw(answered(401), **UPLOAD),
    "401 before the data": lambda stage: stage.faults.refuse_upload(0, 401, **UPLOAD),
    "503 on the way": lambda stage: stage.faults.refuse_upload(HALF, 503, **UPLOAD),
    "reset on the way": lambda stage: stage.faults.cut_upload(HALF, **UPLOAD),
    "no answer": lambda stage: stage.faults.raw(b"", **UPLOAD),
}


def pipe() -> Any:
    """Return an end of a pipe that gives the data."""
    taken_end, given_end = os.pipe()

    def give() -> None:
        with suppress(BrokenPipeError), open(given_end, "wb", buffering=0) as file:  # noqa: PTH123  # a descriptor
            file.write(DATA)

    threading.Thread(target=give, daemon=True).start()
    return open(taken_end, "rb", buffering=0)  # noqa: PTH123  # so is this one


@openstack
@pytest.mark.fault(26)
@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("once", [pieces, pipe])
async def test_source_that_can_be_read_once(stage: Stage, once: Callable[[], Any], trouble: str) -> None:
    """It is sent once: the error says so and has what went wrong as its cause, and the image still waits for data."""
    image, given = await queued(stage), once()
    TROUBLE[trouble](stage)
    with pytest.raises(UnreplayableBodyError, match="cannot be read again") as raised:
        await stage.client().images.upload(image.id, given)
    assert isinstance(raised.value.__cause__, StatusError | TransportError)
    assert len(stage.proxy.to("/file")) == 1
    if hasattr(given, "close"):
        given.close()
    assert await takes_its_data(stage, image)


CHANGES: dict[str, Callable[[Path], object]] = {
    "shrinks": lambda path: os.truncate(path, HALF),
    "grows": lambda path: os.truncate(path, 2 * len(DATA)),
    "is written to": lambda path: path.write_bytes(DATA[::-1]),
    "is touched": lambda path: os.utime(path, (1, 1)),
}


@openstack
@pytest.mark.fault(27)
@pytest.mark.parametrize("change", CHANGES)
async def test_file_that_changes(stage: Stage, tmp_path: Path, change: str) -> None:
    """A file that shrinks, grows or is written to while it is read is an error, and the image stays without data."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)

    class Meddler:
        def update(self, _: object) -> None:
            if not stage.injected:
                CHANGES[change](path)
                stage.injected += 1

    image = await queued(stage)
    with pytest.raises(SourceChangedError):
        await stage.client().images.upload(image.id, path, progress=Meddler())
    assert len(stage.proxy.to("/file")) <= 1
    assert await takes_its_data(stage, image)


@openstack
@pytest.mark.fault(28)
@pytest.mark.parametrize("good", [0, 1, 5])
async def test_source_that_fails(stage: Stage, good: int) -> None:
    """Its own error comes out, the connection is closed, and the image waits for data again."""
    image = await queued(stage)
    problem = LookupError("the tape broke")

    async def failing() -> AsyncIterator[bytes]:
        for _ in range(good):
            yield bytes(1_000_000)
        stage.injected += 1
        raise problem

    with pytest.raises(LookupError) as raised:
        await stage.client().images.upload(image.id, failing)
    assert raised.value is problem
    assert stage.injected == 1
    assert await takes_its_data(stage, image)


@openstack
@pytest.mark.fault(29)
@pytest.mark.parametrize("sized", [True, False])
async def test_data_that_arrive_changed(stage: Stage, *, sized: bool) -> None:
    """The error names the image and has both digests; the image is left as the service has it."""
    image = await queued(stage)
    stage.faults.spoil_upload(HALF, **UPLOAD)
    with pytest.raises(ChecksumMismatchError, match=f"image {image.id} has other data than were sent") as raised:
        await stage.client().images.upload(image.id, DATA if sized else pieces())
    there = await stored(stage, image)
    assert {raised.value.expected, raised.value.actual} == {hashlib.sha512(data).hexdigest() for data in (DATA, there)}
    assert len(stage.proxy.to("/file")) == 1


@openstack
@pytest.mark.fault(29)
@pytest.mark.parametrize("keep", [False, True])
async def test_new_image_whose_data_arrive_changed(stage: Stage, *, keep: bool) -> None:
    """An image that was made for the data is deleted again, unless it is asked for to be kept."""
    stage.faults.spoil_upload(HALF, **UPLOAD)
    with pytest.raises(ChecksumMismatchError):
        await stage.client().images.create(
            name="spoilt", disk_format="raw", container_format="bare", data=DATA, keep_failed=keep
        )
    assert len([image async for image in stage.world.producer.images.list(name="spoilt")]) == keep


@openstack
@pytest.mark.fault(30)
async def test_own_earlier_try(stage: Stage, sized_or_not: Any) -> None:
    """A service that is not done with a try that broke off is asked again until it is."""
    image = await queued(stage)
    stage.faults.cut_upload(HALF, **UPLOAD)
    stage.faults.status(409, times=2, **UPLOAD)
    await stage.client().images.upload(image.id, sized_or_not)
    assert await stored(stage, image) == DATA
    assert len(stage.proxy.to("/file")) == 4


@openstack
@pytest.mark.fault(30)
async def test_somebody_elses_try(stage: Stage) -> None:
    """A first try that is refused because the image is getting data from elsewhere is not made again."""
    image = await queued(stage)
    stage.faults.status(409, times=None, **UPLOAD)
    with pytest.raises(ConflictError):
        await stage.client().images.upload(image.id, DATA)
    assert len(stage.proxy.to("/file")) == 1


@openstack
@pytest.mark.fault(31)
async def test_image_that_is_deleted(stage: Stage) -> None:
    """An image that is deleted while its data go is gone, and nothing is sent again."""
    image = await queued(stage)

    async def deleting() -> AsyncIterator[bytes]:
        for number in range(4):
            if number == 3:
                await seen(stage, image, status="saving")
                await stage.world.producer.images.delete(image.id)
                stage.injected += 1
            yield bytes(1_500_000)

    with pytest.raises(GoneError):
        await stage.client().images.upload(image.id, deleting)
    assert len(stage.proxy.to("/file")) == 1


async def _warm(stage: Stage, attempts: int) -> Client:
    """Return a client with a connection that has served, where aiohttp by itself would send twice."""
    client = stage.client(retry=RetryPolicy(attempts=attempts, base=0.01, ceiling=0.1))
    await client.schemas.image()
    return client


@pytest.mark.fault(32)
@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("fault", ["drop", "drop_reply"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "PUT"])
async def test_one_request_for_each_attempt(stage: Stage, method: str, fault: str, attempts: int) -> None:
    """Each attempt is one request on the wire; repeating is this library's decision alone."""
    image = await stage.world.make_image()
    client = await _warm(stage, attempts)
    getattr(stage.faults, fault)(method=method, path=image.id, times=None)
    calls: dict[str, Callable[[], Any]] = {
        "GET": lambda: client.images.get(image.id),
        "DELETE": lambda: client.images.delete(image.id),
        "PATCH": lambda: client.images.patch(image.id, [{"op": "replace", "path": "/name", "value": "web"}]),
        "PUT": lambda: client.images.add_tag(image.id, "new"),
    }
    with pytest.raises(TransportError):
        await calls[method]()
    assert sum(one.method == method and image.id in one.path for one in stage.proxy.requests) == attempts


@openstack
@pytest.mark.fault(32)
@pytest.mark.parametrize("attempts", [1, 3])
async def test_one_upload_for_each_attempt(stage: Stage, sized_or_not: Any, attempts: int) -> None:
    """So is an upload, which begins from its start each time."""
    image = await queued(stage)
    client = await _warm(stage, attempts)
    stage.faults.drop(times=None, **UPLOAD)
    with pytest.raises(TransportError):
        await client.images.upload(image.id, sized_or_not)
    assert len(stage.proxy.to("/file")) == attempts
    stage.faults.clear()
    await client.images.upload(image.id, DATA)
    assert await stored(stage, image) == DATA


DELETIONS: dict[str, Callable[[Client, str, str], Any]] = {
    "image": lambda client, image_id, _: client.images.delete(image_id),
    "tag": lambda client, image_id, _: client.images.remove_tag(image_id, "old"),
    "member": lambda client, image_id, person: client.members.delete(image_id, person),
}


@pytest.mark.fault(32)
@pytest.mark.parametrize("what", DELETIONS)
async def test_lost_answer_of_a_deletion(stage: Stage, what: str) -> None:
    """It has happened: the 404 of its repetition says so, where that of a first request is an error."""
    image, person = await stage.world.make_image(tags=["old"]), stage.world.site.consumer.project_id
    await stage.world.share(image)
    client = await _warm(stage, 3)
    stage.faults.drop_reply(method="DELETE")
    await DELETIONS[what](client, image.id, person)
    assert sum(one.method == "DELETE" for one in stage.proxy.requests) == 2
    with pytest.raises(StatusError, match="404"):
        await DELETIONS[what](client, image.id, person)


@openstack
@pytest.mark.fault(33)
@pytest.mark.parametrize("given", [0, 1, 3])
async def test_cancelled_upload(stage: Stage, given: int) -> None:
    """Nothing more is sent, the connection is closed, and the image waits for data again."""
    image = await queued(stage)
    has_given = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        for _ in range(given):
            yield bytes(1_500_000)
        has_given.set()
        await asyncio.Event().wait()

    uploading = asyncio.create_task(stage.client().images.upload(image.id, stuck))
    await has_given.wait()
    stage.injected += uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert len(stage.proxy.to("/file")) <= 1
    assert await takes_its_data(stage, image)


@openstack
@pytest.mark.fault(33)
async def test_upload_that_is_cancelled_when_it_has_arrived(stage: Stage) -> None:
    """What has arrived by then stays as it is."""
    image = await queued(stage)
    stage.faults.delay_reply(60, **UPLOAD)
    uploading = asyncio.create_task(stage.client().images.upload(image.id, DATA))
    await seen(stage, image, status="active")
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert await stored(stage, image) == DATA


@openstack
@pytest.mark.fault(33)
@pytest.mark.parametrize("given", [0, 1, 3])
async def test_cancelled_creation(stage: Stage, given: int) -> None:
    """An image that was made for the data is deleted within seconds, before the cancellation goes on."""
    has_given = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        for _ in range(given):
            yield bytes(1_500_000)
        has_given.set()
        await asyncio.Event().wait()

    creating = asyncio.create_task(
        stage.client().images.create(name="gone", disk_format="raw", container_format="bare", data=stuck)
    )
    await has_given.wait()
    stage.injected += creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    assert [image async for image in stage.world.producer.images.list(name="gone")] == []


def used_seconds(pid: int) -> float:
    """Return how long a program that runs has kept a processor busy."""
    user_ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(user_ticks) / os.sysconf("SC_CLK_TCK")


@pytest.mark.clouds("emulator")
@pytest.mark.fault(34, within=120)
@pytest.mark.timeout(180)
async def test_interrupted_run(stage: Stage, tmp_path: Path) -> None:
    """The program ends within 2 s and says how far it is; started again, it does the rest, and nothing twice."""
    world, chance, path = stage.world, random.Random(34), tmp_path / "run.db"
    names = [f"disk-{number // 2 if world.dialect == 'rackspace' else number}" for number in range(IMPORTS)]
    what = order(world, path, names, concurrency=64)
    world.emulator.faults.delay_reply(0.05, method="POST", path="/tasks$", times=None)
    world.emulator.script_task(seconds=NEVER, count=3)  # it is not over before it is interrupted
    world.emulator.script_task(seconds=0.5, count=IMPORTS)
    used_before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    async with started(what) as process:
        await until(path, "awaiting", 1)
        await anyio.sleep(chance.uniform(0, 1.0))
        process.send_signal(signal.SIGINT)
        stage.injected += 1
        interrupted_at, used = time.monotonic(), used_seconds(process.pid)
        said = await said_by(process, code=130)
        # On a busy machine it gets little of each second.
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used_before - used <= 2.0
        assert time.monotonic() - interrupted_at <= 10.0
    report, noted = said["report"], Counter(rows(path))
    assert report["done"] + report["failed"] + report["open"] == noted.total() == IMPORTS
    assert report["open"] >= 3
    assert noted["done"] >= report["done"]
    world.emulator.advance(NEVER)
    async with started(what) as process:
        said = await said_by(process)
    assert tasks_made(world) == len(set(said["made"])) == IMPORTS
    async with aclosing(aiter(world.importer.images.list(page_size=1000))) as images:
        found = {image.id: image.name async for image in images}
    assert found.keys() == set(said["made"])
    assert Counter(found.values()) == Counter(names)
