"""Bytes to models."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import DecodeError, Image, Member, ProtocolError, Task, UnsafeLinkError
from aioimages._call import Reply
from aioimages._calls import objects, servers
from aioimages._calls.identity import keystone_token, rackspace_token
from aioimages._codec import document, dump, nothing, one, origin, page, under
from aioimages._models import Location, Token
from aioimages._times import http_date, moment


def reply(body: Any, *, status: int = 200, url: str = "https://cloud.example/v2/images", **headers: str) -> Reply:
    """Make an answer of a document or of bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-04T05:06:07Z", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07.25Z", datetime(2026, 3, 4, 5, 6, 7, 250000, tzinfo=UTC)),
        ("2026-03-04T05:06:07.123456", datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)),
        ("2026-03-04 05:06:07 UTC", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07GMT", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("2026-03-04T05:06:07-06:00", datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-6)))),
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("", None),
        ("None", None),
    ],
)
def test_moment(text: str, expected: datetime | None) -> None:
    """Times in every form of the services are aware datetimes; what says nothing is none."""
    assert moment(text) == expected


@given(some.datetimes(timezones=some.just(UTC)))
def test_moment_of_any_time(value: datetime) -> None:
    """What Python writes as a time is read as the same time."""
    assert moment(value.isoformat()) == value
    assert moment(value.isoformat().replace("+00:00", "Z")) == value


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-03-04T25:00:00Z", "1"])
def test_what_is_no_moment(text: str) -> None:
    """What is no time is refused."""
    with pytest.raises(ValueError, match=r"isoformat|month|hour"):
        moment(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 24 Nov 2026 05:06:07 GMT", datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 05:06:07 -0000", datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        ("Tue, 24 Nov 2026 05:06:07 +99999999999999999", None),
        ("Tue, 24 Nov 9999999999999999999 05:06:07 GMT", None),
    ],
)
def test_http_date(text: str, expected: datetime | None) -> None:
    """The dates of HTTP's headers are aware datetimes; what is none is none."""
    assert http_date(text) == expected


def test_image() -> None:
    """Every attribute comes under its name, hazards under theirs, and what is left over in `properties`."""
    image = one(Image)(
        reply(
            {
                "id": "i",
                "name": "web",
                "status": "active",
                "visibility": "private",
                "size": 5,
                "os_hidden": True,
                "self": "/v2/images/i",
                "tags": ["a", "b"],
                "stores": "fast,cheap",
                "locations": [{"url": "file:///x"}],
                "created_at": "2026-03-04T05:06:07Z",
                "os_distro": "debian",
                "com.rackspace__1__x": "1",
            },
        ),
    )
    assert (image.hidden, image.self_url, image.tags, image.stores) == (
        True,
        "/v2/images/i",
        ("a", "b"),
        ("fast", "cheap"),
    )
    assert image.locations == ({"url": "file:///x"},)
    assert image.properties == {"os_distro": "debian", "com.rackspace__1__x": "1"}
    assert repr(image) == (
        "Image(id='i', name='web', status='active', visibility='private', size=5, disk_format=None, "
        "container_format=None)"
    )
    assert {image} == {image}


@given(
    some.dictionaries(
        some.text(max_size=20), some.none() | some.booleans() | some.integers() | some.text() | some.lists(some.text())
    )
)
def test_any_document(extra: dict[str, Any]) -> None:
    """Whatever JSON object comes is an image, or a `DecodeError`; never another error."""
    try:
        raw = orjson.dumps({"id": "i", "status": "active", **extra})
    except TypeError:
        return
    try:
        image = one(Image)(reply(raw))
    except DecodeError:
        return
    assert all(image.properties[name] == value for name, value in extra.items() if name in image.properties)


@given(some.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Whatever bytes come, the error is a `DecodeError`."""
    for read in (one(Image), page(Image, "images"), document):
        try:
            read(reply(body))
        except DecodeError as error:
            assert "/v2/images" in str(error)  # noqa: PT017  # most bytes are no JSON, some are


@pytest.mark.parametrize(
    ("task", "message", "image_id"),
    [
        ({"result": {"image_id": "i"}, "message": "None"}, None, "i"),
        ({"result": {"export_location": "c/i.vhd"}, "message": ""}, None, None),
        ({"result": None, "message": None, "image_id": "j"}, None, "j"),
        ({"result": {"image_id": 5}, "message": "396: bad"}, "396: bad", None),
        ({}, None, None),
    ],
)
def test_task(task: dict[str, Any], message: str | None, image_id: str | None) -> None:
    """A task's message is none where it says nothing, and its image is found wherever it stands."""
    found = one(Task)(reply({"id": "t", "status": "success", **task}))
    assert (found.message, found.image_id) == (message, image_id)


def test_export_location() -> None:
    """Where an export went stands in the task."""
    result = {"export_location": "exports/i.vhd"}
    assert one(Task)(reply({"id": "t", "status": "success", "result": result})).export_location == "exports/i.vhd"
    assert one(Task)(reply({"id": "t", "status": "pending"})).export_location is None


def test_page() -> None:
    """A page has its items and the marker of the next one."""
    members = [{"image_id": "i", "member_id": name, "status": "pending"} for name in "ab"]
    found = page(Member, "members")(reply({"members": members, "next": "/v2/x?limit=2&marker=b%2Fc"}))
    assert ([member.member_id for part in found.parts for member in part], found.next_marker) == (["a", "b"], "b/c")


@pytest.mark.parametrize(
    ("link", "marker"),
    [
        ("/v2/images?marker=x", "x"),
        ("?marker=x", "x"),
        ("https://cloud.example/v2/images?marker=x", "x"),
        ("https://cloud.example:443/v2/images?marker=x", "x"),
        ("/images?marker=a&marker=x", "x"),
        ("/images?marker=a%20b", "a b"),
    ],
)
def test_next_marker(link: str, marker: str) -> None:
    """The marker is read out of links in every form."""
    assert page(Image, "images")(reply({"images": [], "next": link})).next_marker == marker


@pytest.mark.parametrize(
    "link",
    [
        "http://cloud.example/v2/images?marker=x",
        "https://cloud.example:444/v2/images?marker=x",
        "https://cloud.example.evil.example/?marker=x",
        "https://me@cloud.example/?marker=x",
        "//evil.example?marker=x",
        "/\\evil.example?marker=x",
        "https://[::1/?marker=x",
        "https://cloud.example:99999/?marker=x",
    ],
)
def test_next_page_elsewhere(link: str) -> None:
    """A link to another scheme, host or port, or one that a browser would take for such, is refused."""
    with pytest.raises(UnsafeLinkError):
        page(Image, "images")(reply({"images": [], "next": link}))


def test_origin() -> None:
    """An origin is scheme, host and port; the usual port need not be said."""
    assert origin("https://cloud.example/x") == ("https", "cloud.example", 443)
    assert origin("http://cloud.example:80/x") == origin("http://cloud.example")


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", None])
def test_what_is_no_json(content_type: str | None) -> None:
    """An answer that is no JSON says how large it was and what it claimed to be, and not what stood in it."""
    headers: dict[str, Any] = {"content_type": content_type} if content_type else {}
    with pytest.raises(DecodeError) as raised:
        one(Image)(reply(b"<html>secret</html>", **headers))
    said = "text/html" if content_type else "no content type"
    assert f"(19 bytes of {said}) (answer of 200 from /v2/images)" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_several_problems() -> None:
    """The first of several problems is told, and how many more there are."""
    with pytest.raises(DecodeError, match=r"int expected, not str at \$\.size \(and 1 more\)"):
        one(Image)(reply({"id": "i", "status": "active", "size": "5", "min_disk": "9"}))


def test_nothing_and_dump() -> None:
    """An answer without a body says nothing; a body is compact JSON, and what is no JSON is a `TypeError`."""
    assert nothing(reply(b"")) is None  # type: ignore[func-returns-value]
    assert dump({"a": [1, None]}) == b'{"a":[1,null]}'
    with pytest.raises(TypeError):
        dump({"a": object()})


def _rackspace(access: dict[str, Any]) -> Token:
    call = rackspace_token({}, secrets=())
    return call.read(reply({"access": access}, date="Tue, 24 Nov 2026 05:06:07 GMT"))


def test_rackspace_token() -> None:
    """A sign-in at Rackspace gives the token, its times, the tenant, the user's region and the catalog."""
    token = _rackspace(
        {
            "token": {"id": "secret-token", "expires": "2026-11-25T05:06:07.000-06:00", "tenant": {"id": "123"}},
            "user": {"RAX-AUTH:defaultRegion": "DFW"},
            "serviceCatalog": [
                {
                    "type": "image",
                    "endpoints": [{"region": "DFW", "publicURL": "https://a/v2", "internalURL": "https://b/v2"}],
                },
                {"type": "rax:dns", "endpoints": [{"publicURL": "https://dns"}]},
            ],
        },
    )
    assert (token.value, token.project_id, token.default_region) == ("secret-token", "123", "DFW")
    assert token.issued_at == datetime(2026, 11, 24, 5, 6, 7, tzinfo=UTC)
    assert token.expires_at == datetime(2026, 11, 25, 11, 6, 7, tzinfo=UTC)
    found = [(offer.service_type, offer.region, offer.interface, offer.url) for offer in token.catalog]
    assert found == [
        ("image", "DFW", "public", "https://a/v2"),
        ("image", "DFW", "internal", "https://b/v2"),
        ("rax:dns", None, "public", "https://dns"),
    ]
    assert "secret-token" not in repr(token)


def test_rackspace_token_with_little_in_it() -> None:
    """A token alone is enough; a catalog that is null is empty."""
    token = _rackspace({"token": {"id": "t"}, "serviceCatalog": None, "user": None})
    assert (token.value, token.expires_at, token.catalog) == ("t", None, ())


@pytest.mark.parametrize("access", [{}, {"token": {}}, {"token": {"id": 5}}, {"token": {"id": "t"}, "user": "me"}])
def test_rackspace_answers_that_are_none(access: dict[str, Any]) -> None:
    """A sign-in whose answer lacks the token is a `DecodeError` that says where."""
    with pytest.raises(DecodeError, match=r"\$\.access"):
        _rackspace(access)


def test_keystone_token() -> None:
    """A sign-in at Keystone gives the token out of the header; old catalogs' interfaces are understood."""
    endpoints = [
        {"interface": "public", "region_id": "RegionOne", "url": "https://a"},
        {"interface": "internalURL", "region": "RegionTwo", "url": "https://b"},
        {"interface": "admin", "url": None},
    ]
    body = {
        "token": {"expires_at": "2026-11-25T05:06:07.000000Z", "catalog": [{"type": "image", "endpoints": endpoints}]}
    }
    token = keystone_token({}, None, secrets=()).read(reply(body, status=201, x_subject_token="secret-token"))
    assert token.value == "secret-token"
    assert [(offer.region, offer.interface, offer.url) for offer in token.catalog] == [
        ("RegionOne", "public", "https://a"),
        ("RegionTwo", "internal", "https://b"),
    ]


def test_keystone_answer_without_the_token() -> None:
    """A sign-in whose header is missing is a `DecodeError`."""
    with pytest.raises(DecodeError, match="X-Subject-Token"):
        keystone_token({}, None, secrets=()).read(reply({"token": {}}, status=201))


def test_defaults_that_are_made() -> None:
    """Where a default is made anew for each model, a missing key and a null get one each."""
    raw = [{"url": "file:///x"}, {"url": "file:///y", "metadata": None}]
    first, second = under(list[Location])(reply(raw))
    assert (first.metadata, second.metadata) == ({}, {})
    assert first.metadata is not second.metadata


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_misfit_among_many(place: int) -> None:
    """What is wrong with one image of a page is said with its place, wherever that is."""
    images: list[dict[str, Any]] = [{"id": str(number), "status": "active"} for number in range(3)]
    images[place]["size"] = "large"
    with pytest.raises(DecodeError, match=rf"^int expected, not str at \$\.images\[{place}\]\.size \("):
        list(page(Image, "images")(reply({"images": images})).parts)


def test_long_problems() -> None:
    """What is wrong is said in one line, and its place too, however much of it there is."""
    with pytest.raises(DecodeError) as raised:
        one(Image)(reply({"id": "i", "status": "active", "created_at": "x\n" * 5000}))
    text = str(raised.value)
    assert text.startswith("Invalid isoformat string: 'x\\nx")
    assert "at $.created_at (answer of 200" in text
    assert len(text) < 300


def test_times_beyond_all_measure() -> None:
    """A header whose time is after the last year is not understood, and no other error."""
    with pytest.raises(DecodeError, match=r"headers\.delete_at"):
        objects.get("c", "o").read(reply(b"", content_length="5", etag="0", x_delete_at="999999999999"))


SERVERS = [{"id": "s", "name": "web", "status": "ACTIVE"}]


@pytest.mark.parametrize("links", [5, ["next"], [None], [{"rel": 5}], [{"rel": "next", "href": 5}]])
def test_links_of_servers_that_are_none(links: object) -> None:
    """Links to the next page of servers that are no links are a `DecodeError` that says where."""
    with pytest.raises(DecodeError, match=r"\$\.servers_links"):
        servers.list_page().read(reply({"servers": SERVERS, "servers_links": links}))


@pytest.mark.parametrize("href", ["https://[", "https://x/servers", "https://x/servers?marker="])
def test_next_servers_without_a_marker(href: str) -> None:
    """A next page of servers that says no marker is an error, not an end: servers would be lost in silence."""
    with pytest.raises(ProtocolError, match="no marker"):
        servers.list_page().read(reply({"servers": SERVERS, "servers_links": [{"rel": "next", "href": href}]}))


@pytest.mark.parametrize("links", [None, [], [{"rel": "self", "href": "x"}], [{"rel": "next", "href": None}]])
def test_last_page_of_servers(links: object) -> None:
    """Where there is no link to a next page, this is the last one."""
    assert servers.list_page().read(reply({"servers": SERVERS, "servers_links": links})).next_marker is None


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (b"", None),
        (b"", "https://["),
        (b"", "https://x/images/\x1b"),
        (b"", "https://x/images/.."),
        (b'{"image_id": "../x"}', None),
        (b'{"image_id": ""}', None),
    ],
)
def test_captures_without_an_image(body: bytes, location: str | None) -> None:
    """An answer to a capture that names no image, or one that cannot be, is a `DecodeError`."""
    headers = {"location": location} if location else {}
    with pytest.raises(DecodeError, match="names the image"):
        servers.create_image("s", "web", None).read(reply(body, status=202, **headers))
