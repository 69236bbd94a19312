"""What is fuzzed: bytes go in, and an answer that was understood, a verdict or an error of ours must come out."""

import re
import struct
from contextlib import suppress
from typing import Any, Final

from yarl import URL

from aioimages import AioImagesError, VhdError, vhd
from aioimages._auth.catalog import find_endpoint, has_version, refuse_plain_http, without_version
from aioimages._call import Body, Call, NotLandedError, Reply
from aioimages._calls import data, identity, images, members, objects, place, schemas, servers, stores, tasks
from aioimages._dialect import OPENSTACK, RACKSPACE
from aioimages._fault import error_from
from aioimages._models import Page, Token

__all__ = ["CALLS", "ENTRIES", "LONGEST_LINE", "answer", "codec", "disk", "disk_input"]

LONGEST_LINE: Final = 500
_REFUSALS: Final = (400, 401, 403, 404, 409, 413, 418, 429, 500, 503, 599, 201, 302, 307)
# Below it an input's second byte asks for an accepted status, from it on for a refusal.
_REFUSED_FROM: Final = 192


async def _no_data() -> Any:
    yield b""


_BODY: Final = Body(_no_data, 0)


def _landed(call: Call[Any]) -> list[Call[Any]]:
    return [told_by for told_by in call.landed.values() if isinstance(told_by, Call)]


_start_import = data.start_import(
    OPENSTACK,
    "i",
    "web-download",
    {"uri": "http://x/y"},
    stores=None,
    all_stores=None,
    all_stores_must_succeed=None,
)
_patch = images.patch(
    "i",
    [
        {"op": "remove", "path": "/p"},
        {"op": "add", "path": "/tags", "value": ["a"]},
        {"op": "add", "path": "/r", "value": "s"},
    ],
)
_create = images.create(OPENSTACK, {"id": "i", "name": "web", "tags": ["a", "b"]}, {"p": "q"}, new_id="n")

# At least one of each function that returns a call, and the calls that look what became of one. The first byte of an
# input counts in it, so what is new belongs at its end: what was found before stays what it was.
CALLS: Final[tuple[Call[Any], ...]] = (
    images.list_page(OPENSTACK, {}),
    images.get("i"),
    _create,
    *_landed(_create),
    _patch,
    images.delete("i"),
    images.add_tag("i", "t"),
    images.remove_tag("i", "t"),
    images.deactivate(OPENSTACK, "i"),
    images.reactivate(OPENSTACK, "i"),
    images.tasks(OPENSTACK, "i"),
    members.list_page("i"),
    members.get("i", "m"),
    members.create("i", "m"),
    members.update("i", "m", "accepted"),
    members.delete("i", "m"),
    tasks.list_page(RACKSPACE),
    tasks.states_page(RACKSPACE, type=None, status="pending"),
    tasks.get("t"),
    tasks.create(RACKSPACE, "import", {"import_from": "http://user:secret@x/y"}),
    schemas.get("image"),
    identity.rackspace_token({}, secrets=()),
    identity.keystone_token({}, None, secrets=()),
    identity.versions(),
    place.place(),
    stores.import_methods(OPENSTACK),
    stores.list_all(OPENSTACK, detail=True),
    stores.usage(OPENSTACK),
    stores.delete(OPENSTACK, "fast", "i"),
    stores.locations(OPENSTACK, "i"),
    stores.add_location(OPENSTACK, "i", "http://x/y", hash_algo=None, hash_value=None),
    data.upload(OPENSTACK, "i", _BODY, None),
    data.stage(OPENSTACK, "i", _BODY),
    data.download(OPENSTACK, "i"),
    _start_import,
    *_landed(_start_import),
    servers.list_page(),
    servers.create_image("s", "web", None),
    objects.list_containers(None),
    objects.create_container("c"),
    objects.get_container("c"),
    objects.delete_container("c"),
    objects.list_objects("c", None),
    objects.get("c", "o"),
    objects.part("c", "o", 0, None),
    objects.read("c", "o", 0, 1),
    objects.put("c", "o", _BODY, delete_after=None, content_type=None, metadata=None),
    objects.put_manifest("c", "o", [], delete_after=None, content_type=None, metadata=None),
    objects.manifest("c", "o"),
    objects.delete("c", "o", with_segments=True),
    objects.copy("c", "o", "c", "p"),
    *_landed(_patch),
    *_landed(members.create("i", "m")),
)


def answer(call: Call[Any], chooser: int, rest: bytes) -> Reply:
    """Make an answer to a call: the head's lines, an empty line, the body; or the body alone."""
    statuses = sorted(call.ok) if chooser < _REFUSED_FROM else _REFUSALS
    head, found, body = rest.partition(b"\r\n\r\n")
    if not found:
        head, body = b"", rest
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip():
            # What no HTTP parser lets through does not get here.
            headers[name.strip().lower()] = re.sub(r"[\r\n\0]", " ", value).strip()
    return Reply(statuses[chooser % len(statuses)], headers, body, f"https://cloud.example:9292/v2/{call.path}")


def _look_at(found: Any) -> None:
    """Do with what was read whatever programs do: nothing of it may fail later."""
    values = [item for part in found.parts for item in part] if isinstance(found, Page) else [found]
    if isinstance(found, Token):
        url = find_endpoint(found, "image", region=None, interface="public")
        refuse_plain_http(url, "https://identity.example/v3")
        URL(f"{without_version(url)}/v{has_version(url):d}", encoded=True)
    for value in values:
        repr(value)
        if value == value and hasattr(value, "__attrs_attrs__"):  # noqa: PLR0124  # comparing must not fail
            hash(value)


def _check(error: AioImagesError) -> None:
    text = str(error)
    assert text.isprintable(), f"not one printable line: {text!r}"
    assert len(text) <= LONGEST_LINE, f"{len(text)} characters: {text!r}"


def codec(given: bytes) -> None:
    """Read an answer, or make an error of it; the first two bytes choose the call and the status."""
    if len(given) < 2:
        return
    call = CALLS[given[0] % len(CALLS)]
    reply = answer(call, given[1], given[2:])
    if reply.status not in call.ok:
        _check(error_from(call, reply))
        return
    try:
        with suppress(NotLandedError):
            _look_at(call.read(reply))
    except AioImagesError as error:
        _check(error)


_SIZE: Final = struct.Struct(">Q")


def disk_input(content: bytes, file_size_bytes: int | None = None) -> bytes:
    """Return the input that is this disk, which may claim another size."""
    return _SIZE.pack(0 if file_size_bytes is None else file_size_bytes) + content


def disk(given: bytes) -> None:
    """Read a disk, and judge it; the first eight bytes are its size, nought for what it has."""
    if len(given) < _SIZE.size:
        return
    content = given[_SIZE.size :]
    size = _SIZE.unpack_from(given)[0] or len(content)
    try:
        found = vhd.parse(content[: vhd.FIRST_BYTES], content[-vhd.LAST_BYTES :], size)
        _look_at(found)
        vhd.check(found)
    except VhdError as error:
        verdict = error
    else:
        return
    _check(verdict)
    assert str(verdict).startswith(str(int(verdict.code)))


ENTRIES: Final = {"codec": codec, "disk": disk}
