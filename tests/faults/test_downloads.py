"""Faults 1 to 20: what goes wrong while data come."""

import asyncio
import errno
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import pytest

from aioimages import (
    ChecksumMismatchError,
    Client,
    Download,
    Image,
    NoImageDataError,
    ProtocolError,
    SourceChangedError,
    TimeoutPolicy,
    TransferInterruptedError,
    TransportTimeoutError,
)
from aioimages.emulator.faults import Fault
from faults.conftest import Stage, Target

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

DATA = random.Random(1).randbytes(300_000)
SIZE, HALF = len(DATA), len(DATA) // 2
PLACES = [0, 1, HALF, SIZE - 1]
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
UNSAID: dict[str, Any] = {"os_hash_algo": None, "os_hash_value": None, "checksum": None}


def asked(stage: Stage) -> list[str | None]:
    """Return from where on the data were asked for, each time."""
    return [one.headers.get("Range") for one in stage.proxy.to("/file")]


def from_byte(place: int) -> str | None:
    """Return how data are asked for from a byte on."""
    return f"bytes={place}-" if place else None


def say(stage: Stage, image: Image, *, after: int = 0, **fields: Any) -> Fault:
    """Let the service say something else of an image."""

    def changed(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), **fields}).encode()

    return stage.faults.change(body=changed, method="GET", path=f"/{image.id}$", times=None, after=after)


def leave_part(target: Target, image: Image, data: bytes) -> None:
    """Leave a file as an earlier program does that was ended in its download."""
    target.path.with_name(f".{target.path.name}.{image.id}.part").write_bytes(data)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that sets no event, for 20 s at the most."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # as the docstring says
            await asyncio.sleep(0.01)


@pytest.mark.fault(1)
@pytest.mark.parametrize("place", PLACES)
async def test_reset(stage: Stage, target: Target, place: int) -> None:
    """The download goes on from the last byte that came, and is verified as a whole."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(place, path="/file$")
    done = await stage.client().images.download(image.id, target.path)
    assert (target.data(), done.verified) == (DATA, True)
    assert asked(stage) == [None, from_byte(place)]


@pytest.mark.fault(1)
async def test_reset_without_end(stage: Stage, target: Target) -> None:
    """A download that gets no further is given up, and leaves nothing under the final name."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(1000, path="/file$")
    stage.faults.cut(0, path="/file$", times=None)
    with pytest.raises(TransferInterruptedError):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []
    assert len(asked(stage)) == 10


@pytest.mark.fault(2)
@pytest.mark.parametrize("place", PLACES)
async def test_closed_early(stage: Stage, target: Target, place: int) -> None:
    """The download goes on from the last byte that came, and is verified as a whole."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(place, how="close", path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(place)]


@pytest.mark.fault(3)
@pytest.mark.parametrize("place", PLACES)
async def test_no_length(stage: Stage, target: Target, place: int) -> None:
    """The length is compared with the image's, and the download goes on from the last byte that came."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(place, how="close", framing="close", path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(place)]


@pytest.mark.fault(3)
async def test_no_length_anywhere(stage: Stage, target: Target) -> None:
    """Where the image's size is not known either, its digest shows that data are missing."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, size=None)
    stage.faults.cut(HALF, how="close", framing="close", path="/file$")
    with pytest.raises(ChecksumMismatchError):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []


@pytest.mark.fault(3)
async def test_no_length_without_end(stage: Stage, target: Target) -> None:
    """Data that end early again and again are an error, and never a short file."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(HALF, how="close", framing="close", path="/file$")
    stage.faults.cut(0, how="close", framing="close", path="/file$", times=None)
    with pytest.raises(TransferInterruptedError, match="the data ended early"):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []


@pytest.mark.fault(4)
@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("place", PLACES)
async def test_chunk_cut(stage: Stage, target: Target, place: int, how: str) -> None:
    """The download goes on from the last byte of the chunk that came."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(place, how=how, framing="chunked", path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(place)]


@pytest.mark.fault(4)
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_cut_between_chunks(stage: Stage, target: Target, how: str) -> None:
    """The download goes on after the last whole chunk."""
    image = await stage.world.make_image(data=DATA)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    stage.faults.raw(head + f"{HALF:x}\r\n".encode() + DATA[:HALF] + b"\r\n", how=how, path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(HALF)]


@pytest.mark.fault(4, 7)
@pytest.mark.parametrize("how", ["reset", "close"])
async def test_cut_before_the_last_chunk(stage: Stage, target: Target, how: str) -> None:
    """Data of which every byte came and whose digest fits are whole, and nothing more is asked for."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(SIZE, how=how, framing="chunked", path="/file$")
    assert (await stage.client().images.download(image.id, target.path)).verified
    assert target.data() == DATA
    assert asked(stage) == [None]


WHOLE: dict[str, Any] = {"status": 200, "body": lambda _: DATA, "headers": {"Content-Range": None}}


@pytest.mark.fault(5)
async def test_range_ignored(stage: Stage, target: Target) -> None:
    """What was there is passed over: no byte is written twice."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(HALF, path="/file$")
    stage.faults.change(**WHOLE, path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(HALF)]


@pytest.mark.fault(5)
async def test_range_ignored_in_parts(stage: Stage, target: Target) -> None:
    """A store that gives parts no more is asked for the whole."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.change(**WHOLE, path="/file$", after=1)
    await stage.client().images.download(image.id, target.path, parts=2)
    assert target.data() == DATA
    assert asked(stage) == ["bytes=0-0", f"bytes=0-{SIZE - 1}", None]


@pytest.mark.fault(5)
async def test_range_ignored_by_what_is_resumed(stage: Stage, target: Target) -> None:
    """So it is where an earlier program left a part of the data."""
    image = await stage.world.make_image(data=DATA)
    leave_part(target, image, DATA[:HALF])
    stage.faults.change(**WHOLE, path="/file$")
    done = await stage.client().images.download(image.id, target.path, resume=True)
    assert (target.data(), done.resumed_bytes) == (DATA, HALF)
    assert asked(stage) == [from_byte(HALF)]


RANGES: dict[str, tuple[str | None, bytes]] = {
    "later": (f"bytes {HALF + 1}-{SIZE - 1}/{SIZE}", DATA[HALF + 1 :]),
    "overlapping": (f"bytes {HALF - 9}-{SIZE - 1}/{SIZE}", DATA[HALF - 9 :]),
    "longer": (f"bytes {HALF}-{SIZE}/{SIZE + 1}", DATA[HALF:] + b"?"),
    "shorter": (f"bytes {HALF}-{SIZE - 2}/{SIZE - 1}", DATA[HALF:-1]),
    "not said": (None, DATA[:HALF]),
    "junk": (f"items {HALF}-{SIZE - 1}/{SIZE}", DATA[HALF:]),
}


@pytest.mark.fault(6)
@pytest.mark.parametrize("which", RANGES)
async def test_another_range(stage: Stage, target: Target, which: str) -> None:
    """The answer is not used; the data are read once more from their start, and each byte is taken once."""
    image = await stage.world.make_image(data=DATA)
    said, body = RANGES[which]
    stage.faults.cut(HALF, path="/file$")
    stage.faults.change(body=lambda _: body, headers={"Content-Range": said}, path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(HALF), None]


@pytest.mark.fault(7)
async def test_nothing_after_the_end(stage: Stage, target: Target) -> None:
    """What an earlier program left may be all there is: then it is compared, whatever its size was thought to be."""
    image = await stage.world.make_image(data=DATA)
    leave_part(target, image, DATA)
    say(stage, image, size=None)
    done = await stage.client().images.download(image.id, target.path, resume=True)
    assert (target.data(), done.verified, done.resumed_bytes) == (DATA, True, SIZE)
    assert asked(stage) == [from_byte(SIZE), None]


@pytest.mark.fault(7)
@pytest.mark.parametrize("status", [400, 416])
async def test_refused_in_the_middle(stage: Stage, target: Target, status: int) -> None:
    """A refusal before the end is no end: the data are read from their start."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(HALF, path="/file$")
    stage.faults.status(status, path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage) == [None, from_byte(HALF), None]


@pytest.mark.fault(8)
@pytest.mark.parametrize("status", [403, 404, 410])
async def test_withdrawn(stage: Stage, target: Target, status: int) -> None:
    """The error says that the image changed, and the file stays as it was."""
    image = await stage.world.make_image(data=DATA)
    target.path.write_bytes(b"old")
    stage.faults.cut(HALF, path="/file$")
    stage.faults.status(status, path="/file$")
    with pytest.raises(SourceChangedError, match=f"image {image.id} changed while it was read"):
        await stage.client().images.download(image.id, target.path)
    assert (target.data(), target.names()) == (b"old", ["web.img"])


@pytest.mark.fault(8)
async def test_deleted(stage: Stage) -> None:
    """A stream whose image is deleted ends with an error that says so."""
    data = random.Random(2).randbytes(3 * 2**20)
    image = await stage.world.make_image(data=data)
    stage.faults.cut(5 * 2**19, path="/file$")
    async with stage.client().images.download(image.id) as stream:
        assert data.startswith(await anext(aiter(stream)))
        await stage.world.producer.images.delete(image.id)
        with pytest.raises(SourceChangedError):
            _ = [piece async for piece in stream]
    assert stream.result is None


@pytest.mark.fault(8)
@pytest.mark.parametrize("size", [SIZE, SIZE + 1, SIZE - 1])
async def test_replaced(stage: Stage, target: Target, size: int) -> None:
    """Where the rest is of other data, the image is looked at again: other digests mean that it was replaced."""
    image = await stage.world.make_image(data=DATA)
    other = os.urandom(size)
    say(stage, image, after=1, size=size, os_hash_value=hashlib.sha512(other).hexdigest())
    stage.faults.cut(HALF, path="/file$")
    said = f"bytes {HALF}-{size - 1}/{size}"
    stage.faults.change(body=lambda _: other[HALF:], headers={"Content-Range": said}, path="/file$")
    if size != SIZE:
        stage.faults.change(body=lambda _: other, path="/file$")
    with pytest.raises(SourceChangedError):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []


@pytest.mark.fault(8)
@pytest.mark.dialects("rackspace", "openstack")
async def test_object_replaced(stage: Stage) -> None:
    """An object that is replaced before its first byte comes is not taken for the one that was found."""
    objects = stage.world.producer.objects
    await objects.create_container("disks")
    await objects.upload("disks", "web.vhd", DATA)
    try:
        async with stage.client().objects.download("disks", "web.vhd") as stream:
            await objects.upload("disks", "web.vhd", DATA[::-1])
            stage.injected += 1
            with pytest.raises(SourceChangedError):
                _ = [piece async for piece in stream]
    finally:
        await objects.delete("disks", "web.vhd")
        await objects.delete_container("disks")


def flipped(body: bytes) -> bytes:
    """Return bytes of which the first one is another."""
    return bytes([body[0] ^ 1]) + body[1:]


@pytest.mark.fault(9)
@pytest.mark.parametrize("parts", [1, 2])
async def test_flipped_byte(stage: Stage, target: Target, parts: int) -> None:
    """The error has both digests, and the file stays as it was."""
    image = await stage.world.make_image(data=DATA)
    target.path.write_bytes(b"old")
    stage.faults.change(body=flipped, path="/file$", times=None)
    with pytest.raises(ChecksumMismatchError, match="their sha512 is") as raised:
        await stage.client().images.download(image.id, target.path, parts=parts)
    assert raised.value.expected == image.os_hash_value
    assert raised.value.actual == hashlib.sha512(flipped(DATA)).hexdigest()
    assert (target.data(), target.names()) == (b"old", ["web.img"])


@pytest.mark.fault(9)
async def test_flipped_byte_of_a_stream(stage: Stage) -> None:
    """A stream raises the error at its end, and has no result."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.change(body=flipped, path="/file$")
    async with stage.client().images.download(image.id) as stream:
        with pytest.raises(ChecksumMismatchError):
            _ = [piece async for piece in stream]
    assert stream.result is None


@pytest.mark.fault(9)
async def test_flipped_byte_of_what_was_left(stage: Stage, target: Target) -> None:
    """Damage in what an earlier program left is found out, and all is fetched anew, once."""
    image = await stage.world.make_image(data=DATA)
    leave_part(target, image, flipped(DATA[:HALF]))
    stage.injected += 1
    done = await stage.client().images.download(image.id, target.path, resume=True)
    assert (target.data(), done.resumed_bytes) == (DATA, 0)
    assert asked(stage) == [from_byte(HALF), None]


@pytest.mark.fault(10)
async def test_too_long(stage: Stage, target: Target) -> None:
    """Data that are longer than the image are an error, and leave nothing."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.change(body=lambda body: body + b"more", path="/file$")
    with pytest.raises(ProtocolError, match=f"should have {SIZE} bytes of data, and there are more"):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []


@pytest.mark.fault(10)
async def test_too_long_without_end(stage: Stage, target: Target) -> None:
    """The first byte too many ends it: nobody waits for more."""
    image = await stage.world.make_image(data=DATA)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    stage.faults.raw(head + f"{SIZE + 1:x}\r\n".encode() + DATA + b"?\r\n", how="stall", path="/file$")
    with pytest.raises(ProtocolError, match="there are more"):
        await stage.client(timeout=TimeoutPolicy(read=None)).images.download(image.id, target.path)
    assert target.names() == []
    assert asked(stage) == [None]


@pytest.mark.fault(11)
async def test_no_data(stage: Stage, target: Target) -> None:
    """The error says that the image has no data yet, and there is no empty file."""
    image = await stage.world.make_image()
    stage.injected += 1
    with pytest.raises(NoImageDataError, match=image.id):
        await stage.client().images.download(image.id, target.path)
    async with stage.client().images.download(image.id) as stream:
        with pytest.raises(NoImageDataError):
            await anext(aiter(stream))
    assert target.names() == []


@pytest.mark.fault(11)
@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("size", [None, SIZE])
async def test_empty_answer(stage: Stage, target: Target, status: int, size: int | None) -> None:
    """An empty answer is an error, whatever its status, and no empty file."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, size=size)
    stage.faults.status(status, path="/file$")
    error = ChecksumMismatchError if (status, size) == (200, SIZE) else NoImageDataError
    with pytest.raises(error):
        await stage.client().images.download(image.id, target.path)
    assert target.names() == []


@pytest.mark.fault(12)
async def test_digest_of_the_whole_with_a_part(stage: Stage, target: Target) -> None:
    """A digest that comes with a part is not believed; the one that came with the whole is."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, **UNSAID)
    stage.faults.cut(HALF, path="/file$")
    stage.faults.change(headers={"Content-MD5": "0" * 32}, path="/file$")
    done = await stage.client().images.download(image.id, target.path)
    assert (target.data(), done.hash_algo, done.hash_value) == (DATA, "md5", MD5)


@pytest.mark.fault(12)
@pytest.mark.parametrize("digest", [MD5, "0" * 32])
async def test_digest_with_a_part_only(stage: Stage, target: Target, digest: str) -> None:
    """Where a digest comes with a part only, the result says that nothing was compared."""
    image = await stage.world.make_image(data=DATA)
    leave_part(target, image, DATA[:HALF])
    say(stage, image, **UNSAID)
    stage.faults.change(headers={"Content-MD5": digest}, path="/file$")
    done = await stage.client().images.download(image.id, target.path, resume=True)
    assert (target.data(), done.verified, done.hash_algo) == (DATA, False, None)


@pytest.mark.fault(13)
@pytest.mark.parametrize("named", ["shake_128", "foo", None])
async def test_unknown_digest(
    stage: Stage, target: Target, named: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The MD5 is compared in its place, with a warning where there is another; a strict download refuses that."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, os_hash_algo=named)
    done = await stage.client().images.download(image.id, target.path)
    assert (target.data(), done.verified, done.hash_algo, done.hash_value) == (DATA, True, "md5", MD5)
    assert ("its MD5 is compared" in caplog.text) == (named is not None)
    with pytest.raises(ChecksumMismatchError, match="cannot be checked strictly"):
        await stage.client().images.download(image.id, target.path, verify="strict")
    assert len(asked(stage)) == 1


@pytest.mark.fault(13)
@pytest.mark.parametrize("named", ["shake_128", "foo"])
async def test_unknown_digest_alone(stage: Stage, target: Target, named: str) -> None:
    """A digest that cannot be made here is an error where there is no other, before anything is fetched."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, os_hash_algo=named, checksum=None)
    with pytest.raises(ChecksumMismatchError, match=f"'{named}', which this Python lacks; give verify=False"):
        await stage.client().images.download(image.id, target.path)
    assert asked(stage) == []
    done = await stage.client().images.download(image.id, target.path, verify=False)
    assert (target.data(), done.verified) == (DATA, False)


# In a program of its own: OpenSSL keeps a digest that it has allowed once.
FORBIDDING = """
import asyncio, ctypes, hashlib, importlib.util, sys
from aioimages import Client, KeystonePassword
from aioimages.emulator import Emulator


def forbid():
    library = ctypes.CDLL(importlib.util.find_spec("_hashlib").origin)
    library.EVP_default_properties_enable_fips(None, 1)
    try:
        hashlib.md5(b"")
    except ValueError:
        print("forbidden")


async def main(path):
    async with Emulator(base_images=False, hash_algorithm="md5") as cloud:
        one = cloud.producer
        account = KeystonePassword(cloud.keystone_auth_url, one.username, one.password, project_name=one.project_name)
        async with Client(account) as client:
            image = await client.images.create(disk_format="raw", container_format="bare", data=b"some data")
            forbid()
            done = await client.images.download(image.id, path)
    print(done.verified, done.hash_algo)


asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.fault(13)
def test_md5_is_forbidden(target: Target) -> None:
    """Where MD5 is forbidden for secrets, it still finds damage."""
    command = [sys.executable, "-c", FORBIDDING, str(target.path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout.splitlines(), target.data()) == (["forbidden", "True md5"], b"some data")


@pytest.mark.fault(14)
async def test_nothing_is_known(stage: Stage, target: Target) -> None:
    """The result says that nothing was compared; a strict download refuses such data before they are fetched."""
    image = await stage.world.make_image(data=DATA)
    say(stage, image, **UNSAID, size=None)
    stage.faults.change(headers={"Content-MD5": None}, path="/file$")
    with pytest.raises(ChecksumMismatchError, match="cannot be checked strictly"):
        await stage.client().images.download(image.id, target.path, verify="strict")
    assert (target.names(), asked(stage)) == ([], [])
    done = await stage.client().images.download(image.id, target.path)
    assert done == Download(key=image.id, size_bytes=SIZE, hash_algo=None, hash_value=None, verified=False)
    assert target.data() == DATA


def impatient(stage: Stage, **options: float) -> Client:
    """Make a client that soon has enough of data that crawl."""
    return stage.client(timeout=TimeoutPolicy(connect=5.0, read=5.0, call=10.0, **options))


@pytest.mark.fault(15)
async def test_trickle(stage: Stage, target: Target) -> None:
    """Data that come at less than 1 KiB a second for too long are gone on with through another connection."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.trickle(1, 0.2, path="/file$")
    await impatient(stage, crawl=1.0).images.download(image.id, target.path)
    assert target.data() == DATA
    first, second = asked(stage)[:2]
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) < 20


@pytest.mark.fault(15)
async def test_trickle_without_end(stage: Stage, target: Target) -> None:
    """Ten connections in a row that crawl are an error, and leave nothing."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.trickle(1, 0.1, path="/file$", times=None)
    with pytest.raises(TransferInterruptedError, match=r"broke 10 times in a row.*bytes came in"):
        await impatient(stage, crawl=0.2).images.download(image.id, target.path)
    assert target.names() == []
    assert len(asked(stage)) == 10


@pytest.mark.fault(15)
async def test_trickle_in_time(stage: Stage, target: Target) -> None:
    """A limit for the whole download holds however steadily bytes come."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.trickle(1, 0.1, path="/file$", times=None)
    with pytest.raises(TransportTimeoutError, match=r"did not come within 0\.7 s"):
        await stage.client().images.download(image.id, target.path, timeout=0.7)
    assert target.names() == []


@pytest.mark.fault(16)
@pytest.mark.parametrize("place", PLACES)
async def test_stall(stage: Stage, target: Target, place: int) -> None:
    """When nothing comes for too long, the download goes on through another connection."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(place, how="stall", path="/file$")
    await stage.client(timeout=TimeoutPolicy(read=1.0)).images.download(image.id, target.path)
    assert target.data() == DATA
    assert asked(stage)[1] == from_byte(place)


STARTED = """
import asyncio, os, subprocess, sys
from aioimages import Client, StaticToken

async def main(endpoint, image_id, path, mount):
    if mount:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", os.path.dirname(path)], check=True)
    async with Client(StaticToken(sys.stdin.readline().strip(), endpoint)) as client:
        try:
            await client.images.download(image_id, path, resume=not mount)
        except OSError as error:
            await asyncio.sleep(0.1)  # what is closed needs a turn of the loop
            print(error.strerror, os.listdir(os.path.dirname(path)), asyncio.all_tasks() == {asyncio.current_task()})

asyncio.run(main(*sys.argv[1:]))
"""


async def start(stage: Stage, image: Image, target: Target, *, mount: bool = False) -> asyncio.subprocess.Process:
    """Start a program that downloads through the proxy; it may get a very small disk of its own to do so."""
    wire = await stage.world.site.wire(stage.world.site.producer)
    # A namespace of its own: there everybody may mount.
    apart = ["unshare", "--map-root-user", "--mount"] if mount else []
    arguments = (stage.proxy.url(wire.root), image.id, str(target.path), "mount" if mount else "")
    process = await asyncio.create_subprocess_exec(
        *apart,
        *(sys.executable, "-W", "error", "-c", STARTED, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(f"{wire.token}\n".encode())
    return process


@pytest.mark.fault(17)
async def test_full_disk(stage: Stage, target: Target) -> None:
    """A disk without room is the system's own error: nothing is left on it, and nothing is fetched again."""
    image = await stage.world.make_image(data=DATA)
    process = await start(stage, image, target, mount=True)
    told, wrong = await process.communicate()
    stage.injected += 1
    assert (told.decode(), wrong.decode()) == ("No space left on device [] True\n", "")
    assert len(asked(stage)) == 1


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("", errno.EISDIR),
        ("/dev/full", errno.EINVAL),
        ("missing/web.img", errno.ENOENT),
        ("/sys/web.img", errno.EACCES),
    ],
)
async def test_no_place_for_a_file(stage: Stage, target: Target, place: str, code: int) -> None:
    """A folder, a device, a folder that is not there or may not be written to: Python's own error, before the data."""
    image = await stage.world.make_image(data=DATA)
    stage.injected += 1
    with pytest.raises(OSError, match=os.strerror(code)) as raised:
        await stage.client().images.download(image.id, target.path.parent / place)
    assert raised.value.errno == code
    assert (target.names(), asked(stage)) == ([], [])


@pytest.mark.fault(17)
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_file_that_cannot_be_written(stage: Stage, code: int) -> None:
    """The error of an open file comes out as it is, and nothing is fetched again."""
    image = await stage.world.make_image(data=DATA)
    stage.injected += 1

    class Broken(io.RawIOBase):
        def write(self, _: Any) -> int:
            raise OSError(code, os.strerror(code))

    async with await anyio.open_file("/dev/full", "wb", buffering=0) as full:
        with pytest.raises(OSError, match=os.strerror(code)) as raised:
            await stage.client().images.download(image.id, full if code == errno.ENOSPC else Broken())
    assert raised.value.errno == code
    assert len(asked(stage)) == 1


@pytest.mark.fault(18)
async def test_killed(stage: Stage, target: Target) -> None:
    """The file is what it was, what there is stands beside it under a name of its own, and the next run goes on."""
    data = os.urandom(3 * 2**20)
    image = await stage.world.make_image(data=data)
    target.path.write_bytes(b"old")
    stage.faults.cut(5 * 2**19, how="stall", path="/file$")
    part = target.path.with_name(f".web.img.{image.id}.part")
    process = await start(stage, image, target)
    await until(lambda: part.exists() and part.stat().st_size >= 2**21)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert (target.data(), target.names()) == (b"old", [part.name, "web.img"])
    left = part.stat().st_size
    done = await stage.client().images.download(image.id, target.path, resume=True)
    assert (target.data(), target.names()) == (data, ["web.img"])
    assert done.resumed_bytes == left
    assert asked(stage) == [None, from_byte(left)]


class Noted:
    """A file that notes what is done with it, and may be held up."""

    def __init__(self) -> None:
        self.data = b""
        self.is_writing = threading.Event()
        self.may_end = threading.Event()

    def write(self, data: bytes) -> None:
        """Take some."""
        self.is_writing.set()
        self.may_end.wait(20)
        self.data += data
        self.is_writing.clear()


async def _read(client: Client, image: Image) -> None:
    async with client.images.download(image.id) as stream:
        assert b"".join([piece async for piece in stream]) == DATA


@pytest.mark.fault(19)
@pytest.mark.parametrize("to", ["path", "file", "stream"])
async def test_cancelled(stage: Stage, target: Target, to: str) -> None:
    """Whenever it is cancelled, a download ends at once, and its file is what it was or whole."""
    image = await stage.world.make_image(data=DATA)
    target.path.write_bytes(b"old")
    client, chance = stage.client(), random.Random(19)
    for moment in range(40):
        file = Noted()
        file.may_end.set()
        destination = target.path if to == "path" else file
        way = _read(client, image) if to == "stream" else client.images.download(image.id, destination)
        downloading = asyncio.ensure_future(way)
        await asyncio.sleep(chance.uniform(0, 0.001 * moment))
        stage.injected += downloading.cancel()
        with suppress(asyncio.CancelledError):
            await downloading
        assert target.data() in ({b"old", DATA} if downloading.cancelled() else {DATA if to == "path" else b"old"})
        assert target.names() == ["web.img"]
        assert not file.is_writing.is_set()
        assert DATA.startswith(file.data)


@pytest.mark.fault(19)
async def test_cancelled_while_it_writes(stage: Stage) -> None:
    """The thread that writes is waited for, so that no file is closed beneath it."""
    image = await stage.world.make_image(data=DATA)
    file = Noted()
    downloading = asyncio.ensure_future(stage.client().images.download(image.id, file))
    assert await anyio.to_thread.run_sync(file.is_writing.wait, 20)
    stage.injected += downloading.cancel()
    await asyncio.sleep(0.1)
    assert not downloading.done()
    file.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await downloading
    assert not file.is_writing.is_set()


@pytest.mark.fault(20)
@pytest.mark.parametrize("is_same", [True, False])
@pytest.mark.parametrize("resume", [True, False])
async def test_two_to_one_path(stage: Stage, target: Target, *, is_same: bool, resume: bool) -> None:
    """Each writes a file of its own, and the one that ends last has the path, whole."""
    image = await stage.world.make_image(data=DATA)
    other_data = DATA if is_same else DATA[::-1]
    other = image if is_same else await stage.world.make_image(data=other_data)
    cut = stage.faults.cut(HALF, how="stall", path=f"{image.id}/file$")
    client = stage.client(timeout=TimeoutPolicy(read=1.0))
    first = asyncio.ensure_future(client.images.download(image.id, target.path, resume=resume))
    await until(lambda: cut.hits == 1)
    assert (await client.images.download(other.id, target.path, resume=resume)).resumed_bytes == 0
    assert target.data() in {DATA, other_data}
    await first
    assert target.data() in {DATA, other_data}
    assert target.names() == ["web.img"]
