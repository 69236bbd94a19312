"""Bulk runs on a Dask cluster of two worker processes, of which one may be killed."""

import asyncio
import logging
import math
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import anyio
import anyio.lowlevel
import dask.config
import pytest
from clouds import QUICK, World
from disks import RAW_DISK, fixed_vhd
from distributed import Client, LocalCluster, Scheduler, Worker

from aioimages import (
    ConfigurationError,
    ConnectError,
    Download,
    DownloadRequest,
    ExportRequest,
    ImportRequest,
    NotFoundError,
    Outcome,
    Task,
    TaskFailedError,
)
from aioimages.distributed import Cluster

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.slow]

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")

# `AIOIMAGES_FULL_SIZE=1` takes the numbers that the project promises.
FULL_SIZE = bool(os.environ.get("AIOIMAGES_FULL_SIZE"))
IMPORTS = 500 if FULL_SIZE else 100
DOWNLOADS = 200 if FULL_SIZE else 60
DISK_BYTES = 300_000


@pytest.fixture(scope="module")
def dask_cluster() -> Iterator[LocalCluster]:
    """Start two workers; those that are killed are replaced."""
    with (
        dask.config.set({"distributed.nanny.environ": {}}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
async def workers(dask_cluster: LocalCluster, anyio_backend: str) -> LocalCluster:  # noqa: ARG001  # in the test's loop
    """Return the cluster once two workers are there: what was killed is replaced, but not always at once."""
    scheduler = scheduler_of(dask_cluster)
    for patience in (15, 30):
        with anyio.move_on_after(patience):
            while True:
                if len(scheduler.workers) >= 2:
                    return dask_cluster
                await anyio.sleep(0.05)
        dask_cluster.scale(len(dask_cluster.worker_spec) + 1)
    raise AssertionError("no two workers come up")


def cluster_of(world: World, workers: LocalCluster, **options: Any) -> Cluster:
    """Make what a user would."""
    who = world.site.producer if world.dialect == "rackspace" else world.site.admin
    return Cluster(workers, world.credentials(who), **{"region": world.site.region, "poll": QUICK, **options})


def disks(world: World, number: int) -> list[ImportRequest]:
    """Serve so many disks to imports."""
    data = fixed_vhd() if world.dialect == "rackspace" else RAW_DISK
    return [ImportRequest(world.site.put_file(f"{one}.img", data), f"disk-{one}") for one in range(number)]


def scheduler_of(workers: LocalCluster) -> Scheduler:
    """Return the scheduler, which is in this process."""
    assert isinstance(workers.scheduler, Scheduler)
    return workers.scheduler


def sizes(folder: Path) -> dict[str, int]:
    """Return how long the files in a folder are, also those that are not whole."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def texts(folder: Path) -> list[str]:
    """Return what the files in a folder say."""
    return [path.read_text() for path in folder.iterdir()]


@asynccontextmanager
async def killing(workers: LocalCluster, when: Callable[[], bool]) -> AsyncIterator[None]:
    """Kill one worker as soon as something is so, which it must be before the end of the block."""

    async def wait_and_kill() -> None:
        while True:
            await asyncio.sleep(0.005)
            if when():
                break
        addresses = scheduler_of(workers).workers
        pids = [nanny.pid for nanny in workers.workers.values() if nanny.worker_address in addresses]
        os.kill(pids[0], signal.SIGKILL)

    task = asyncio.create_task(wait_and_kill())
    try:
        yield
        assert task.done(), "nothing was killed"
    finally:
        task.cancel()
    await task


@pytest.mark.emulator(task_seconds=(0.1, 1.0))
async def test_imports_with_a_worker_killed(world: World, workers: LocalCluster, tmp_path: Path) -> None:
    """When one of two workers is killed half-way, each disk is still imported once, and has one outcome."""
    requests = disks(world, IMPORTS)
    world.emulator.faults.delay(0.2, method="POST", path="/tasks$", times=None)
    cluster = cluster_of(world, workers)
    done: list[Outcome[ImportRequest, Task]] = []
    async with (
        killing(workers, lambda: world.emulator.count("POST", "/tasks$") >= IMPORTS // 2),
        cluster.import_images(requests, journal=tmp_path / "run.db", lost_after=1) as outcomes,
    ):
        done += [outcome async for outcome in outcomes]
    assert Counter(outcome.key for outcome in done) == Counter(requests)
    assert [outcome.error for outcome in done if not outcome.ok] == []
    images = await world.importer.images.list().collect()
    assert Counter(image.name for image in images) == Counter(request.name for request in requests)
    assert len(await world.importer.tasks.list().collect()) == IMPORTS
    # Those that the worker was at were looked for.
    assert [request for request in world.emulator.requests if "sort" in request.query and "/tasks" in request.path]
    assert outcomes.report.done == IMPORTS


@openstack
async def test_downloads_with_a_worker_killed(world: World, workers: LocalCluster, tmp_path: Path) -> None:
    """When one of two workers is killed half-way, each image is still fetched whole, and has one outcome."""
    folder = tmp_path / "images"
    folder.mkdir()
    here, owner = world.site.region, world.emulator.admin
    ids = [world.emulator.add_image(owner, region=here, data=os.urandom(DISK_BYTES)) for _ in range(DOWNLOADS)]
    requests = [DownloadRequest(image_id, folder / image_id) for image_id in ids]
    world.emulator.faults.delay(0.1, method="GET", path="/file$", times=None)
    cluster = cluster_of(world, workers)
    done: list[Outcome[DownloadRequest, Download]] = []
    async with (
        killing(workers, lambda: world.emulator.count("GET", "/file$") >= DOWNLOADS // 2),
        cluster.download_images(requests, journal=tmp_path / "run.db") as outcomes,
    ):
        done += [outcome async for outcome in outcomes]
    assert Counter(outcome.key for outcome in done) == Counter(requests)
    assert [outcome.error for outcome in done if not outcome.ok] == []
    assert all(outcome.unwrap().verified for outcome in done)
    assert sizes(folder) == dict.fromkeys(ids, DISK_BYTES)


async def test_a_journal_and_both_places(world: World, workers: LocalCluster, tmp_path: Path) -> None:
    """A run that was done on a cluster is known to be done on one machine, and one there can be done on a cluster."""
    requests, more = disks(world, 4), disks(world, 6)[4:]
    cluster, here = cluster_of(world, workers), world.importer.bulk
    for begun, ended, wanted in ((cluster, here, requests), (here, cluster, more)):
        journal = tmp_path / f"{len(wanted)}.db"
        async with begun.import_images(wanted, journal=journal) as outcomes:
            first = {outcome.key: outcome.unwrap().id async for outcome in outcomes}
        async with ended.import_images(wanted, journal=journal) as outcomes:
            assert {outcome.key: outcome.unwrap().id async for outcome in outcomes} == first
        assert outcomes.report.resumed == len(wanted)
    assert world.emulator.count("POST", "/tasks$") == 6


@rackspace
async def test_exports(world: World, workers: LocalCluster) -> None:
    """Images are exported, and each error comes back as what it is."""
    world.emulator.create_container(world.emulator.producer, "exports")
    image = await world.make_image("web", data=b"disk")
    requests = [ExportRequest(image.id, "exports"), ExportRequest(image.id, "missing")]
    async with cluster_of(world, workers).export_images(requests) as outcomes:
        by_key = {outcome.key: outcome async for outcome in outcomes}
    assert by_key[requests[0]].unwrap().export_location == f"exports/{image.id}.vhd"
    assert isinstance(by_key[requests[1]].error, TaskFailedError)


@openstack
async def test_each_worker_signs_in_once(world: World, workers: LocalCluster, tmp_path: Path) -> None:
    """Each worker has one client, with one sign-in; what the service refuses comes back; the next run begins anew."""
    cluster = cluster_of(world, workers)
    for run in (1, 2):
        requests = [DownloadRequest(f"missing-{number}", tmp_path / str(number)) for number in range(20)]
        async with cluster.download_images(requests) as outcomes:
            errors = [outcome.error async for outcome in outcomes]
        assert {type(error) for error in errors} == {NotFoundError}
        assert world.emulator.count("POST", "/auth/tokens$") == 2 * run
        assert outcomes.report.requests * run == len(world.emulator.requests)


async def test_leaving_early(world: World, workers: LocalCluster) -> None:
    """Who leaves early, or is cancelled, leaves nothing on the cluster, and nothing more is sent."""
    world.emulator.script_task(seconds=0.05, count=2)
    world.emulator.script_task(seconds=math.inf, count=100)
    world.emulator.faults.hang(method="POST", path="/tasks$", times=4, after=2)

    async def run() -> None:
        async with cluster_of(world, workers).import_images(disks(world, 40)) as outcomes:
            async for _ in outcomes:
                running.set()

    running = asyncio.Event()
    task = asyncio.create_task(run())
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sent = len(world.emulator.requests)

    def left(dask_worker: Worker) -> list[str]:
        tasks = [str(task.get_coro()) for task in asyncio.all_tasks() if "aioimages" in str(task.get_coro())]
        named = [name for name in (*dask_worker.handlers, *dask_worker.plugins) if str(name).startswith("aioimages")]
        return [*(task for task in tasks if "left" not in task), *named]

    async def left_over(dask_worker: Worker) -> list[str]:
        return left(dask_worker)

    async with Client(workers.scheduler_address, asynchronous=True, set_as_default=False) as dask_client:
        assert {*map(tuple, (await dask_client.run(left_over)).values())} == {()}
    assert not scheduler_of(workers).tasks
    assert len(world.emulator.requests) == sent


@asynccontextmanager
async def talkative(workers: LocalCluster, folder: Path) -> AsyncIterator[Client]:
    """Let workers write all that they can say into logs in a folder."""

    def verbose(dask_worker: Worker) -> None:
        logging.getLogger("distributed").setLevel(logging.DEBUG)
        logging.getLogger("distributed").addHandler(logging.FileHandler(folder / f"{dask_worker.id[-12:]}.log"))

    def quiet() -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        logging.getLogger("distributed").handlers.pop().close()

    async with Client(workers.scheduler_address, asynchronous=True, set_as_default=False) as client:
        await client.run(verbose)
        try:
            yield client
        finally:
            await client.run(quiet)


async def test_secrets(world: World, workers: LocalCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither credentials, tokens nor signed URLs are in logs, on the dashboard, or in the state of the cluster."""
    signed = f"{world.import_source()}?signature=canary-in-the-url"
    requests = [ImportRequest(signed, "signed"), *disks(world, 3)]
    caplog.set_level(logging.DEBUG, logger="distributed")
    async with talkative(workers, tmp_path) as dask_client:
        shown = [repr(cluster_of(world, workers))]
        async with cluster_of(world, workers).import_images(requests) as outcomes:
            async for outcome in outcomes:
                shown += [repr(outcome), repr(outcome.error)]
                await dask_client.dump_cluster_state(str(tmp_path / "state"), format="yaml")
                shown.append(await _dashboard(workers))
        shown += map(repr, (await dask_client.get_scheduler_logs(), await dask_client.get_worker_logs()))
    logs = texts(tmp_path)
    assert any("aioimages-" in log for log in logs), "the logs say nothing at all"
    everything = "\n".join([*shown, *logs, caplog.text])
    tokens = set(world.emulator._service.tokens._issued)
    people = (world.site.producer, world.site.admin)
    secrets = {"canary-in-the-url", *tokens} | {
        secret for person in people for secret in (person.password, person.api_key) if secret
    }
    assert tokens
    assert [secret for secret in secrets if secret in everything] == []


async def _dashboard(workers: LocalCluster) -> str:
    """Return what the scheduler shows over HTTP."""
    scheduler = scheduler_of(workers)
    pages = [
        "info/main/workers.html",
        "info/main/logs.html",
        "info/main/call-stacks",
        *(f"info/worker/{quote(address, safe='')}.html" for address in scheduler.workers),
        "json/identity.json",
        "json/counts.json",
    ]
    root = f"http://127.0.0.1:{getattr(scheduler.http_server, 'port', 0)}"
    texts = []
    async with aiohttp.ClientSession() as session:
        for page in pages:
            async with session.get(f"{root}/{page}") as answer:
                texts.append(await answer.text())
    return "\n".join(texts)


async def test_a_worker_without_aioimages(world: World, workers: LocalCluster) -> None:
    """Where a worker lacks the library, the error says that and what to do."""

    def lose() -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "aioimages"]:
            del sys.modules[name]
        sys.modules["aioimages"] = None  # type: ignore[assignment]

    def find() -> None:
        del sys.modules["aioimages"]

    async with Client(workers.scheduler_address, asynchronous=True, set_as_default=False) as dask_client:
        await dask_client.run(lose)
        try:
            with pytest.raises(ConfigurationError, match=r"No module named .aioimages.*installed there"):
                async with cluster_of(world, workers).import_images(disks(world, 1)):
                    pass
        finally:
            await dask_client.run(find)
    async with cluster_of(world, workers).import_images(disks(world, 1)) as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True]


async def test_a_worker_without_a_desk(
    world: World, workers: LocalCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker that does not know of the run never gets the credentials: Dask would write them into its log."""
    monkeypatch.setattr("aioimages.distributed._crew._PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("aioimages.distributed._crew._open", lambda *_: anyio.lowlevel.checkpoint())
    async with talkative(workers, tmp_path):
        with pytest.raises((ConfigurationError, ConnectError)):
            async with cluster_of(world, workers).import_images(disks(world, 1)) as outcomes:
                (await anext(outcomes)).unwrap()
    logs = "".join(texts(tmp_path))
    assert "aioimages-" in logs
    person = world.site.producer
    assert [secret for secret in (person.password, person.api_key) if secret and secret in logs] == []


async def test_no_cluster(world: World) -> None:
    """Where there is no scheduler, the error says where it was looked for."""
    credentials = world.credentials(world.site.producer)
    with dask.config.set({"distributed.comm.timeouts.connect": "300ms"}):
        cluster = Cluster("tcp://127.0.0.1:9", credentials, region=world.site.region)
        with pytest.raises(ConnectError, match=re.escape("tcp://127.0.0.1:9")):
            async with cluster.import_images(disks(world, 1)):
                pass


@openstack
async def test_tls(world: World) -> None:
    """A cluster with TLS takes those who have its certificates; without them, the error says that they are missing."""
    async with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
        security=True,
        protocol="tls",
        asynchronous=True,
    ) as workers:
        assert workers.scheduler_address.startswith("tls://")
        async with cluster_of(world, workers).import_images(disks(world, 2)) as outcomes:
            assert [outcome.ok async for outcome in outcomes] == [True, True]
        stranger = Cluster(workers.scheduler_address, world.credentials(world.site.admin), region=world.site.region)
        with pytest.raises(ConnectError, match="TLS"):
            async with stranger.import_images(disks(world, 1)):
                pass


@openstack
async def test_what_cannot_be(world: World) -> None:
    """What cannot go to other processes, and what is wrong by itself, is refused at once."""
    credentials = world.credentials(world.site.producer)
    with pytest.raises(ValueError, match="trace_configs belongs to one process"):
        Cluster("tcp://127.0.0.1:9", credentials, trace_configs=[])
    with pytest.raises(TypeError, match="not int"):
        Cluster(5, credentials)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="regoin"):
        Cluster("tcp://127.0.0.1:9", credentials, regoin="DFW")
    cluster = Cluster("tcp://127.0.0.1:9", credentials)
    with pytest.raises(ValueError, match="begins at the root"):
        cluster.download_images([DownloadRequest("id", "here.raw")])
    with pytest.raises(TypeError, match="ImportRequest"):
        cluster.import_images([DownloadRequest("id", tempfile.gettempdir())])  # type: ignore[list-item]
