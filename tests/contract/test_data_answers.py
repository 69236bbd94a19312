"""What a service says of data that is not so, or says nothing of; and disks that have no room for them."""

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clouds import World

from aioimages import (
    AmbiguousOutcomeError,
    ChecksumMismatchError,
    ForbiddenError,
    Image,
    ProtocolError,
    RetryPolicy,
    TaskFailedError,
    TransferError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack"), pytest.mark.clouds("emulator")]

DATA = b"disk" * 700_000
UNSAID: dict[str, Any] = {"os_hash_algo": None, "os_hash_value": None, "checksum": None}
SHA512 = hashlib.sha512(DATA).hexdigest()


def planted(world: World, **attributes: Any) -> str:
    """Make an image that the service says something of."""
    return world.emulator.add_image(world.emulator.producer, region="RegionOne", data=DATA, **attributes)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def pieces() -> AsyncIterator[bytes]:
    """Give the data, once."""
    yield DATA


async def queued(world: World) -> Image:
    """Make an image that waits for its data."""
    return await world.producer.images.create(name="new", disk_format="raw", container_format="bare")


LIES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"size": len(DATA) + 1}, ChecksumMismatchError, rf"should have {len(DATA) + 1} bytes of data, and has"),
    ({"size": len(DATA) - 1}, ProtocolError, "there are more"),
    ({"size": 0}, ProtocolError, "there are more"),
    ({"os_hash_value": "0" * 128}, ChecksumMismatchError, "came damaged: their sha512 is"),
    ({**UNSAID, "checksum": "0" * 32}, ChecksumMismatchError, "came damaged: their md5 is"),
    ({"os_hash_algo": "shake_128", "checksum": None}, ChecksumMismatchError, "'shake_128', which this Python lacks"),
]


@pytest.mark.parametrize(("said", "error", "message"), LIES)
async def test_download_of_what_is_not_so(
    world: World, tmp_path: Path, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A size or a digest that does not fit is an error, and the file stays as it was."""
    (tmp_path / "disk.raw").write_bytes(b"old")
    with pytest.raises(error, match=message):
        await world.producer.images.download(planted(world, **said), tmp_path / "disk.raw")
    assert (tmp_path / "disk.raw").read_bytes() == b"old"
    assert names(tmp_path) == ["disk.raw"]


@pytest.mark.parametrize("said", [lie[0] for lie in LIES])
async def test_download_in_parts_of_what_is_not_so(world: World, tmp_path: Path, said: dict[str, Any]) -> None:
    """So it is when the data are fetched in parts."""
    client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(base=0.0))
    with pytest.raises((TransferError, ProtocolError)):
        await client.images.download(planted(world, **said), tmp_path / "disk.raw", parts=2)
    assert names(tmp_path) == []


async def test_digests_that_are_told(world: World) -> None:
    """A stream that turns out to be damaged is an error at its end; the error has both digests."""
    async with world.producer.images.download(planted(world, os_hash_value="0" * 128)) as stream:
        with pytest.raises(ChecksumMismatchError) as raised:
            async for _ in stream:
                pass
    assert (raised.value.expected, raised.value.actual) == ("0" * 128, SHA512)


@pytest.mark.parametrize(
    ("said", "algorithm"),
    [
        ({}, "sha512"),
        ({"os_hash_algo": "sha1", "os_hash_value": hashlib.sha1(DATA, usedforsecurity=False).hexdigest()}, "sha1"),
        ({"os_hash_value": SHA512.upper()}, "sha512"),
        ({**UNSAID, "checksum": hashlib.md5(DATA, usedforsecurity=False).hexdigest()}, "md5"),
        ({**UNSAID, "size": None}, None),
        (UNSAID, None),
    ],
)
async def test_download_is_checked_with_what_is_there(
    world: World, tmp_path: Path, said: dict[str, Any], algorithm: str | None
) -> None:
    """What the service says is compared; where it says nothing, the result says that nothing was."""
    done = await world.producer.images.download(planted(world, **said), tmp_path / "disk.raw")
    assert (done.hash_algo, done.verified, done.size_bytes) == (algorithm, algorithm is not None, len(DATA))
    assert (tmp_path / "disk.raw").read_bytes() == DATA


@pytest.mark.parametrize("is_right", [True, False])
async def test_md5_that_comes_with_the_data(world: World, tmp_path: Path, *, is_right: bool) -> None:
    """Where the image says nothing, what is said with its data counts."""
    digest = hashlib.md5(DATA, usedforsecurity=False).hexdigest() if is_right else "0" * 32
    image_id = planted(world, **UNSAID)
    world.emulator.faults.status(200, body=DATA, headers={"Content-MD5": digest}, method="GET", path="/file$")
    if is_right:
        done = await world.producer.images.download(image_id, tmp_path / "disk.raw")
        assert (done.verified, done.hash_algo, done.hash_value) == (True, "md5", digest)
        return
    with pytest.raises(ChecksumMismatchError):
        await world.producer.images.download(image_id, tmp_path / "disk.raw")


@pytest.mark.emulator(hash_algorithm="sha256")
async def test_upload_to_a_service_that_digests_otherwise(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A source that can be read again is digested as the service does; of another one the size is compared."""
    assert (await world.producer.images.upload((await queued(world)).id, DATA)).os_hash_algo == "sha256"
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "aioimages"):
        await world.producer.images.upload((await queued(world)).id, pieces())
    assert "is hashed with sha256: only its size was compared" in caplog.text


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_upload_that_arrives_damaged(world: World, algorithm: str) -> None:
    """An upload of which the service has other data than were sent is an error that has both digests."""
    image = await queued(world)
    found = {"id": image.id, "status": "active", "size": len(DATA), "os_hash_algo": algorithm, "os_hash_value": "0"}
    world.emulator.faults.body(
        _json(found), content_type="application/json", method="GET", path=f"{image.id}$", after=1
    )
    with pytest.raises(ChecksumMismatchError, match="has other data than were sent") as raised:
        await world.producer.images.upload(image.id, DATA)
    assert raised.value.actual == hashlib.new(algorithm, DATA).hexdigest()


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        ({"status": "active", "size": 7}, ChecksumMismatchError, "has 7 bytes of data, and 2800000 were sent"),
        ({"status": "killed"}, TransferError, "is killed after its upload, not active"),
    ],
)
async def test_upload_that_ends_otherwise(
    world: World, found: dict[str, Any], error: type[Exception], message: str
) -> None:
    """An upload whose image is not what it should be afterwards is an error that says what it is."""
    image = await queued(world)
    world.emulator.faults.body(
        _json({"id": image.id, **found}), content_type="application/json", method="GET", path=f"{image.id}$", after=1
    )
    with pytest.raises(error, match=message):
        await world.producer.images.upload(image.id, DATA)


async def test_upload_of_which_nobody_knows(world: World) -> None:
    """An upload that broke off, and whose image cannot be looked at, may or may not have arrived."""
    client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=2, base=0.0))
    image = await queued(world)
    world.emulator.faults.drop_reply(method="PUT", path="/file$")
    world.emulator.faults.drop(method="GET", path=f"{image.id}$", after=1, times=None)
    with pytest.raises(AmbiguousOutcomeError, match=f"the upload of image {image.id} may or may not have arrived"):
        await client.images.upload(image.id, DATA)


async def test_upload_whose_image_can_no_longer_be_seen(world: World) -> None:
    """A refusal to show the image afterwards is that refusal."""
    image = await queued(world)
    world.emulator.faults.drop_reply(method="PUT", path="/file$")
    world.emulator.faults.status(403, method="GET", path=f"{image.id}$", after=1)
    with pytest.raises(ForbiddenError):
        await world.producer.images.upload(image.id, DATA)


async def test_staged_data_whose_answer_is_lost(world: World) -> None:
    """Whether staged data are whole cannot be looked up: where the answer is lost, nobody can say."""
    image = await queued(world)
    world.emulator.faults.drop_reply(method="PUT", path="/stage$")
    with pytest.raises(AmbiguousOutcomeError, match="what was staged may or may not be whole") as raised:
        await world.producer.images.stage(image.id, DATA)
    assert [candidate.id for candidate in raised.value.candidates] == [image.id]


@pytest.mark.parametrize(("status", "is_well"), [("success", True), ("failure", False)])
async def test_wait_for_an_image_whose_task_left_its_lock(world: World, status: str, *, is_well: bool) -> None:
    """An image that a task has left locked, though it is over, is not waited for any longer."""
    image_id = planted(world, os_glance_import_task="t")
    task = {"id": "t", "type": "api_image_import", "status": status, "message": "the store burnt down"}
    world.emulator.faults.body(
        _json({"tasks": [task]}), content_type="application/json", path=f"{image_id}/tasks$", times=None
    )
    if is_well:
        assert (await world.producer.images.wait(image_id, timeout=5)).status == "active"
        return
    with pytest.raises(TaskFailedError, match="the store burnt down"):
        await world.producer.images.wait(image_id, timeout=5)
