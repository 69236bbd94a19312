"""Operations as values: what each asks for, and what may be done when its answer is lost."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import UnsupportedOperationError
from aioimages._call import Call, NotLandedError, Replay, Reply, identifier, path
from aioimages._calls import images, members, schemas, tasks
from aioimages._calls.identity import keystone_token, rackspace_token, versions
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect

NEW = str(uuid.uuid4())


def body(call: Call[Any]) -> Any:
    """Return a call's body as a document."""
    assert isinstance(call.body, bytes)
    return json.loads(call.body)


@pytest.mark.parametrize(
    ("call", "method", "where", "ok", "replay"),
    [
        (images.get("i"), "GET", "images/i", {200}, Replay.SAFE),
        (images.delete("i"), "DELETE", "images/i", {204}, Replay.SAFE),
        (images.add_tag("i", "a b"), "PUT", "images/i/tags/a%20b", {204}, Replay.SAFE),
        (images.remove_tag("i", "ü"), "DELETE", "images/i/tags/%C3%BC", {204}, Replay.SAFE),
        (images.deactivate(OPENSTACK, "i"), "POST", "images/i/actions/deactivate", {204}, Replay.SAFE),
        (images.reactivate(OPENSTACK, "i"), "POST", "images/i/actions/reactivate", {204}, Replay.SAFE),
        (images.tasks(OPENSTACK, "i"), "GET", "images/i/tasks", {200}, Replay.SAFE),
        (members.list_page("i"), "GET", "images/i/members", {200}, Replay.SAFE),
        (members.get("i", "m"), "GET", "images/i/members/m", {200}, Replay.SAFE),
        (members.create("i", "m"), "POST", "images/i/members", {200, 201}, Replay.SAFE),
        (members.update("i", "m", "accepted"), "PUT", "images/i/members/m", {200}, Replay.SAFE),
        (members.delete("i", "m"), "DELETE", "images/i/members/m", {204}, Replay.SAFE),
        (tasks.get("t"), "GET", "tasks/t", {200}, Replay.SAFE),
        (tasks.create(RACKSPACE, "import", {}), "POST", "tasks", {201}, Replay.AMBIGUOUS),
        (schemas.get("image"), "GET", "schemas/image", {200}, Replay.SAFE),
        (rackspace_token({}, secrets=()), "POST", "tokens", {200, 203}, Replay.SAFE),
        (keystone_token({}, None, secrets=()), "POST", "auth/tokens", {200, 201}, Replay.SAFE),
        (versions(), "GET", "", {200, 300}, Replay.SAFE),
    ],
    ids=lambda value: value.path if isinstance(value, Call) else "",
)
def test_calls(call: Call[Any], method: str, where: str, ok: set[int], replay: Replay) -> None:
    """An operation's method, path, accepted statuses and safety are the API's."""
    assert (call.method, call.path, set(call.ok), call.replay) == (method, where, ok, replay)


@given(some.text(min_size=1, max_size=60))
def test_paths(text: str) -> None:
    """Whatever an id is, it is one segment of the path, or it is refused."""
    try:
        sent = path("images", identifier("image_id", text), "members")
    except ValueError:
        return
    assert sent.count("/") == 2
    assert sent.isascii()
    assert sent.split("/")[1] not in {".", "..", ""}


def test_bodies() -> None:
    """Bodies are the API's documents."""
    assert body(members.create("i", "m")) == {"member": "m"}
    assert body(members.update("i", "m", "rejected")) == {"status": "rejected"}
    assert body(tasks.create(RACKSPACE, "import", {"a": 1})) == {"type": "import", "input": {"a": 1}}
    assert body(rackspace_token({"token": {"id": "t"}}, secrets=())) == {"auth": {"token": {"id": "t"}}}
    assert body(keystone_token({"methods": []}, {"project": {}}, secrets=())) == {
        "auth": {"identity": {"methods": []}, "scope": {"project": {}}}
    }


def test_create() -> None:
    """An image is created under an id that is chosen here, so that a repetition meets what the first try made."""
    call = images.create(OPENSTACK, {"name": "web", "tags": None}, {"os_distro": "debian"}, new_id=NEW)
    document = body(call)
    assert {key: document[key] for key in ("name", "os_distro")} == {"name": "web", "os_distro": "debian"}
    assert "tags" not in document
    assert str(uuid.UUID(document["id"])) == document["id"]
    assert call.landed.keys() == {409}
    assert document["id"] == NEW


@pytest.mark.parametrize(
    ("attributes", "properties", "kind", "words"),
    [
        ({"name": 5}, None, TypeError, "name"),
        ({"name": "x" * 256}, None, ValueError, "255"),
        ({"min_ram": -1}, None, ValueError, "min_ram"),
        ({"tags": ["x" * 256]}, None, ValueError, "tag"),
        ({"tags": "abc"}, None, TypeError, "tags"),
        ({"tags": [5]}, None, TypeError, "tag"),
        ({"id": "a/b"}, None, ValueError, "id"),
        ({}, {"size": "5"}, ValueError, "size is an attribute"),
        ({}, {"p": 5}, TypeError, "property p"),
        ({}, {5: "p"}, TypeError, "name of a property"),
        ({}, {"x" * 256: "p"}, ValueError, "255"),
        ({}, {"os_glance_x": "p"}, ValueError, "to itself"),
    ],
)
def test_creations_that_cannot_be(
    attributes: dict[str, Any], properties: dict[Any, Any] | None, kind: type[Exception], words: str
) -> None:
    """What the service is known to refuse is refused here."""
    with pytest.raises(kind, match=words):
        images.create(OPENSTACK, attributes, properties, new_id=NEW)


@pytest.mark.parametrize(
    ("dialect", "changes", "remove", "existing", "expected"),
    [
        (
            OPENSTACK,
            {"name": "web", "os_distro": "debian"},
            ["old"],
            (),
            [
                {"op": "add", "path": "/name", "value": "web"},
                {"op": "add", "path": "/os_distro", "value": "debian"},
                {"op": "remove", "path": "/old"},
            ],
        ),
        (
            RACKSPACE,
            {"name": "web", "mine": "x", "yours": "y"},
            [],
            ("yours",),
            [
                {"op": "replace", "path": "/name", "value": "web"},
                {"op": "add", "path": "/mine", "value": "x"},
                {"op": "replace", "path": "/yours", "value": "y"},
            ],
        ),
        (OPENSTACK, {"a/b~c": "x"}, [], (), [{"op": "add", "path": "/a~1b~0c", "value": "x"}]),
        (OPENSTACK, {"tags": ("a", "b")}, [], (), [{"op": "add", "path": "/tags", "value": ["a", "b"]}]),
        (OPENSTACK, {"name": None}, [], (), [{"op": "add", "path": "/name", "value": None}]),
    ],
)
def test_patch_operations(
    dialect: Dialect, changes: dict[str, Any], remove: list[str], existing: tuple[str, ...], expected: list[Any]
) -> None:
    """Changes and removals are one JSON patch, in the dialect's way."""
    assert images.patch_operations(dialect, changes, remove, existing) == expected


def test_patch() -> None:
    """A patch that sets or removes may be sent again, one that appends to a list may not."""
    sets = images.patch("i", [{"op": "replace", "path": "/name", "value": "web"}])
    removes = images.patch("i", [{"op": "remove", "path": "/old"}])
    appends = images.patch("i", [{"op": "add", "path": "/locations/-", "value": {}}])
    assert appends.replay is Replay.AMBIGUOUS
    assert (sets.replay, removes.replay) == (Replay.SAFE, Replay.SAFE)
    assert sets.headers == {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    with pytest.raises(TypeError, match="mapping"):
        images.patch("i", ["remove"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("dialect", "tag", "fits"),
    [(OPENSTACK, "a", True), (OPENSTACK, "ü", False), (OPENSTACK, "a/b", False), (RACKSPACE, "ü", True)],
)
def test_tags_in_paths(dialect: Dialect, tag: str, *, fits: bool) -> None:
    """A tag that would come out wrong from a path does not go into one."""
    assert images.tag_fits_path(dialect, tag) is fits


def test_what_rackspace_lacks() -> None:
    """Operations that a dialect lacks are refused by name, with those that it has."""
    for make in (
        lambda: images.create(RACKSPACE, {}, None, new_id=NEW),
        lambda: images.deactivate(RACKSPACE, "i"),
        lambda: images.reactivate(RACKSPACE, "i"),
        lambda: images.tasks(RACKSPACE, "i"),
    ):
        with pytest.raises(UnsupportedOperationError, match="it has export tasks"):
            make()


def test_import_inputs() -> None:
    """An import's input is what the dialect's service wants."""
    assert tasks.import_input(RACKSPACE, "c/o.vhd", name="web", import_from_format=None, properties=None) == {
        "image_properties": {"name": "web"},
        "import_from": "c/o.vhd",
    }
    given_all = tasks.import_input(
        OPENSTACK, "https://x/y", name="web", import_from_format="qcow2", properties={"container_format": "ovf"}
    )
    assert given_all == {
        "import_from": "https://x/y",
        "import_from_format": "qcow2",
        "image_properties": {"container_format": "ovf", "name": "web"},
    }
    plain = tasks.import_input(OPENSTACK, "http://x/y", name="web", import_from_format=None, properties=None)
    assert (plain["import_from_format"], plain["image_properties"]["container_format"]) == ("raw", "bare")


def test_types_of_task_inputs() -> None:
    """Names and sources are str."""
    with pytest.raises(TypeError, match="import_from and name"):
        tasks.import_input(RACKSPACE, 5, name="web", import_from_format=None, properties=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="container"):
        tasks.export_input(RACKSPACE, "i", 5)  # type: ignore[arg-type]
    assert tasks.export_input(RACKSPACE, "i", "exports") == {
        "image_uuid": "i",
        "receiving_swift_container": "exports",
    }


def test_secrets_are_not_shown() -> None:
    """A call's `repr` shows neither its body nor its headers."""
    call = rackspace_token({"token": {"id": "secret-token"}}, session_id="secret-session", secrets=("secret-token",))
    assert "secret-token" not in repr(call)
    assert "secret-session" not in repr(call)


def test_unknown_schema() -> None:
    """There are six schemas."""
    with pytest.raises(ValueError, match="member, members"):
        schemas.get("store")


@pytest.mark.parametrize(
    ("tags", "asked", "is_landed"),
    [
        (None, ["a"], False),
        (None, [], True),
        (["b", "a"], ["a", "b", "a"], True),
        (["a"], ["b"], False),
        ("a,b", ["a", "b"], True),
        (["a"], [["a"]], False),
    ],
)
def test_tags_of_a_change_that_was_repeated(tags: Any, asked: list[Any], *, is_landed: bool) -> None:
    """Whether an earlier try was carried out is told from the image's tags in whatever form they come, or from none."""
    call = images.patch("i", [{"op": "add", "path": "/tags", "value": asked}])
    look = call.landed[409]
    assert isinstance(look, Call)
    reply = Reply(200, {}, json.dumps({"id": "i", "status": "active", "tags": tags}).encode(), "https://x/v2/images/i")
    if is_landed:
        assert look.read(reply).id == "i"
    else:
        with pytest.raises(NotLandedError):
            look.read(reply)
