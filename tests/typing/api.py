"""The public face as type checkers see it: mypy and pyright read this file, nobody runs it."""

import io
import ssl
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import aiohttp
import anyio
import distributed

import aioimages
from aioimages import (
    AioImagesError,
    Attempt,
    Client,
    ConcurrencyPolicy,
    Container,
    Credentials,
    DataStream,
    Download,
    DownloadRequest,
    ExportRequest,
    Image,
    ImportRequest,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    Listing,
    Location,
    Member,
    Operator,
    Outcome,
    PollPolicy,
    Progress,
    ProgressEvent,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    Report,
    RetryPolicy,
    Server,
    StaticToken,
    Store,
    StoredObject,
    Task,
    TaskFailedError,
    TaskFailureCode,
    TimeoutPolicy,
    Usage,
    VhdError,
    gte,
    in_,
    vhd,
    workflows,
)
from aioimages.distributed import Cluster
from aioimages.emulator import Account, Emulator, ObjectStore
from aioimages.progress import LoggingProgress, RichProgress, TqdmProgress


def signed_in(credentials: Credentials) -> Client:
    """Take any credentials."""
    return Client(credentials)


def saw(attempt: Attempt) -> None:
    """Take an attempt."""
    assert_type(attempt.method, str)
    assert_type(attempt.url, str)
    assert_type(attempt.number, int)
    assert_type(attempt.status, int | None)
    assert_type(attempt.error, AioImagesError | None)
    assert_type(attempt.delay_seconds, float | None)
    assert_type(attempt.request_id, str | None)
    assert_type(attempt.seconds, float)
    if attempt.error is not None:
        assert_type(attempt.error.attempts, int)


async def passcode() -> str:
    """Return a passcode."""
    return "246810"


CREDENTIALS = (
    RackspaceApiKey("user", "key"),
    RackspacePassword("user", "password", passcode="246810"),
    RackspacePassword("user", "password", passcode=passcode),
    RackspaceToken("token", "123456"),
    KeystonePassword("https://cloud.example:5000", "user", "password", project_name="project"),
    KeystoneApplicationCredential("https://cloud.example:5000", "id", "secret"),
    KeystoneToken("https://cloud.example:5000", "token", project_id="id"),
    StaticToken("token", "https://images.cloud.example/v2"),
)


async def clients(session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
    """Make clients, of every kind of credentials and with every option."""
    for credentials in CREDENTIALS:
        async with Client(credentials, region="DFW") as client:
            assert_type(client, Client)
    client = Client(
        CREDENTIALS[0],
        region=None,
        interface="internal",
        endpoint="https://images.cloud.example/v2",
        dialect="openstack",
        session=session,
        timeout=TimeoutPolicy(connect=5, read=None, call=30, crawl=10, lost_after=5),
        retry=RetryPolicy(attempts=3),
        poll=PollPolicy(first=1, ceiling=10, floor=0.5),
        concurrency=ConcurrencyPolicy(most=64, least=4, rate=20),
        ssl=context,
        proxy="http://proxy.example:3128",
        trust_env=True,
        trace_configs=[aiohttp.TraceConfig()],
        user_agent="imager/1",
        on_attempt=saw,
    )
    assert_type(await client.close(), None)
    assert_type(aioimages.connect("mycloud", region="DFW"), Client)


async def images(client: Client, moment: datetime) -> None:
    """Work with images."""
    listing = client.images.list(
        page_size=100,
        max_items=5,
        sort=["name:asc", "size"],
        tag="red",
        properties={"os_distro": "ubuntu"},
        status=in_("active", "queued"),
        created_at=gte(moment),
    )
    assert_type(listing, Listing[Image])
    assert_type(listing.pages(), AsyncGenerator[list[Image], None])
    assert_type(await listing.collect(), list[Image])
    assert_type(await listing.first(), Image | None)
    async for image in listing:
        assert_type(image, Image)
        assert_type(image.size, int | None)
        assert_type(image.created_at, datetime | None)
        assert_type(image.tags, tuple[str, ...])
        assert_type(image.properties.get("os_distro"), Any | None)
    image = await client.images.get("id")
    assert_type(image, Image)
    assert_type(await client.images.create(name="web", tags=["a"], properties={"a": "b"}), Image)
    assert_type(await client.images.update(image.id, {"name": "web", "tags": ["a"]}, remove=["old"]), Image)
    assert_type(await client.images.patch(image.id, [{"op": "add", "path": "/a", "value": "b"}]), Image)
    assert_type(await client.images.delete(image.id), None)
    assert_type(await client.images.add_tag(image.id, "red"), None)
    assert_type(await client.images.remove_tag(image.id, "red"), None)
    assert_type(await client.images.deactivate(image.id), None)
    assert_type(await client.images.reactivate(image.id), None)
    assert_type(await client.images.tasks(image.id), list[Task])
    assert_type(await client.images.wait(image.id, status="active", timeout=None), Image)
    assert_type(in_("a", "b"), Operator)


async def members(client: Client) -> None:
    """Share an image."""
    assert_type(client.members.list("id"), Listing[Member])
    assert_type(await client.members.create("id", "member"), Member)
    assert_type(await client.members.get("id", "member"), Member)
    assert_type(await client.members.update("id", "member", "accepted"), Member)
    assert_type(await client.members.delete("id", "member"), None)


async def upload(client: Client, path: Path, pieces: AsyncIterator[bytes]) -> None:
    """Give images data, from whatever they come."""
    for source in (b"data", path, "disk.raw", io.BytesIO(), pieces, lambda: pieces):
        assert_type(await client.images.upload("id", source, size_bytes=4, store="fast", decompress=True), Image)
    async with await anyio.open_file(path, "rb") as file:
        assert_type(await client.images.stage("id", file, progress=RichProgress()), Image)
    assert_type(await client.images.create(name="web", data=path, keep_failed=True), Image)
    assert_type(await client.images.import_from(path, name="web", disk_format="raw", timeout=None), Image)


async def download(client: Client, path: Path) -> None:
    """Fetch data, to wherever they go."""
    done = await client.images.download("id", path, resume=True, parts=4, prefer=["fast"], progress=LoggingProgress())
    assert_type(done, Download)
    assert_type(done.verified, bool)
    async with await anyio.open_file(path, "wb") as file:
        assert_type(await client.images.download("id", file, timeout=60), Download)
    assert_type(await client.images.download("id", path, verify="strict"), Download)
    async with client.images.download("id", verify=False) as stream:
        assert_type(stream, DataStream)
        async for piece in stream:
            assert_type(piece, bytes)
        assert_type(stream.result, Download | None)


async def imports(client: Client, progress: Progress) -> None:
    """Let the service import, and look at what it has."""
    assert_type(await client.images.start_import("id", "web-download", uri="https://x/y", stores=["fast"]), None)
    assert_type(await client.images.wait("id", timeout=60, progress=progress), Image)
    assert_type(await client.images.tasks("id"), list[Task])
    assert_type(await client.images.locations("id"), list[Location])
    assert_type(await client.images.add_location("id", "https://x/y"), None)
    assert_type(await client.stores.list(detail=True), list[Store])
    assert_type(await client.stores.delete("fast", "id"), None)
    assert_type(await client.info.import_methods(), tuple[str, ...])
    assert_type(await client.info.usage(), dict[str, Usage])
    assert_type(await client.info.versions(), tuple[str, ...])


async def cloud_files(client: Client, path: Path) -> None:
    """Store objects and fetch them."""
    assert_type(client.objects.list_containers(prefix="a"), Listing[Container])
    assert_type(await client.objects.get_container("disks"), Container)
    assert_type(await client.objects.create_container("disks"), None)
    assert_type(client.objects.list("disks", max_items=5), Listing[StoredObject])
    stored = await client.objects.upload("disks", "web.vhd", path, segment_bytes=2**20, delete_after=60, resume=True)
    assert_type(stored, StoredObject)
    assert_type(stored.size_bytes, int)
    assert_type(await client.objects.read("disks", "web.vhd", 0, 512), bytes)
    assert_type(await client.objects.download("disks", "web.vhd", path), Download)
    async with client.objects.download("disks", "web.vhd") as stream:
        assert_type(stream, DataStream)
    assert_type(await client.objects.copy("disks", "web.vhd", "disks", "copy"), None)
    assert_type(await client.objects.delete("disks", "web.vhd"), None)
    assert_type(client.servers.list(), Listing[Server])
    assert_type(await client.servers.create_image("id", name="web"), str)


async def jobs(client: Client, other: Client, path: Path) -> None:
    """Do whole jobs."""
    image = await workflows.import_disk(client, path, name="web", container="disks", properties={"a": "b"})
    assert_type(image, Image)
    assert_type(await workflows.export_disk(client, image.id, path, container="disks"), Download)
    assert_type(await workflows.copy_image(image.id, source=client, target=other, container="disks"), Image)
    ensured = await workflows.ensure_image(client, path, name="web", disk_format="raw", tags=["a"])
    assert_type(ensured, workflows.Ensured)
    assert_type(ensured.action, workflows.Action)
    assert_type(await workflows.share(client, image.id, ["member"], accept_with=other), list[Member])
    assert_type(await workflows.capture_server(client, "id", name="web", timeout=None), Image)
    assert_type(client.dialect, str)


class Lines:
    """A progress of one's own."""

    def update(self, event: ProgressEvent) -> None:
        """Take an event."""
        assert_type(event.done, int)
        assert_type(event.total, int | None)


async def tasks(client: Client) -> None:
    """Import, export and wait."""
    assert_type(client.tasks.list(type="import", status="pending", sort="created_at:desc"), Listing[Task])
    task = await client.tasks.import_image("exports/web.vhd", name="web")
    assert_type(task, Task)
    assert_type(task.image_id, str | Any)
    assert_type(await client.images.get(task.image_id), Image)
    assert_type(task.is_final, bool)
    assert_type(await client.tasks.get(task.id), Task)
    assert_type(await client.tasks.create("import", {"import_from": "x"}), Task)
    assert_type(await client.tasks.export_image("id", container="exports"), Task)
    assert_type(await client.tasks.wait(task.id, timeout=3600), Task)
    outcomes = await client.tasks.wait_all([task.id], timeout=60.0, progress=Lines())
    assert_type(outcomes, list[Outcome[str, Task]])
    async with client.tasks.as_completed([task.id]) as completed:
        async for outcome in completed:
            assert_type(outcome, Outcome[str, Task])
            assert_type(outcome.key, str)
            assert_type(outcome.value, Task | None)
            assert_type(outcome.error, Exception | None)
            assert_type(outcome.ok, bool)
            assert_type(outcome.unwrap(), Task)


async def bulk(client: Client, ids: AsyncIterator[str]) -> None:
    """Do many at once."""
    mapped = client.bulk.map(client.images.get, ["a", "b"], concurrency=8, progress=TqdmProgress())
    as_it_was: AbstractAsyncContextManager[AsyncIterator[Outcome[str, Image]]] = mapped
    async with as_it_was as images, mapped as outcomes:
        assert_type(await anext(images), Outcome[str, Image])
        assert_type(await anext(outcomes), Outcome[str, Image])
    async with client.bulk.map(client.images.delete, ids, journal="run.db") as deletions:
        assert_type(deletions.report, Report)
        assert_type(deletions.report.total, int | None)
        assert_type(deletions.report.failures, Mapping[str, int])
        assert_type(str(deletions.report), str)
        async for deletion in deletions:
            assert_type(deletion, Outcome[str, None])
    requests = [ImportRequest("exports/web.vhd", "web"), ImportRequest("x/y.vhd", "y", properties={"a": "b"})]
    named = client.bulk.import_images(requests, journal=Path("run.db"), unique_names=True, lost_after=60)
    async with named as imports:
        assert_type(await anext(imports), Outcome[ImportRequest, Task])
    async with client.bulk.import_images(requests, timeout=None) as imports:
        async for imported in imports:
            assert_type(imported, Outcome[ImportRequest, Task])
            if isinstance(imported.error, TaskFailedError):
                assert_type(imported.error.code, TaskFailureCode | None)
                assert_type(imported.error.reason, str | None)
    async with client.bulk.export_images([ExportRequest("id", "exports")]) as exports:
        async for exported in exports:
            assert_type(exported, Outcome[ExportRequest, Task])
    fetched = client.bulk.download_images([DownloadRequest("id", "web.qcow2")], concurrency=4, journal="run.db")
    async with fetched as downloads:
        async for downloaded in downloads:
            assert_type(downloaded, Outcome[DownloadRequest, Download])


async def cluster(scheduler: distributed.Client | distributed.LocalCluster, path: Path) -> None:
    """Do many on many machines."""
    assert_type(Cluster(scheduler, CREDENTIALS[0]), Cluster)
    there = Cluster(
        "tls://scheduler:8786",
        CREDENTIALS[0],
        security=distributed.Security(require_encryption=True),
        region="DFW",
        concurrency=ConcurrencyPolicy(most=128, rate=50),
    )
    disks = [ImportRequest("exports/web.vhd", "web")]
    importing = there.import_images(disks, timeout=None, journal=path, lost_after=60, progress=Lines())
    async with importing as imports:
        assert_type(imports.report, Report)
        async for imported in imports:
            assert_type(imported, Outcome[ImportRequest, Task])
    async with there.export_images([ExportRequest("id", "exports")], journal="run.db") as exports:
        assert_type(await anext(exports), Outcome[ExportRequest, Task])
    async with there.download_images([DownloadRequest("id", path)], concurrency=4, journal="run.db") as downloads:
        assert_type(await anext(downloads), Outcome[DownloadRequest, Download])


async def schemas(client: Client) -> None:
    """Look at the schemas."""
    assert_type(await client.schemas.get("image"), dict[str, Any])
    assert_type(await client.schemas.image(), dict[str, Any])


def disks(path: Path, first: bytes, last: bytes) -> None:
    """Check disks before they are sent."""
    assert_type(vhd.parse(first, last, 2**30), vhd.Vhd)
    disk = vhd.read("web.vhd")
    assert_type(vhd.read(path), vhd.Vhd)
    assert_type(disk.disk_type, vhd.DiskType | int)
    assert_type(disk.virtual_size_bytes, int)
    assert_type(disk.file_size_bytes, int)
    assert_type(disk.unique_id, uuid.UUID)
    assert_type(disk.created_at, datetime | None)
    assert_type(disk.parent_name, str | None)
    assert_type(disk.damage, str | None)
    try:
        vhd.check(disk, limit_bytes=vhd.DEFAULT_LIMIT_BYTES)
    except VhdError as error:
        assert_type(error.code, TaskFailureCode)


async def emulator() -> None:
    """Run the embedded cloud."""
    store = ObjectStore("http://localhost/v1/AUTH_x", "token")
    async with Emulator(task_seconds=(0.1, 0.2), object_store=store, object_limit_bytes=2**20) as cloud:
        assert_type(cloud.producer, Account)
        assert_type(cloud.rackspace_auth_url, str)
        assert_type(cloud.add_image(cloud.producer, name="web"), str)
        assert_type(cloud.objects(cloud.producer, "exports", region="ORD"), list[str])
        assert_type(cloud.add_server(cloud.producer, region="ORD", name="web", disk=b""), str)
        cloud.script_capture(status="deleted", seconds=5.0, count=2)
        cloud.faults.status(503, path="/images", times=2)
