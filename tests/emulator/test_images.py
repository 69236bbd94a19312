"""The embedded cloud's image services."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from aioimages.emulator import Emulator

from .conftest import PATCH, Answer, Asker

pytestmark = pytest.mark.anyio

DATA = {"Content-Type": "application/octet-stream"}
FORMATS = {"disk_format": "raw", "container_format": "bare"}


async def create(asker: Asker, **attributes: Any) -> str:
    """Create an image, and return its id."""
    answer = await asker.glance("POST", "images", json={"name": "web", **FORMATS, **attributes})
    assert answer.status == 201
    return str(answer.json["id"])


async def patch(asker: Asker, image_id: str, *operations: dict[str, Any]) -> Answer:
    """Send a JSON patch."""
    return await asker.glance("PATCH", f"images/{image_id}", data=json.dumps(operations), headers=PATCH)


async def test_versions(asker: Asker) -> None:
    """The service lists its versions to anybody, as multiple choices at its root."""
    statuses = [(await asker.ask("GET", f"/openstack/RegionOne/image{end}")).status for end in ("", "/", "/versions")]
    assert statuses == [300, 300, 200]


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"name": 5}, 400),
        ({"name": "x" * 256}, 400),
        ({"disk_format": "floppy"}, 400),
        ({"disk_format": None}, 201),
        ({"visibility": "secret"}, 400),
        ({"visibility": "public"}, 403),
        ({"protected": "yes"}, 400),
        ({"min_disk": -1}, 400),
        ({"min_disk": "5"}, 400),
        ({"tags": "red"}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"tags": [str(number) for number in range(129)]}, 413),
        ({"status": "active"}, 403),
        ({"os_glance_x": "y"}, 403),
        ({"owner": "220022"}, 403),
        ({"p": 5}, 400),
        ({"id": "no-uuid"}, 400),
        ({}, 201),
        ([], 400),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_creation(asker: Asker, document: Any, status: int) -> None:
    """An image is created, or refused for what is wrong with it."""
    assert (await asker.glance("POST", "images", json=document)).status == status


async def test_ids_are_used_once(asker: Asker) -> None:
    """An id that is taken, or was, cannot be given again."""
    image_id = str(uuid.uuid4())
    await create(asker, id=image_id)
    assert (await asker.glance("POST", "images", json={"id": image_id})).status == 409
    await asker.glance("DELETE", f"images/{image_id}")
    assert (await asker.glance("POST", "images", json={"id": image_id})).status == 409


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ([{"op": "add", "path": "/p", "value": "x"}], 200),
        ([{"op": "replace", "path": "/missing", "value": "x"}], 409),
        ([{"op": "remove", "path": "/missing"}], 409),
        ([{"op": "remove", "path": "/name"}], 403),
        ([{"op": "move", "path": "/p"}], 400),
        ([{"op": "add", "path": "p", "value": "x"}], 400),
        ([{"op": "add", "path": "/a/b", "value": "x"}], 400),
        ([{"op": "add", "path": "/p"}], 400),
        (["add"], 400),
        ([{"op": "add", "path": "/p", "value": "x"}, {"op": "remove", "path": "/missing"}], 409),
    ],
    ids=str,
)
async def test_patches(asker: Asker, operations: list[Any], status: int) -> None:
    """A patch is applied whole, or refused whole."""
    image_id = await create(asker)
    answer = await patch(asker, image_id, *operations)
    assert answer.status == status
    assert ("p" in (await asker.glance("GET", f"images/{image_id}")).json) is (status == 200)


async def test_patches_in_other_forms(asker: Asker) -> None:
    """A patch is a list, and has a media type of its own."""
    image_id = await create(asker)
    answer = await asker.glance("PATCH", f"images/{image_id}", json=[])
    assert (answer.status, answer.headers["accept-patch"]) == (415, PATCH["Content-Type"])
    assert (await asker.glance("PATCH", f"images/{image_id}", data=b"{}", headers=PATCH)).status == 400


async def test_rackspace_patches(asker: Asker) -> None:
    """At Rackspace `add` of what is there is a conflict, and `replace` of a standard attribute never is."""
    image_id = asker.cloud.add_image(asker.cloud.producer, name="web", status="active", mine="x")
    for operation, status in (
        ({"op": "add", "path": "/name", "value": "a"}, 409),
        ({"op": "replace", "path": "/os_distro", "value": "a"}, 200),
        ({"op": "add", "path": "/mine", "value": "a"}, 409),
        ({"op": "replace", "path": "/yours", "value": "a"}, 409),
        ({"op": "add", "path": "/yours", "value": "a"}, 200),
        ({"op": "replace", "path": "/disk_format", "value": None}, 400),
    ):
        answer = await asker.cloud_images("PATCH", f"images/{image_id}", data=json.dumps([operation]), headers=PATCH)
        assert answer.status == status, operation
    shown = (await asker.cloud_images("GET", f"images/{image_id}")).json
    assert not {"os_hidden", "size", "checksum"} & shown.keys()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=x", 400),
        ("limit=", 400),
        ("limit=0", 200),
        ("marker=unknown", 400),
        ("sort=name:asc&sort_key=size", 400),
        ("sort=name:up", 400),
        ("sort_key=colour", 400),
        ("sort_key=name&sort_key=size&sort_dir=asc", 200),
        ("sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc", 400),
        ("sort=name,size:asc", 200),
        ("visibility=secret", 400),
        ("visibility=all", 200),
        ("visibility=community", 200),
        ("member_status=maybe", 400),
        ("protected=True", 400),
        ("size_min=x", 400),
        ("changes-since=2026-01-01", 400),
        ("name=near:x", 400),
        ("name=eq:x", 200),
        ('name=in:"x', 400),
        ("created_at=gt:yesterday", 400),
        ("created_at=near:2026-01-01T00:00:00Z", 400),
        ("created_at=2026-01-01T00:00:00", 200),
    ],
)
async def test_queries(asker: Asker, query: str, status: int) -> None:
    """A listing's query is understood or refused, as the real service does."""
    await create(asker)
    assert (await asker.glance("GET", f"images?{query}")).status == status


async def test_pages(asker: Asker) -> None:
    """A full page has a next one, maybe an empty one; its link is relative, and has the last of repeated parameters."""
    ids = [await create(asker, tags=["a", "b"]) for _ in range(2)]
    page = (await asker.glance("GET", "images?limit=2&tag=a&tag=b")).json
    assert page["next"] == f"/v2/images?limit=2&tag=b&marker={page['images'][-1]['id']}"
    assert {image["id"] for image in page["images"]} == set(ids)
    last = (await asker.glance("GET", f"images?limit=2&marker={page['images'][-1]['id']}")).json
    assert (last["images"], "next" in last) == ([], False)


async def test_page_sizes() -> None:
    """A service gives fewer than were asked for when it has a cap of its own."""
    async with Emulator(base_images=False, page_size_cap=2, page_size_default=1) as cloud:
        import aiohttp  # noqa: PLC0415

        async with aiohttp.ClientSession() as session:
            asker = Asker(cloud, session)
            for _ in range(5):
                cloud.add_image(cloud.producer, region="RegionOne")
            for query, size in (("", 1), ("?limit=5", 2)):
                assert len((await asker.glance("GET", f"images{query}")).json["images"]) == size


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("*/*", "text/html"),
        ("text/html", "text/html"),
        ("text/x", "text/plain"),
    ],
)
async def test_refusals(asker: Asker, accept: str, kind: str) -> None:
    """A refusal comes in the form that was asked for, and has an id to quote."""
    answer = await asker.glance("GET", "images/unknown", headers={"Accept": accept, "X-OpenStack-Request-ID": "mine"})
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert (answer.status, answer.headers["x-openstack-request-id"]) == (404, "req-mine")
    assert b"No image found with ID unknown" in answer.body


async def test_wrong_method(asker: Asker) -> None:
    """A method that a resource lacks is refused with those that it has."""
    answer = await asker.glance("PUT", "images")
    assert (answer.status, "POST" in answer.headers["allow"]) == (405, True)
    assert (await asker.glance("GET", "images/x", data=b"body")).status == 400


async def test_members(asker: Asker) -> None:
    """Sharing follows ownership and visibility."""
    cloud = asker.cloud
    image_id = await create(asker)
    private = await create(asker, visibility="private")
    for body, status in (({"member": ""}, 400), ({}, 400), ({"member": "220022"}, 200), ({"member": "220022"}, 409)):
        assert (await asker.glance("POST", f"images/{image_id}/members", json=body)).status == status
    assert (await asker.glance("POST", f"images/{private}/members", json={"member": "220022"})).status == 403
    public = cloud.add_image(cloud.admin, region="RegionOne", visibility="public")
    assert (await asker.glance("GET", f"images/{public}/members")).status == 403
    me = f"images/{image_id}/members/220022"
    for account, answer, expected in (
        (cloud.producer, "accepted", 403),
        (cloud.consumer, "maybe", 400),
        (cloud.consumer, "accepted", 200),
    ):
        assert (await asker.glance("PUT", me, account=account, json={"status": answer})).status == expected
    assert (await asker.glance("DELETE", me, account=cloud.consumer)).status == 403
    for number in range(127):
        await asker.glance("POST", f"images/{image_id}/members", json={"member": str(number)})
    assert (await asker.glance("POST", f"images/{image_id}/members", json={"member": "last"})).status == 413


async def test_data(asker: Asker) -> None:
    """Data is taken once, whole, and given out whole or in part."""
    image_id = await create(asker)
    where = f"images/{image_id}/file"
    assert (await asker.glance("GET", where)).status == 204
    assert (await asker.glance("PUT", where, data=b"x", headers={"Content-Type": "text/plain"})).status == 415
    size = {"X-OpenStack-Image-Size": "9"}
    assert (await asker.glance("PUT", where, data=b"0123456789", headers=DATA | size)).status == 400
    assert (await asker.glance("PUT", where, data=b"0123456789", headers=DATA)).status == 204
    assert (await asker.glance("PUT", where, data=b"0123456789", headers=DATA)).status == 409
    whole = await asker.glance("GET", where)
    assert (whole.status, whole.body, whole.headers["content-md5"]) == (
        200,
        b"0123456789",
        "781e5e245d69b566979b86e28d23f2c7",
    )
    part = await asker.glance("GET", where, headers={"Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert (await asker.glance("GET", where, headers={"Range": "bytes=50-"})).status == 416
    bare = await create(asker, disk_format=None)
    assert (await asker.glance("PUT", f"images/{bare}/file", data=b"x", headers=DATA)).status == 400
    await asker.glance("POST", f"images/{image_id}/actions/deactivate")
    assert (await asker.glance("GET", where)).status == 403
    assert (await asker.glance("GET", where, account=asker.cloud.admin)).status == 200


@pytest.mark.parametrize(
    ("attributes", "body", "status"),
    [
        ({}, {"method": {"name": "conversion"}}, 400),
        ({}, {"method": "web-download"}, 400),
        ({}, {"method": {"name": "glance-direct"}}, 409),
        ({}, {"method": {"name": "web-download", "uri": "file:///etc/passwd"}}, 400),
        ({"container_format": None}, {"method": {"name": "web-download", "uri": "http://x"}}, 409),
    ],
)
async def test_imports_that_cannot_be(
    asker: Asker, attributes: dict[str, Any], body: dict[str, Any], status: int
) -> None:
    """An import of Glance's own is refused at once where it cannot work."""
    image_id = await create(asker, **attributes)
    assert (await asker.glance("POST", f"images/{image_id}/import", json=body)).status == status


async def test_staged_import(asker: Asker) -> None:
    """Staged data becomes the image's, by a task that the image lists."""
    image_id = await create(asker)
    assert (await asker.glance("PUT", f"images/{image_id}/stage", data=b"disk", headers=DATA)).status == 204
    assert (await asker.glance("PUT", f"images/{image_id}/stage", data=b"disk", headers=DATA)).status == 409
    body = {"method": {"name": "glance-direct"}}
    assert (await asker.glance("POST", f"images/{image_id}/import", json=body)).status == 202
    assert (await asker.glance("POST", f"images/{image_id}/import", json=body)).status == 409
    for _ in range(50):
        await asyncio.sleep(0.02)
        [task] = (await asker.glance("GET", f"images/{image_id}/tasks")).json["tasks"]
        if task["status"] == "success":
            break
    assert task["result"] == {"image_id": image_id}
    assert (await asker.glance("GET", f"images/{image_id}/file")).body == b"disk"


async def test_tags(asker: Asker) -> None:
    """Tags in paths: a slash is not found, an unknown one neither, and beyond ASCII they come out garbled."""
    image_id = await create(asker)
    assert (await asker.glance("PUT", f"images/{image_id}/tags/a%2Fb")).status in {404, 204}
    assert (await asker.glance("DELETE", f"images/{image_id}/tags/unknown")).status == 404
    assert (await asker.glance("PUT", f"images/{image_id}/tags/" + "x" * 256)).status == 400


async def test_files(asker: Asker) -> None:
    """A file is served to anybody, in pieces to nobody, and a missing one to none."""
    url = asker.cloud.put_file("a disk.img", b"disk")
    assert url.endswith("/files/a%20disk.img")
    assert (await asker.ask("GET", "/files/a%20disk.img")).body == b"disk"
    assert (await asker.ask("GET", "/files/missing")).status == 404


async def test_unknown_schema(asker: Asker) -> None:
    """There are schemas of what there is."""
    assert (await asker.glance("GET", "schemas/image")).json["name"] == "image"
    assert (await asker.glance("GET", "schemas/unknown")).status == 404
