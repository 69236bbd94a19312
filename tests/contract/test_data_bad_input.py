"""Bad input to what moves image data: a clear error that names what was wrong, and nothing on the wire."""

import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from clouds import World

from aioimages import Client, ConfigurationError, UnsupportedOperationError

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")

Ask = Callable[[Client, Any], Awaitable[object]]
CALLS: dict[str, Ask] = {
    "upload": lambda client, image_id: client.images.upload(image_id, b"data"),
    "stage": lambda client, image_id: client.images.stage(image_id, b"data"),
    "download": lambda client, image_id: client.images.download(image_id, io.BytesIO()),
    "start_import": lambda client, image_id: client.images.start_import(image_id),
    "locations": lambda client, image_id: client.images.locations(image_id),
    "add_location": lambda client, image_id: client.images.add_location(image_id, "http://x/y"),
    "stores.delete": lambda client, image_id: client.stores.delete("fast", image_id),
}


async def pieces() -> AsyncIterator[Any]:
    """Give what are no bytes."""
    yield "text"


@openstack
@pytest.mark.parametrize("bad", ["", "a/b", "..", "../../x", "a\nb"], ids=ascii)
@pytest.mark.parametrize("name", CALLS)
async def test_bad_ids(world: World, name: str, bad: str) -> None:
    """An id that cannot stand in a path is refused, by name."""
    with pytest.raises(ValueError, match=r"image_id (is|contains)"):
        await CALLS[name](world.producer, bad)
    assert world.watch.requests == []


@rackspace
@pytest.mark.parametrize("name", [*CALLS, "stores.list", "info.usage", "info.import_methods"])
async def test_what_rackspace_lacks(world: World, name: str) -> None:
    """What Rackspace does not have is refused, and the error tells what it has."""
    more: dict[str, Ask] = {
        "stores.list": lambda client, _: client.stores.list(),
        "info.usage": lambda client, _: client.info.usage(),
        "info.import_methods": lambda client, _: client.info.import_methods(),
    }
    with pytest.raises(UnsupportedOperationError, match="it has export tasks"):
        await {**CALLS, **more}[name](world.producer, "image")
    assert world.watch.requests == []


IMPORTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"method": "carrier-pigeon"}, ValueError, "method is one of glance-direct, web-download"),
    ({"method": "web-download"}, ValueError, "web-download needs uri"),
    ({"method": "web-download", "uri": "ftp://x/y"}, ValueError, "uri is an http or https URL"),
    ({"method": "web-download", "uri": 5}, TypeError, "uri is a str, not int"),
    ({"method": "glance-direct", "uri": "http://x/y"}, ValueError, "glance-direct does not take uri"),
    ({"method": "glance-download", "glance_region": "x"}, ValueError, "glance-download needs glance_image_id"),
    ({"stores": "fast"}, TypeError, "stores are several names, not one str"),
    ({"stores": ["fast,cheap"]}, ValueError, "no comma, unlike 'fast,cheap'"),
    ({"stores": ["fast"], "all_stores": True}, ValueError, "give stores, or all_stores, not both"),
    ({"all_stores": "yes"}, TypeError, "all_stores is a bool, not str"),
    ({"all_stores_must_succeed": 1}, TypeError, "all_stores_must_succeed is a bool, not int"),
]


@openstack
@pytest.mark.parametrize(("arguments", "kind", "words"), IMPORTS)
async def test_imports(world: World, arguments: dict[str, Any], kind: type[Exception], words: str) -> None:
    """What an import cannot be begun with is refused."""
    with pytest.raises(kind, match=words):
        await world.producer.images.start_import("image", **arguments)
    assert world.watch.requests == []


SOURCES: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (b"", {}, ValueError, "the source is empty"),
    (io.BytesIO(), {}, ValueError, "the source is empty"),
    (b"data", {"size_bytes": 5}, ValueError, "the source has 4 bytes, not 5"),
    (b"data", {"size_bytes": 0}, ValueError, "size_bytes is at least 1"),
    (b"data", {"size_bytes": "4"}, TypeError, "size_bytes is an int"),
    (5, {}, TypeError, "a source is bytes, a path, a file, an async iterable or a function .* not int"),
    (["data"], {}, TypeError, "not list"),
    ("/no/such/file", {}, FileNotFoundError, "/no/such/file"),
    ("/", {}, IsADirectoryError, "/"),
    (b"data", {"store": "a\nb"}, ValueError, "store contains a control character"),
]


@openstack
@pytest.mark.parametrize(("source", "options", "kind", "words"), SOURCES)
async def test_sources(world: World, source: Any, options: dict[str, Any], kind: type[Exception], words: str) -> None:
    """What cannot be uploaded is refused."""
    image = await world.producer.images.create(name="new", disk_format="raw", container_format="bare")
    world.watch.clear()
    with pytest.raises(kind, match=words):
        await world.producer.images.upload(image.id, source, **options)
    assert world.watch.to("/file") == []


@openstack
@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        (pieces, TypeError, "the async iterable gives bytes, not str"),
        (lambda: b"data", TypeError, "the source's function returns an async iterable of bytes, not bytes"),
        (io.StringIO("text"), TypeError, "the file gives bytes, not str"),
    ],
)
async def test_sources_that_give_no_bytes(world: World, source: Any, kind: type[Exception], words: str) -> None:
    """A source that turns out to give no bytes is an error, and the image still waits for its data."""
    image = await world.producer.images.create(name="new", disk_format="raw", container_format="bare")
    with pytest.raises(kind, match=words):
        await world.producer.images.upload(image.id, source)
    assert (await world.producer.images.wait(image.id, status="queued", timeout=10)).size is None


@openstack
async def test_destinations(world: World, tmp_path: Path) -> None:
    """What data cannot be written to is refused."""
    download: Any = world.producer.images.download
    with pytest.raises(TypeError, match="destination is a path or a file, not int"):
        await download("image", 5)
    with pytest.raises(ValueError, match="resume needs a path"):
        await download("image", io.BytesIO(), resume=True)
    with pytest.raises(ValueError, match="verify is True, False or 'strict', not 'no'"):
        await download("image", tmp_path / "disk.raw", verify="no")
    with pytest.raises(ValueError, match="parts is at least 1"):
        await download("image", tmp_path / "disk.raw", parts=0)
    with pytest.raises(ValueError, match="timeout cannot be negative"):
        await download("image", tmp_path / "disk.raw", timeout=-1)
    with pytest.raises(ValueError, match="no comma"):
        await download("image", tmp_path / "disk.raw", prefer=["fast,cheap"])
    assert world.watch.requests == []


@openstack
async def test_locations(world: World) -> None:
    """A location that is none, or half a digest, is refused."""
    for url in ("disk.raw", 5):
        with pytest.raises(ValueError, match="url is where a store finds the data"):
            await world.producer.images.add_location("image", url)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="hash_algo and hash_value go together"):
        await world.producer.images.add_location("image", "http://x/y", hash_algo="sha512")
    assert world.watch.requests == []


@openstack
async def test_imports_in_one_call(world: World) -> None:
    """Without a format an image cannot be made, nor by a way that the cloud lacks."""
    with pytest.raises(ValueError, match="disk_format is needed"):
        await world.producer.images.import_from(b"data", name="web")
    assert world.watch.requests == []


@openstack
@pytest.mark.clouds("emulator")
async def test_cloud_that_does_not_fetch(world: World) -> None:
    """A cloud that does not fetch from URLs is told from one that does, before an image is made."""
    world.emulator.faults.body(
        b'{"import-methods": {"value": ["glance-direct"]}}', content_type="application/json", path="info/import"
    )
    with pytest.raises(UnsupportedOperationError, match="no web-download; it has glance-direct"):
        await world.producer.images.import_from("http://127.0.0.1/disk.raw", name="web", disk_format="raw")
    assert [request.method for request in world.watch.to("/images")] == []


@rackspace
async def test_imports_from_cloud_files(world: World) -> None:
    """On Rackspace an object of Cloud Files is imported, and what no import there takes is refused."""
    image = await world.producer.images.import_from(world.import_source(), name="web", timeout=30)
    assert (image.name, image.status) == ("web", "active")
    world.watch.clear()
    with pytest.raises(ValueError, match=r"imports 'container/object\.vhd', without tags"):
        await world.producer.images.import_from("disks/web.vhd", name="web", tags=["new"])
    with pytest.raises(ValueError, match=r"imports 'container/object\.vhd', without data"):
        await world.producer.images.import_from(b"data", name="web")
    assert world.watch.requests == []


@openstack
async def test_zstd_without_its_library(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that cannot unpack zstd says what to install."""
    library = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    monkeypatch.setitem(sys.modules, library, None)
    image = await world.producer.images.create(name="new", disk_format="raw", container_format="bare")
    with pytest.raises(ConfigurationError, match=r"pip install 'aioimages\[zstd\]'"):
        await world.producer.images.upload(image.id, b"\x28\xb5\x2f\xfd....", decompress=True)
