"""The real Swift, by plain HTTP: it is in the catalog, takes Keystone's tokens, and does what images will need."""

import asyncio
import hashlib
import json

import pytest
from clouds import World
from real_cloud import RealCloud
from wire import Wire

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]

DATA = bytes(range(256)) * 4096
HALVES = {"parts/1": DATA[: len(DATA) // 2], "parts/2": DATA[len(DATA) // 2 :]}


async def put_large(wire: Wire) -> None:
    """Make `disks/large` a static large object of two segments."""
    for name, part in HALVES.items():
        await wire.objects("PUT", f"disks/{name}", status=201, data=part)
    manifest = [
        {"path": f"/disks/{name}", "etag": hashlib.md5(part).hexdigest(), "size_bytes": len(part)}
        for name, part in HALVES.items()
    ]
    await wire.objects(
        "PUT", "disks/large", status=201, params={"multipart-manifest": "put"}, data=json.dumps(manifest)
    )


@pytest.mark.parametrize("name", ["producer", "consumer", "admin"])
async def test_one_token_for_all_services(world: World, real_cloud: RealCloud, name: str) -> None:
    """Everybody's token is good for images and for objects, in an account that is named after the project."""
    person = getattr(world.site, name)
    wire = await world.site.wire(person)
    assert wire.objects_root == f"{real_cloud.object_url}/v1/AUTH_{person.project_id}"
    await wire.delete_all_objects()
    assert (await wire.request("GET", "images"))["images"] == []
    await wire.objects("PUT", "mine", status=201)
    assert await wire.object_names() == ["mine"]
    await wire.delete_all_objects()
    assert await wire.object_names() == []


async def test_whose_account_it_is(world: World, wire: Wire) -> None:
    """Another project's token is refused, one that is none gets a 401, and so does no token."""
    consumer = await world.site.wire(world.site.consumer)
    await Wire(wire.root, consumer.token, wire.objects_root).objects("GET", status=403)
    await Wire(wire.root, "none", wire.objects_root).objects("GET", status=401)
    await Wire(wire.root, "", wire.objects_root).objects("GET", status=401)


async def test_revoked_token(world: World, wire: Wire) -> None:
    """A token that is revoked is refused soon: what is known of tokens is kept for a second."""
    other = await world.site.wire(world.site.producer)
    await other.objects("HEAD", status=204)
    await world.site.revoke([other.token])
    await other.objects("HEAD", status=401)
    await wire.objects("HEAD", status=204)


async def test_put_and_get(wire: Wire) -> None:
    """An object comes back as it was put, whole and in part, and is in its container's listing at once."""
    made = await wire.objects("PUT", "disks/web.vhd", status=201, data=DATA)
    assert made.headers["ETag"] == hashlib.md5(DATA).hexdigest()
    assert (await wire.objects("GET", "disks/web.vhd", status=200)).body == DATA
    part = await wire.objects("GET", "disks/web.vhd", status=206, headers={"Range": "bytes=1000-1999"})
    assert part.body == DATA[1000:2000]
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(DATA)}"
    assert await wire.object_names("disks") == ["web.vhd"]


async def test_wrong_digest(wire: Wire) -> None:
    """Data that are not those of the digest sent with them are refused, and not kept."""
    await wire.objects("PUT", "disks/web.vhd", status=422, data=DATA, headers={"ETag": hashlib.md5(b"").hexdigest()})
    await wire.objects("GET", "disks/web.vhd", status=404)


async def test_static_large_object(wire: Wire) -> None:
    """Two segments are read as one object, in whole and across their seam, and are deleted with it."""
    await put_large(wire)
    whole = await wire.objects("GET", "disks/large", status=200)
    assert whole.body == DATA
    assert whole.headers["X-Static-Large-Object"] == "True"
    digests = "".join(hashlib.md5(part).hexdigest() for part in HALVES.values())
    assert whole.headers["ETag"] == f'"{hashlib.md5(digests.encode()).hexdigest()}"'
    seam = len(DATA) // 2
    part = await wire.objects("GET", "disks/large", status=206, headers={"Range": f"bytes={seam - 5}-{seam + 4}"})
    assert part.body == DATA[seam - 5 : seam + 5]

    said = await wire.objects(
        "DELETE",
        "disks/large",
        status=200,
        params={"multipart-manifest": "delete"},
        headers={"Accept": "application/json"},
    )
    assert json.loads(said.body) == {
        "Number Deleted": 3,
        "Number Not Found": 0,
        "Response Body": "",
        "Response Status": "200 OK",
        "Errors": [],
    }
    assert await wire.object_names("disks") == []


async def test_many_small_segments(wire: Wire) -> None:
    """Twenty segments of a byte each are as fast as large ones, and one byte is enough for a segment."""
    manifest = []
    for number in range(20):
        name = f"disks/parts/{number:02}"
        await wire.objects("PUT", name, status=201, data=b"%c" % (65 + number))
        manifest.append({"path": f"/{name}"})
    await wire.objects("PUT", "disks/slo", status=201, params={"multipart-manifest": "put"}, data=json.dumps(manifest))
    await wire.objects("PUT", "disks/dlo", status=201, headers={"X-Object-Manifest": "disks/parts/"})
    async with asyncio.timeout(10):
        for name in ("slo", "dlo"):
            assert (await wire.objects("GET", f"disks/{name}", status=200)).body == b"ABCDEFGHIJKLMNOPQRST"


async def test_copy(wire: Wire) -> None:
    """An object is copied within the service, from both ends; of a large one the copy is one plain object."""
    await wire.objects("PUT", "disks/web.vhd", status=201, data=DATA, headers={"X-Object-Meta-Os": "debian"})
    await wire.objects("COPY", "disks/web.vhd", status=201, headers={"Destination": "disks/second.vhd"})
    await wire.objects("PUT", "disks/third.vhd", status=201, headers={"X-Copy-From": "/disks/web.vhd"})
    for name in ("second.vhd", "third.vhd"):
        copy = await wire.objects("GET", f"disks/{name}", status=200)
        assert copy.body == DATA
        assert copy.headers["X-Object-Meta-Os"] == "debian"

    await put_large(wire)
    await wire.objects("COPY", "disks/large", status=201, headers={"Destination": "disks/flat"})
    flat = await wire.objects("GET", "disks/flat", status=200)
    assert flat.body == DATA
    assert "X-Static-Large-Object" not in flat.headers


async def test_expiry(wire: Wire) -> None:
    """What has expired is gone at once from everything but the listing, where nobody takes it off."""
    await wire.objects("PUT", "disks/soon", status=201, data=b"gone", headers={"X-Delete-After": "2"})
    assert (await wire.objects("GET", "disks/soon", status=200)).body == b"gone"
    await asyncio.sleep(2.5)
    await wire.objects("GET", "disks/soon", status=404)
    await wire.objects("HEAD", "disks/soon", status=404)
    assert await wire.object_names("disks") == ["soon"]
