"""Bad input: a clear error that names what was wrong, and nothing on the wire."""

import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from clouds import World

from aioimages import (
    Client,
    PollPolicy,
    RackspaceApiKey,
    RetryPolicy,
    StaticToken,
    TimeoutPolicy,
    UnsupportedOperationError,
    in_,
)

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")

BAD_IDS = ["", "  ", "a/b", "..", ".", "../../x", "a\nb", "a\x00b", "a\\b", "x" * 256, "\ud800"]
WITH_IDS: dict[str, Callable[[Client, Any], Awaitable[object]]] = {
    "images.get": lambda client, bad: client.images.get(bad),
    "images.delete": lambda client, bad: client.images.delete(bad),
    "images.update": lambda client, bad: client.images.update(bad, {"name": "web"}),
    "images.patch": lambda client, bad: client.images.patch(bad, [{"op": "add", "path": "/a", "value": "b"}]),
    "images.add_tag": lambda client, bad: client.images.add_tag(bad, "tag"),
    "images.remove_tag": lambda client, bad: client.images.remove_tag(bad, "tag"),
    "images.wait": lambda client, bad: client.images.wait(bad, timeout=1),
    "members.get": lambda client, bad: client.members.get("image", bad),
    "members.create": lambda client, bad: client.members.create("image", bad),
    "members.create in": lambda client, bad: client.members.create(bad, "member"),
    "members.update": lambda client, bad: client.members.update("image", bad, "accepted"),
    "members.delete": lambda client, bad: client.members.delete("image", bad),
    "members.delete in": lambda client, bad: client.members.delete(bad, "member"),
    "tasks.get": lambda client, bad: client.tasks.get(bad),
    "tasks.wait": lambda client, bad: client.tasks.wait(bad, timeout=1),
    "tasks.wait_all": lambda client, bad: client.tasks.wait_all(["good", bad]),
}


@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
@pytest.mark.parametrize("method", WITH_IDS)
async def test_bad_ids(world: World, method: str, bad: str) -> None:
    """An id that cannot stand in a path is refused, by name."""
    world.watch.clear()
    with pytest.raises(ValueError, match=r"(image|member|task)_id (is|has|contains)"):
        await WITH_IDS[method](world.producer, bad)
    assert world.watch.requests == []


@pytest.mark.parametrize("method", WITH_IDS)
@pytest.mark.parametrize("bad", [None, 5, b"id"], ids=repr)
async def test_ids_of_another_type(world: World, method: str, bad: object) -> None:
    """An id that is no str is a `TypeError`."""
    world.watch.clear()
    with pytest.raises(TypeError, match="is a str, not"):
        await WITH_IDS[method](world.producer, bad)
    assert world.watch.requests == []


LISTINGS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"colour": "red"}, TypeError, "colour"),
    ({"page_size": 0}, ValueError, "page_size"),
    ({"page_size": True}, TypeError, "page_size"),
    ({"page_size": "10"}, TypeError, "page_size"),
    ({"max_items": -1}, ValueError, "max_items"),
    ({"sort": "colour"}, ValueError, "colour"),
    ({"sort": "name:up"}, ValueError, "name:up"),
    ({"sort": ""}, ValueError, "sort"),
    ({"tag": 5}, TypeError, "tag"),
    ({"tag": ""}, ValueError, "tag"),
    ({"size_min": -1}, ValueError, "size_min"),
    ({"size_min": "5"}, TypeError, "size_min"),
    ({"name": 5}, TypeError, "name"),
    ({"size_max": in_("1", "2")}, ValueError, "size_max"),
]


@pytest.mark.parametrize(("options", "kind", "words"), LISTINGS, ids=lambda value: str(value)[:40])
async def test_bad_listings(world: World, options: dict[str, Any], kind: type[Exception], words: str) -> None:
    """A listing checks its arguments when it is made, not when it is read."""
    world.watch.clear()
    with pytest.raises(kind, match=words):
        world.producer.images.list(**options)
    assert world.watch.requests == []


@rackspace
@pytest.mark.parametrize(
    "options",
    [
        {"protected": True},
        {"hidden": True},
        {"name": in_("a", "b")},
        {"created_at": datetime.fromisoformat("2026-01-01T00:00:00Z")},
        {"properties": {"os_distro": "ubuntu"}},
        {"sort": ["name", "size"]},
    ],
    ids=str,
)
async def test_listings_that_rackspace_lacks(world: World, options: dict[str, Any]) -> None:
    """What Rackspace cannot filter or sort by is refused, for it would be looked over in silence."""
    with pytest.raises(ValueError, match="Rackspace Cloud Images"):
        world.producer.images.list(**options)


@openstack
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"created_at": datetime.fromisoformat("2026-01-01T00:00:00")}, ValueError, "time zone"),
        ({"created_at": "2026"}, TypeError, "datetime"),
        ({"protected": "yes"}, TypeError, "protected"),
        ({"properties": {"name": "x"}}, ValueError, "name"),
        ({"properties": {"limit": "5"}}, ValueError, "limit"),
        ({"properties": {"os_distro": 5}}, TypeError, "os_distro"),
        ({"created_at": in_("a")}, ValueError, "created_at"),
    ],
    ids=str,
)
async def test_bad_openstack_listings(world: World, options: dict[str, Any], kind: type[Exception], words: str) -> None:
    """Values that a filter cannot have are refused, by the filter's name."""
    with pytest.raises(kind, match=words):
        world.producer.images.list(**options)


CHANGES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, ValueError, "nothing to change"),
    ({"id": "x"}, ValueError, "id"),
    ({"status": "active"}, ValueError, "status"),
    ({"size": 5}, ValueError, "size"),
    ({"name": 5}, TypeError, "name"),
    ({"name": "x" * 256}, ValueError, "255"),
    ({"tags": "red"}, TypeError, "tags"),
    ({"tags": ["x" * 256]}, ValueError, "tag"),
    ({"protected": "yes"}, TypeError, "protected"),
    ({"min_disk": -1}, ValueError, "min_disk"),
    ({"min_disk": True}, TypeError, "min_disk"),
    ({"os_version": 22}, TypeError, "os_version"),
    ({"": "x"}, ValueError, "empty"),
    ({" colour": "x"}, ValueError, "blank"),
]


@pytest.mark.parametrize(("changes", "kind", "words"), CHANGES, ids=lambda value: str(value)[:40])
async def test_bad_changes(world: World, changes: dict[str, Any], kind: type[Exception], words: str) -> None:
    """A change that the service is known to refuse is refused here, by the name of what was wrong."""
    world.watch.clear()
    with pytest.raises(kind, match=words):
        await world.producer.images.update("some-image", changes)
    assert world.watch.requests == []


@pytest.mark.parametrize(
    ("remove", "kind", "words"),
    [("colour", TypeError, "remove"), (["name"], ValueError, "name"), (["colour"], ValueError, "both")],
)
async def test_bad_removals(world: World, remove: Any, kind: type[Exception], words: str) -> None:
    """Attributes cannot be removed, nor can what is also set."""
    world.watch.clear()
    with pytest.raises(kind, match=words):
        await world.producer.images.update("some-image", {"colour": "red"}, remove=remove)
    assert world.watch.requests == []


@pytest.mark.parametrize("name", ["com.rackspace__1__x", "os_glance_x"])
async def test_reserved_properties(world: World, name: str) -> None:
    """Properties that the service keeps to itself are refused."""
    if name.startswith("com") is not (world.dialect == "rackspace"):
        name = "com.rackspace__1__x" if world.dialect == "rackspace" else "os_glance_x"
    with pytest.raises(ValueError, match="to itself"):
        await world.producer.images.update("some-image", {name: "x"})


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ([], "nothing to change"),
        ([{"op": "move", "path": "/a", "from": "/b"}], "'op' is"),
        ([{"op": "add", "path": "a", "value": "b"}], "JSON pointer"),
        ([{"op": "add", "path": "/", "value": "b"}], "JSON pointer"),
        ([{"op": "add", "path": "/a"}], "no 'value'"),
        ([{"op": "add", "path": "/a", "value": "b", "colour": "red"}], "colour"),
    ],
    ids=str,
)
async def test_bad_patches(world: World, operations: list[dict[str, Any]], words: str) -> None:
    """A JSON patch that is none is refused."""
    world.watch.clear()
    with pytest.raises(ValueError, match=words):
        await world.producer.images.patch("some-image", operations)
    assert world.watch.requests == []


@pytest.mark.parametrize("tag", ["", " ", "x" * 256])
async def test_bad_tags(world: World, tag: str) -> None:
    """A tag has 1 to 255 characters."""
    world.watch.clear()
    for change in (world.producer.images.add_tag, world.producer.images.remove_tag):
        with pytest.raises(ValueError, match="1 to 255 characters"):
            await change("some-image", tag)
    assert world.watch.requests == []


@rackspace
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"import_from": "no-slash", "name": "web"}, "container/object"),
        ({"import_from": "https://disks.example/web.vhd", "name": "web"}, "container/object"),
        ({"import_from": "disks/web.vhd", "name": ""}, "name is empty"),
        ({"import_from": "disks/web.vhd", "name": "web", "properties": {"os_distro": "x"}}, "only name"),
        ({"import_from": "disks/web.vhd", "name": "web", "import_from_format": "raw"}, "VHD only"),
    ],
    ids=str,
)
async def test_bad_imports_at_rackspace(world: World, arguments: dict[str, Any], words: str) -> None:
    """Rackspace's own rules are checked before anything is asked for."""
    world.watch.clear()
    with pytest.raises(ValueError, match=words):
        await world.producer.tasks.import_image(**arguments)
    assert world.watch.requests == []


@openstack
@pytest.mark.parametrize("source", ["disks/web.vhd", "file:///etc/passwd", "http:///x", ""])
async def test_bad_imports_at_openstack(world: World, source: str) -> None:
    """Glance imports from http and https only."""
    with pytest.raises(ValueError, match="http or https URL"):
        await world.admin.tasks.import_image(source, name="web")


@rackspace
@pytest.mark.parametrize("container", ["", "a/b", "a?b", "a.b", "x" * 257])
async def test_bad_containers(world: World, container: str) -> None:
    """A container that Cloud Files or the export refuses is refused here."""
    world.watch.clear()
    with pytest.raises(ValueError, match="container"):
        await world.producer.tasks.export_image("some-image", container=container)
    assert world.watch.requests == []


@openstack
async def test_export_at_openstack(world: World) -> None:
    """An operation that the cloud lacks is refused, and the message says what it has."""
    with pytest.raises(UnsupportedOperationError, match="creating images"):
        await world.producer.tasks.export_image("some-image", container="exports")
    with pytest.raises(UnsupportedOperationError, match="export"):
        await world.producer.tasks.create("export", {})


async def test_bad_status_to_wait_for(world: World) -> None:
    """An image can be waited for to come to a status that there is."""
    world.watch.clear()
    with pytest.raises(ValueError, match=r"status is one of active, .* not 'delted'"):
        await world.producer.images.wait("some-image", status="delted")
    assert world.watch.requests == []


async def test_bad_tasks(world: World) -> None:
    """Statuses, types and inputs of tasks are checked."""
    with pytest.raises(ValueError, match="pending, processing"):
        world.producer.tasks.list(status="done")
    with pytest.raises(TypeError, match="mapping"):
        await world.producer.tasks.create("import", "disks/web.vhd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="type is empty"):
        await world.producer.tasks.create("", {})
    with pytest.raises(TypeError, match="JSON"):
        await world.producer.tasks.create("import", {"import_from": object()})


OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"region": ""}, ValueError, "region"),
    ({"region": 5}, ValueError, "region"),
    ({"interface": "publicURL"}, ValueError, "interface"),
    ({"endpoint": "cloud.example"}, ValueError, "endpoint"),
    ({"endpoint": "https://user@cloud.example"}, ValueError, "endpoint"),
    ({"endpoint": "https://cloud.example/\n"}, ValueError, "endpoint"),
    ({"endpoint": "https://cloud.example:x"}, ValueError, "endpoint"),
    ({"endpoint": 5}, TypeError, "endpoint"),
    ({"dialect": "amazon"}, ValueError, "amazon"),
    ({"concurrency": 0}, ValueError, "concurrency"),
    ({"concurrency": True}, TypeError, "concurrency"),
    ({"concurrency": None}, TypeError, "concurrency"),
    ({"timeout": 30}, TypeError, r"timeout is a TimeoutPolicy\(…\), not int"),
    ({"retry": 3}, TypeError, "retry is a RetryPolicy"),
    ({"poll": PollPolicy}, TypeError, "not the class PollPolicy"),
    ({"proxy": "nonsense"}, ValueError, "proxy is an http"),
    ({"proxy": "user:secret@nonsense"}, ValueError, "proxy is .* not one that may hold a password"),
    ({"proxy": 5}, TypeError, "proxy"),
    ({"user_agent": "a\r\nb"}, ValueError, "user_agent"),
    ({"user_agent": "ü"}, ValueError, "user_agent"),
    ({"ssl": True}, TypeError, "SSLContext"),
    ({"insecure": "yes"}, TypeError, "insecure"),
    ({"insecure": True, "cacert": "ca.pem"}, ValueError, "cacert"),
    ({"key": "key.pem"}, ValueError, "cert"),
    ({"ssl": ssl.create_default_context(), "cacert": "ca.pem"}, ValueError, "says it all"),
]


@pytest.mark.parametrize(("options", "kind", "words"), OPTIONS, ids=lambda value: str(value)[:20])
def test_bad_options(options: dict[str, Any], kind: type[Exception], words: str) -> None:
    """Options that cannot work are refused when the client is made."""
    with pytest.raises(kind, match=words):
        Client(StaticToken("token", "https://cloud.example/v2"), **options)


def test_what_is_no_credentials() -> None:
    """A user name is no credentials."""
    with pytest.raises(TypeError, match="RackspaceApiKey"):
        Client("user")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not the class RackspaceApiKey"):
        Client(RackspaceApiKey)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: TimeoutPolicy(call=-1), ValueError, "call"),
        (lambda: TimeoutPolicy(connect="5"), TypeError, "connect"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(attempts=0), ValueError, "attempts"),
        (lambda: RetryPolicy(attempts=True), TypeError, "attempts"),
        (lambda: PollPolicy(first=0), ValueError, "first"),
        (lambda: PollPolicy(growth=0.5), ValueError, "growth"),
        (lambda: PollPolicy(jitter=1), ValueError, "jitter"),
        (lambda: PollPolicy(timeout=-1), ValueError, "timeout"),
        (lambda: PollPolicy(ceiling=float("nan")), ValueError, "ceiling"),
    ],
)
def test_bad_policies(make: Callable[[], object], kind: type[Exception], words: str) -> None:
    """Numbers that make no sense are refused, by name."""
    with pytest.raises(kind, match=words):
        make()
