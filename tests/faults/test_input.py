"""Faults 70 to 72: what a program hands over that would become something else on the wire."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from aioimages import AioImagesError, Client, StaticToken
from faults.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

openstack = pytest.mark.dialects("openstack")

# What stands in a path, by the operation and the name of the argument.
Ask = Callable[[Client, Any], Awaitable[object]]
IN_PATHS: dict[str, Ask] = {
    "images.get": lambda client, it: client.images.get(it),
    "images.delete": lambda client, it: client.images.delete(it),
    "images.update": lambda client, it: client.images.update(it, {"name": "web"}),
    "images.patch": lambda client, it: client.images.patch(it, [{"op": "add", "path": "/a", "value": "b"}]),
    "images.add_tag to": lambda client, it: client.images.add_tag(it, "tag"),
    "images.remove_tag from": lambda client, it: client.images.remove_tag(it, "tag"),
    "images.wait": lambda client, it: client.images.wait(it, timeout=1),
    "members.list": lambda client, it: client.members.list(it).collect(),
    "members.get": lambda client, it: client.members.get("image", it),
    "members.get in": lambda client, it: client.members.get(it, "member"),
    "members.create": lambda client, it: client.members.create("image", it),
    "members.create in": lambda client, it: client.members.create(it, "member"),
    "members.update": lambda client, it: client.members.update("image", it, "accepted"),
    "members.update in": lambda client, it: client.members.update(it, "member", "accepted"),
    "members.delete": lambda client, it: client.members.delete("image", it),
    "members.delete in": lambda client, it: client.members.delete(it, "member"),
    "tasks.get": lambda client, it: client.tasks.get(it),
    "tasks.wait": lambda client, it: client.tasks.wait(it, timeout=1),
    "tasks.wait_all": lambda client, it: client.tasks.wait_all(["good", it]),
}
OPENSTACK_PATHS: dict[str, Ask] = {
    "images.deactivate": lambda client, it: client.images.deactivate(it),
    "images.reactivate": lambda client, it: client.images.reactivate(it),
    "images.tasks": lambda client, it: client.images.tasks(it),
    "images.upload": lambda client, it: client.images.upload(it, b"data"),
    "images.stage": lambda client, it: client.images.stage(it, b"data"),
    "images.start_import": lambda client, it: client.images.start_import(it),
    "images.download": lambda client, it: client.images.download(it, "web.img"),
    "images.locations": lambda client, it: client.images.locations(it),
    "stores.delete": lambda client, it: client.stores.delete("fast", it),
    "stores.delete from": lambda client, it: client.stores.delete(it, "image"),
}
BAD = ["", "  ", ".", "..", "a/b", "../../x", "/", "a\nb", "a\r\nX-Evil: 1", "a\x00b", "a\\b", "x" * 256, "\ud800"]
ODD = ["%2e%2e", "%2E", "..%2f", "a?b=c", "a#b", "a;b", "a b", "a%b", "ü☃", "a&b", "a:b@c", "~", "x" * 255]


async def _all_refused(stage: Stage, ask: Ask) -> None:
    client = stage.client()
    for bad in BAD:
        with pytest.raises(ValueError, match=r"_id (is|has|contains)|store (is|has|contains)"):
            await ask(client, bad)
        stage.injected += 1
    assert not stage.proxy.requests


@pytest.mark.fault(70)
@pytest.mark.parametrize("method", IN_PATHS)
async def test_what_would_change_the_path(stage: Stage, method: str) -> None:
    """It is a `ValueError` that names it, and nothing is sent."""
    await _all_refused(stage, IN_PATHS[method])


@openstack
@pytest.mark.fault(70)
@pytest.mark.parametrize("method", OPENSTACK_PATHS)
async def test_what_would_change_the_path_of_data(stage: Stage, method: str) -> None:
    """It is a `ValueError` that names it, and nothing is sent."""
    await _all_refused(stage, OPENSTACK_PATHS[method])


async def _tried(stage: Stage, client: Client, ask: Ask, text: str) -> list[str]:
    """Ask, whatever the answer is, and return the paths that were asked for."""
    before = len(stage.proxy.requests)
    with suppress(AioImagesError):
        await ask(client, text)
    stage.injected += 1
    return [one.path for one in stage.proxy.requests[before:]]


@pytest.mark.fault(70)
@pytest.mark.parametrize("method", ["images.get", "images.delete", "members.delete", "members.delete in", "tasks.get"])
async def test_what_could_change_the_path(stage: Stage, method: str) -> None:
    """It is percent-encoded as a whole: the path has as many segments as ever, and there is no query."""
    client = stage.client()
    await _tried(stage, client, IN_PATHS[method], "first")
    plain = await _tried(stage, client, IN_PATHS[method], "plain")
    for odd in ODD:
        encoded = await _tried(stage, client, IN_PATHS[method], odd)
        assert encoded == [path.replace("plain", quote(odd, safe="")) for path in plain]
    assert not any(one.query for one in stage.proxy.requests)


TAGS = [text for text in (*BAD, *ODD) if text.strip() and len(text) < 256 and text != "\ud800"]


@pytest.mark.fault(70)
@pytest.mark.parametrize("change", ["add_tag", "remove_tag"])
async def test_tags_that_could_change_the_path(stage: Stage, change: str) -> None:
    """A tag may have any letters: what does not fit into a path is changed with all tags of the image."""
    client = stage.client()
    for tag in TAGS:
        paths = await _tried(stage, client, lambda client, it: getattr(client.images, change)("image", it), tag)
        calls = {path.partition("/images/")[2] for path in paths if "/images/" in path}
        in_path = {f"image/tags/{quote(tag, safe='')}"}
        assert calls
        assert calls <= ({"image"} if {"/", "\\"} & {*tag} or tag in {".", ".."} else {"image"} | in_path)
    assert not stage.proxy.to("/images/image", "DELETE")


NAMES = ["a/b", "a~b", "~1", "~0", "a~1b/c~0", "größe", "☃", "a b", "a.b", "a:b", 'a"b', "A", "x" * 200]


@openstack
@pytest.mark.fault(71)
@pytest.mark.clouds("emulator", "live")
async def test_names_of_properties(stage: Stage) -> None:
    """Any name makes the round trip: set, read, changed and removed, it is the same property."""
    image = await stage.world.make_image()
    client = stage.client()
    for name in NAMES:
        stage.injected += 1
        assert (await client.images.update(image.id, {name: "one"})).properties.get(name) == "one"
        assert (await client.images.update(image.id, {name: "two"})).properties.get(name) == "two"
        assert (await client.images.get(image.id)).properties.get(name) == "two"
        assert name not in (await client.images.update(image.id, {}, remove=[name])).properties


@pytest.mark.fault(71)
async def test_names_that_no_property_has(stage: Stage) -> None:
    """A blank at either end, which the service would strip and so change another property, is a `ValueError`."""
    client = stage.client()
    for name in ("", " ", " lead", "trail ", "\ud800"):
        stage.injected += 1
        with pytest.raises(ValueError, match="property"):
            await client.images.update("some-image", {name: "x"})
        with pytest.raises(ValueError, match="property"):
            await client.images.update("some-image", {}, remove=[name])
    assert not stage.proxy.requests


@pytest.mark.fault(71)
async def test_names_that_are_reserved(stage: Stage) -> None:
    """A property that the service keeps to itself is a `ValueError`."""
    name = "com.rackspace__1__x" if stage.world.dialect == "rackspace" else "os_glance_x"
    client = stage.client()
    with pytest.raises(ValueError, match="to itself"):
        await client.images.update("some-image", {name: "x"})
    stage.injected += 1
    assert not stage.proxy.requests


NOT_FOR_HEADERS = ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "é☃", "a b\t", "\x7f"]


@pytest.mark.fault(72)
async def test_what_does_not_fit_into_a_header(stage: Stage) -> None:
    """A token, store or user agent of other than visible ASCII is a `ValueError` before anything is sent."""
    client = stage.client()
    for text in NOT_FOR_HEADERS:
        stage.injected += 1
        with pytest.raises(ValueError, match="token") as raised:
            StaticToken(text, "https://cloud.example/v2")
        assert text not in str(raised.value)
        with pytest.raises(ValueError, match="user_agent"):
            stage.client(user_agent=text)
        if stage.world.dialect == "openstack":
            with pytest.raises(ValueError, match="store"):
                await client.images.upload("some-image", b"data", store=text)
    assert not stage.proxy.requests
