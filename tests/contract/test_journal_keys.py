"""Journals of what is no task: functions over keys, and downloads; and reports on all runs."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from clouds import World
from journals import disks, rows

from aioimages import (
    ConnectError,
    DownloadRequest,
    JournalError,
    RetryPolicy,
    ServerError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal is to be."""
    return tmp_path / "run.db"


# Keys and downloads.


async def test_map(world: World, path: Path) -> None:
    """A key that is done is not done again, one that was in work is, and new ones may come."""
    worked: list[str] = []

    async def work(key: str) -> int:
        worked.append(key)
        if key == "bad" and worked.count(key) == 1:
            raise LookupError("not now")
        if key == "slow" and worked.count(key) == 1:
            await anyio.sleep(60)
        return len(key)

    bulk = world.importer.bulk
    keys = ["a", "bb", "bad", "slow", "a"]
    async with bulk.map(work, keys, journal=path) as outcomes:
        first = [await anext(outcomes) for _ in range(4)]
    assert {outcome.key: outcome.value for outcome in first} == {"a": 1, "bb": 2, "bad": None}
    assert rows(path) == ["done", "done", "new", "working", "done"]

    async def more() -> AsyncIterator[str]:
        for key in ("slow", "bad", "a", "a", "new"):
            yield key

    async with bulk.map(work, more(), journal=path) as outcomes:
        again = {outcome.key: outcome.unwrap() async for outcome in outcomes}
    assert again == {"a": None, "slow": 4, "bad": 3, "new": 3}
    assert Counter(worked) == {"a": 2, "bb": 1, "bad": 2, "slow": 2, "new": 1}
    assert (outcomes.report.total, outcomes.report.done, outcomes.report.resumed) == (None, 5, 2)
    with pytest.raises(JournalError, match=r"a run on .*work on .*, not on .*get on "):
        async with bulk.map(world.importer.images.get, keys, journal=path):
            pass
    anything: Any = work
    with pytest.raises(TypeError, match="keys are str"):
        async with bulk.map(anything, iter([5]), journal=path) as none:
            await anext(none, None)


@openstack
async def test_downloads(world: World, path: Path, tmp_path: Path) -> None:
    """What was fetched is not fetched again; what is missing is an outcome, and tried again."""
    images = [await world.make_image(f"image-{number}", data=bytes([number]) * 5000) for number in range(3)]
    (tmp_path / "files").mkdir()
    requests = [DownloadRequest(image.id, tmp_path / "files" / image.id) for image in images]
    requests.append(DownloadRequest(images[0].id, str(tmp_path / "missing" / "x")))
    bulk = world.producer.bulk
    async with bulk.download_images(requests, journal=path) as outcomes:
        done = {outcome.key: outcome async for outcome in outcomes}
    assert [done[request].unwrap().size_bytes for request in requests[:3]] == [5000] * 3
    assert isinstance(done[requests[3]].error, FileNotFoundError)
    assert outcomes.report.transferred_bytes == 15000
    assert rows(path, "size_bytes") == [5000, 5000, 5000, None]

    (tmp_path / "missing").mkdir()
    world.watch.clear()
    async with bulk.download_images(requests, journal=path) as outcomes:
        again = {outcome.key: outcome async for outcome in outcomes}
    assert {key: outcome.value for key, outcome in again.items() if key != requests[3]} == {
        key: outcome.value for key, outcome in done.items() if key != requests[3]
    }
    assert len(world.watch.to("/file")) == 1
    assert (outcomes.report.resumed, outcomes.report.transferred_bytes) == (3, 5000)
    with pytest.raises(ValueError, match="two downloads to the same file: items 1 and 5"):
        bulk.download_images([*requests, requests[0]])
    with pytest.raises(TypeError, match="path is the path of a file"):
        bulk.download_images([DownloadRequest("id", 5)])  # type: ignore[arg-type]


@emulator
@openstack
async def test_download_that_was_cut(world: World, path: Path, tmp_path: Path) -> None:
    """A run that was ended within a file goes on within it."""
    data = bytes(range(256)) * 40_000
    image = await world.make_image("big", data=data)
    request = DownloadRequest(image.id, tmp_path / "big")
    client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=1))
    world.emulator.faults.truncate(5_000_000, path="/file$", times=1)
    world.emulator.faults.status(503, path="/file$", times=20)
    async with client.bulk.download_images([request], journal=path) as outcomes:
        assert isinstance((await anext(outcomes)).error, Exception)
    world.emulator.faults.clear()
    async with client.bulk.download_images([request], journal=path) as outcomes:
        done = (await anext(outcomes)).unwrap()
    assert (tmp_path / "big").read_bytes() == data
    assert 0 < done.resumed_bytes <= 5_000_000
    assert outcomes.report.transferred_bytes == len(data) - done.resumed_bytes


# Reports.


@emulator
async def test_report(world: World) -> None:
    """A report can be had in the middle, and says how it has ended, also after a cancellation."""
    requests = disks(world, 6)
    world.emulator.script_task(seconds=0.01, status="failure", message="Error code: '396'")
    world.emulator.script_task(seconds=0.01, count=2)
    world.emulator.script_task(seconds=60, count=3)
    before = len(world.watch.requests)
    async with world.importer.bulk.import_images(requests) as outcomes:
        for _ in range(3):
            await anext(outcomes)
        report = outcomes.report
        assert (report.total, report.done, report.failed, report.open) == (6, 2, 1, 3)
        assert report.failures == {"NOT_A_VHD": 1}
        assert report.seconds > 0
        assert str(report).startswith("2 of 6 done, 1 failed (1 NOT_A_VHD), 3 open, ")
    assert outcomes.report.requests == len(world.watch.requests) - before
    assert (outcomes.report.done, outcomes.report.open) == (2, 3)
    still = outcomes.report
    await anyio.sleep(0.01)
    assert still == outcomes.report


async def test_report_of_waits(world: World) -> None:
    """Waiting for tasks is reported, too; and so are keys that come one by one."""
    tasks = [await world.import_disk(good=number != 1) for number in range(3)]
    async with world.importer.tasks.as_completed([task.id for task in tasks]) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 3
    assert (outcomes.report.total, outcomes.report.done, outcomes.report.failed) == (3, 2, 1)
    assert outcomes.report.requests > 0

    async def nowhere(key: int) -> int:
        raise ConnectError(str(key)) if key else ServerError("x", status=503, method="GET", url="/")

    async with world.importer.bulk.map(nowhere, iter(range(5))) as found:
        assert len([outcome async for outcome in found]) == 5
    assert found.report.failures == {"ConnectError": 4, "ServerError": 1}
    assert (found.report.total, found.report.open, found.report.requests) == (None, 0, 0)


async def test_names_that_are_no_text(world: World, path: Path) -> None:
    """Names as the file system gives them are kept, and so are keys that differ in a URL's user only."""
    keys = ["good", "bad\udcff", "https://alice:a@host/x", "https://bob:b@host/x"]
    worked: list[str] = []

    async def work(key: str) -> None:
        worked.append(key)

    for run in (keys[:3], keys):
        async with world.importer.bulk.map(work, run, journal=path) as outcomes:
            assert [outcome.ok async for outcome in outcomes] == [True] * len(run)
    assert sorted(worked) == sorted(keys)
    assert "bob:b" not in "".join(rows(path, "name"))


async def test_outcomes_after_their_block(world: World) -> None:
    """Whoever asks for outcomes too late is told so; no more workers are begun than there are items."""
    async with world.importer.bulk.map(anyio.sleep, [0.0], concurrency=10**6) as outcomes:
        pass
    with pytest.raises(RuntimeError, match="inside their block, which is over"):
        await anext(outcomes)
