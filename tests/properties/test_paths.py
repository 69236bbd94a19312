"""Ids, names and tags on their way into a URL."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages._call import Call
from aioimages._calls import images, members, objects, stores, tasks
from aioimages._dialect import OPENSTACK
from aioimages._http import _url

BASE = "https://cloud.example:9292/image/v2"
SEGMENTS = (
    some.text() | some.text("./%2eF\\?#;&+ aé\0\r\n", max_size=8) | some.sampled_from(["..", ".", "%2e%2e", "a/../b"])
)
MAKE: dict[str, tuple[Callable[..., Call[Any]], str]] = {
    "image": (images.get, "images/{}"),
    "image's members": (members.list_page, "images/{}/members"),
    "member": (lambda name: members.get("i", name), "images/i/members/{}"),
    "member to delete": (lambda name: members.delete("i", name), "images/i/members/{}"),
    "tag": (lambda name: images.add_tag("i", name), "images/i/tags/{}"),
    "tag to remove": (lambda name: images.remove_tag("i", name), "images/i/tags/{}"),
    "task": (tasks.get, "tasks/{}"),
    "store": (lambda name: stores.delete(OPENSTACK, name, "i"), "stores/{}/i"),
    "container": (objects.get_container, "{}"),
    "container to delete": (objects.delete_container, "{}"),
}


@pytest.mark.parametrize("name", MAKE)
@given(given_text=SEGMENTS)
def test_segments(name: str, given_text: str) -> None:
    """What a program gives is one segment at its place, byte for byte, or it is refused before anything is sent."""
    make, where = MAKE[name]
    try:
        call = make(given_text)
    except ValueError:
        return
    sent = str(_url(call, BASE)).partition("?")[0]
    before, after = where.split("{}")
    assert sent.isascii()
    assert sent.startswith(f"{BASE}/{before}")
    assert sent.endswith(after)
    segment = sent.removeprefix(f"{BASE}/{before}").removesuffix(after)
    assert "/" not in segment
    assert unquote(segment, errors="strict") == given_text
    assert given_text not in {"", ".", ".."}


@given(SEGMENTS | some.lists(SEGMENTS).map("/".join))
def test_objects(given_text: str) -> None:
    """An object's name has as many segments as were given, below its container, or it is refused."""
    try:
        call = objects.delete("c", given_text, with_segments=False)
    except ValueError:
        return
    sent = str(_url(call, BASE))
    assert sent.startswith(f"{BASE}/c/")
    assert unquote(sent.removeprefix(f"{BASE}/c/"), errors="strict") == given_text
    assert not {".", ".."} & set(sent.split("/"))
