"""Ids and names stay in their place: whatever they are, a request has the path of its method."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from aioimages import AioImagesError, Client, RetryPolicy, StaticToken
from aioimages._dialect import OPENSTACK
from aioimages._models import CatalogEndpoint, Token
from security.canary import canary

Ask = Callable[[Client, str], Awaitable[object]]
# What may stand in a path, by the method and the name of its argument, and the path that is asked for first.
METHODS: dict[str, tuple[str, Ask]] = {
    "images.get image_id": ("images/{}", lambda client, it: client.images.get(it)),
    "images.delete image_id": ("images/{}", lambda client, it: client.images.delete(it)),
    "images.update image_id": ("images/{}", lambda client, it: client.images.update(it, {"name": "x"})),
    "images.patch image_id": (
        "images/{}",
        lambda client, it: client.images.patch(it, [{"op": "add", "path": "/x", "value": "y"}]),
    ),
    "images.wait image_id": ("images/{}", lambda client, it: client.images.wait(it, timeout=5)),
    "images.add_tag image_id": ("images/{}/tags/tag", lambda client, it: client.images.add_tag(it, "tag")),
    "images.add_tag tag": ("images/image/tags/{}", lambda client, it: client.images.add_tag("image", it)),
    "images.remove_tag image_id": ("images/{}/tags/tag", lambda client, it: client.images.remove_tag(it, "tag")),
    "images.remove_tag tag": ("images/image/tags/{}", lambda client, it: client.images.remove_tag("image", it)),
    "images.deactivate image_id": ("images/{}/actions/deactivate", lambda client, it: client.images.deactivate(it)),
    "images.reactivate image_id": ("images/{}/actions/reactivate", lambda client, it: client.images.reactivate(it)),
    "images.tasks image_id": ("images/{}/tasks", lambda client, it: client.images.tasks(it)),
    "images.locations image_id": ("images/{}/locations", lambda client, it: client.images.locations(it)),
    "images.add_location image_id": (
        "images/{}/locations",
        lambda client, it: client.images.add_location(it, "http://disks.example/x"),
    ),
    "images.upload image_id": ("images/{}", lambda client, it: client.images.upload(it, b"data")),
    "images.stage image_id": ("images/{}", lambda client, it: client.images.stage(it, b"data")),
    "images.start_import image_id": ("images/{}/import", lambda client, it: client.images.start_import(it)),
    "images.download image_id": ("images/{}", lambda client, it: client.images.download(it, "/dev/null/x")),
    "members.list image_id": ("images/{}/members", lambda client, it: client.members.list(it).collect()),
    "members.get image_id": ("images/{}/members/member", lambda client, it: client.members.get(it, "member")),
    "members.get member_id": ("images/image/members/{}", lambda client, it: client.members.get("image", it)),
    "members.create image_id": ("images/{}/members", lambda client, it: client.members.create(it, "member")),
    "members.update image_id": (
        "images/{}/members/member",
        lambda client, it: client.members.update(it, "member", "accepted"),
    ),
    "members.update member_id": (
        "images/image/members/{}",
        lambda client, it: client.members.update("image", it, "accepted"),
    ),
    "members.delete image_id": ("images/{}/members/member", lambda client, it: client.members.delete(it, "member")),
    "members.delete member_id": ("images/image/members/{}", lambda client, it: client.members.delete("image", it)),
    "tasks.get task_id": ("tasks/{}", lambda client, it: client.tasks.get(it)),
    "tasks.wait task_id": ("tasks/{}", lambda client, it: client.tasks.wait(it, timeout=5)),
    "stores.delete store": ("stores/{}/image", lambda client, it: client.stores.delete(it, "image")),
    "stores.delete image_id": ("stores/store/{}", lambda client, it: client.stores.delete("store", it)),
    "servers.create_image server_id": (
        "servers/{}/action",
        lambda client, it: client.servers.create_image(it, name="web"),
    ),
    "objects.list container": ("{}", lambda client, it: client.objects.list(it).collect()),
    "objects.create_container container": ("{}", lambda client, it: client.objects.create_container(it)),
    "objects.delete_container container": ("{}", lambda client, it: client.objects.delete_container(it)),
    "objects.get_container container": ("{}", lambda client, it: client.objects.get_container(it)),
    "objects.get container": ("{}/name", lambda client, it: client.objects.get(it, "name")),
    "objects.delete container": ("{}/name", lambda client, it: client.objects.delete(it, "name")),
    "objects.read container": ("{}/name", lambda client, it: client.objects.read(it, "name", 0, 1)),
    "objects.upload container": ("{}/name", lambda client, it: client.objects.upload(it, "name", b"data")),
    "objects.download container": ("{}/name", lambda client, it: client.objects.download(it, "name", "/dev/null/x")),
    "objects.copy container": ("disks/copy", lambda client, it: client.objects.copy(it, "name", "disks", "copy")),
    "objects.copy to_container": ("{}/copy", lambda client, it: client.objects.copy("disks", "name", it, "copy")),
}
# Names of objects may have slashes.
OBJECTS: dict[str, tuple[str, Ask]] = {
    "objects.get name": ("disks/{}", lambda client, it: client.objects.get("disks", it)),
    "objects.delete name": ("disks/{}", lambda client, it: client.objects.delete("disks", it)),
    "objects.read name": ("disks/{}", lambda client, it: client.objects.read("disks", it, 0, 1)),
    "objects.upload name": ("disks/{}", lambda client, it: client.objects.upload("disks", it, b"data")),
    "objects.download name": ("disks/{}", lambda client, it: client.objects.download("disks", it, "/dev/null/x")),
    "objects.copy name": ("disks/copy", lambda client, it: client.objects.copy("disks", it, "disks", "copy")),
    "objects.copy to_name": ("disks/{}", lambda client, it: client.objects.copy("disks", "name", "disks", it)),
}
# What is sent in a body, or is one of a few words.
IN_NO_PATH = {
    "schemas.get name",
    "members.create member_id",
    "servers.create_image name",
    "tasks.export_image image_id",
    "tasks.export_image container",
    "tasks.import_image name",
    "images.create name",
    "images.import_from name",
    "images.list tag",
    "images.create store",
    "images.upload store",
}
IDS = {"image_id", "member_id", "task_id", "server_id"}
KINDS = IDS | {"tag", "store", "name", "container", "to_container", "to_name"}


def _arguments() -> Iterator[str]:
    client = Client(StaticToken("token", "https://cloud.example/v2"))
    for part in ("images", "members", "tasks", "schemas", "info", "stores", "objects", "servers"):
        for method, function in inspect.getmembers(getattr(client, part), callable):
            if not method.startswith("_"):
                names = inspect.signature(function).parameters
                yield from (f"{part}.{method} {name}" for name in names if name in KINDS)


def test_all_methods() -> None:
    """No method with an id or a name is left out here."""
    assert set(_arguments()) == METHODS.keys() | OBJECTS.keys() | IN_NO_PATH


class _SignedIn:
    """Credentials of a cloud whose services are all one server."""

    renewable = False
    endpoint = None
    dialect = OPENSTACK

    def __init__(self, url: str) -> None:
        self.identity_url = url

    async def sign_in(self, _: Any) -> Token:
        """Return a token without asking for it."""
        kinds = {"image": "/v2", "object-store": "/v1/account", "compute": "/v2.1"}
        places = (CatalogEndpoint(kind, None, "public", self.identity_url + path) for kind, path in kinds.items())
        return Token(value="a-secret-token", catalog=tuple(places))


def _bases(path: str) -> str:
    if path.startswith("servers/"):
        return "/v2.1/"
    return "/v2/" if re.match("images|tasks|stores", path) else "/v1/account/"


async def _sent(methods: dict[str, tuple[str, Ask]], text: str) -> dict[str, list[str]]:
    """Return the targets that each method has asked for."""
    sent: dict[str, list[str]] = {}
    async with canary() as bird, Client(_SignedIn(bird.url), retry=RetryPolicy(attempts=1)) as client:
        for name, (_, ask) in methods.items():
            before = len(bird.paths)
            with suppress(AioImagesError, ValueError, OSError):
                await ask(client, text)
            sent[name] = bird.paths[before:]
    return sent


def _without_query(target: str) -> str:
    return re.sub(r"\?(limit=\d+|format=json(&limit=\d+)?|multipart-manifest=(get|put|delete))$", "", target)


HAZARDS = ["..", ".", "%2e%2e", "%2E%2e%2f", "a/b", "../../x", "//x", "a?b", "a#b", "a;b", "a\\b", "\r\nX: y", "\0"]
HAZARDS += ["é☃", "a b", "%", "@", ":", "&", "~"]
TEXTS = some.one_of(
    some.sampled_from(HAZARDS),
    some.lists(some.sampled_from([*HAZARDS, "a", "-"]), min_size=1, max_size=4).map("".join),
    some.text(min_size=1, max_size=40),
)


def test_plain_names() -> None:
    """A plain name is asked for under the path of its method, on the service that it belongs to."""
    for methods in (METHODS, OBJECTS):
        sent = asyncio.run(_sent(methods, "plain-name"))
        for name, (path, _) in methods.items():
            assert sent[name], name
            assert _without_query(sent[name][0]) == _bases(path) + path.format("plain-name"), name


@given(TEXTS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_names(text: str) -> None:
    """Whatever stands for an id or a name is one segment of the path, percent-encoded whole, or is refused unsent."""
    for name, targets in asyncio.run(_sent(METHODS, text)).items():
        path = METHODS[name][0]
        for target in map(_without_query, targets):
            if name.endswith("_tag tag") and "tags" not in target:
                # Tags that fit into no path are changed with the image.
                assert target == "/v2/images/image"
                continue
            assert target == _bases(path) + path.format(quote(text, safe="")), name
            assert "/" not in text or "{}" not in path
            assert unquote(target.split("/")[-1]) not in {".", ".."}


@given(TEXTS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_names_of_objects(text: str) -> None:
    """The name of an object is below its container, encoded but for its slashes, without dots for segments."""
    for name, targets in asyncio.run(_sent(OBJECTS, text)).items():
        path = OBJECTS[name][0]
        for target in map(_without_query, targets):
            assert target == _bases(path) + path.format(quote(text)), name
            assert not {".", ".."} & set(unquote(target).split("/")), name
