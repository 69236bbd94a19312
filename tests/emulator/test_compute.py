"""The embedded cloud's compute service: servers, and images of them."""

import asyncio
import math
from typing import Any

import pytest
from disks import fixed_vhd

from .conftest import Answer, Asker

pytestmark = pytest.mark.anyio

NEW = {"OpenStack-API-Version": "compute 2.45"}


async def capture(asker: Asker, server_id: str, **options: Any) -> Answer:
    """Ask Rackspace for an image of a server."""
    body = {"createImage": {"name": "web", "metadata": {"mine": "x"}}}
    return await asker.cloud_servers("POST", f"servers/{server_id}/action", json=body, **options)


async def captured(asker: Asker, server_id: str) -> str:
    """Ask Rackspace for an image of a server, and return its id."""
    answer = await capture(asker, server_id)
    assert answer.status == 202
    return answer.headers["location"].rpartition("/")[2]


async def shown(asker: Asker, image_id: str) -> dict[str, Any]:
    """Return an image when nothing happens to it any longer."""
    for _ in range(200):
        image: dict[str, Any] = (await asker.cloud_images("GET", f"images/{image_id}")).json
        if image.get("status") not in {"queued", "saving"}:
            return image
        await asyncio.sleep(0.01)
    raise AssertionError(f"{image_id} is never ready")


async def test_servers(asker: Asker) -> None:
    """An account sees its own servers of a region, in both clouds."""
    cloud = asker.cloud
    server_id = cloud.add_server(cloud.producer, name="web")
    there = cloud.add_server(cloud.producer, region="RegionOne", name="db")
    others = cloud.add_server(cloud.consumer, name="other")
    expected = {"id": server_id, "name": "web", "status": "ACTIVE", "OS-EXT-STS:task_state": None}
    for path in ("servers", "servers/detail"):
        assert (await asker.cloud_servers("GET", path)).json == {"servers": [expected]}
    assert (await asker.cloud_servers("GET", f"servers/{server_id}")).json == {"server": expected}
    assert (await asker.nova("GET", f"servers/{there}")).json["server"]["name"] == "db"
    for unseen in (others, there):
        missing = await asker.cloud_servers("GET", f"servers/{unseen}")
        assert missing.json == {"itemNotFound": {"code": 404, "message": f"Instance {unseen} could not be found."}}
    token = await asker.token()
    assert (await asker.ask("GET", "/rackspace/DFW/servers/v2/220022/servers", token=token)).status == 400


async def test_catalogs(asker: Asker) -> None:
    """Both catalogs say where compute is."""
    key = {"username": "producer", "apiKey": asker.cloud.producer.api_key}
    access = (await asker.rackspace({"RAX-KSKEY:apiKeyCredentials": key})).json["access"]
    [entry] = [service for service in access["serviceCatalog"] if service["type"] == "compute"]
    assert entry["name"] == "cloudServersOpenStack"
    assert entry["endpoints"][0]["publicURL"] == f"{asker.base}/rackspace/DFW/servers/v2/110011"
    password = {"user": {"id": asker.cloud.producer.user_id, "password": asker.cloud.producer.password}}
    signed_in = await asker.keystone({"identity": {"methods": ["password"], "password": password}})
    [entry] = [service for service in signed_in.json["token"]["catalog"] if service["type"] == "compute"]
    assert (entry["name"], entry["endpoints"][0]["url"]) == ("nova", f"{asker.base}/openstack/RegionOne/compute/v2.1")


async def test_life_of_a_capture(asker: Asker) -> None:
    """An image of a server is queued, saved, and active; meanwhile there cannot be another."""
    cloud = asker.cloud
    cloud.script_capture(seconds=100)
    server_id = cloud.add_server(cloud.producer, name="web")
    image_id = await captured(asker, server_id)
    again = await capture(asker, server_id)
    assert (again.status, list(again.json)) == (409, ["conflictingRequest"])
    server = (await asker.cloud_servers("GET", f"servers/{server_id}")).json["server"]
    assert server["OS-EXT-STS:task_state"] == "image_snapshot"
    for seconds, status in ((0, "queued"), (31, "saving"), (70, "active")):
        cloud.advance(seconds)
        assert (await asker.cloud_images("GET", f"images/{image_id}")).json["status"] == status
    assert (await capture(asker, server_id)).status == 202


async def test_what_is_captured(asker: Asker) -> None:
    """The image says what it is of, has the metadata that were given, and can be exported."""
    cloud, disk = asker.cloud, fixed_vhd(8192)
    server_id = cloud.add_server(cloud.producer, name="web", disk=disk)
    image = await shown(asker, await captured(asker, server_id))
    expected = {"name": "web", "mine": "x", "image_type": "snapshot", "instance_uuid": server_id, "status": "active"}
    assert expected.items() <= image.items()
    assert (image["min_disk"], image["size"], image["disk_format"]) == (20, len(disk), "vhd")
    cloud.create_container(cloud.producer, "exports")
    details = {"image_uuid": image["id"], "receiving_swift_container": "exports"}
    done = await asker.task("export", details)
    assert cloud.get_object(cloud.producer, done["result"]["export_location"]) == disk


async def test_default_disk(asker: Asker) -> None:
    """The disk of a server of which nothing is said can be imported again."""
    cloud = asker.cloud
    image = await shown(asker, await captured(asker, cloud.add_server(cloud.producer, name="web")))
    cloud.create_container(cloud.producer, "exports")
    done = await asker.task("export", {"image_uuid": image["id"], "receiving_swift_container": "exports"})
    details = {"import_from": done["result"]["export_location"], "image_properties": {"name": "again"}}
    assert (await asker.task("import", details))["status"] == "success"


@pytest.mark.parametrize(
    ("version", "in_body"),
    [
        ({}, False),
        ({"OpenStack-API-Version": "compute 2.44"}, False),
        ({"OpenStack-API-Version": "volume 3.60"}, False),
        (NEW, True),
        ({"OpenStack-API-Version": "compute latest"}, True),
    ],
    ids=str,
)
async def test_where_the_id_is(asker: Asker, version: dict[str, str], *, in_body: bool) -> None:
    """On OpenStack the id is in a header up to version 2.44, in a URL without a version, and in the body since."""
    server_id = asker.cloud.add_server(asker.cloud.producer, region="RegionOne", name="web")
    body = {"createImage": {"name": "web"}}
    answer = await asker.nova("POST", f"servers/{server_id}/action", json=body, headers=version)
    assert (answer.status, "location" in answer.headers, answer.json is not None) == (202, not in_body, in_body)
    image_id = answer.json["image_id"] if in_body else answer.headers["location"].rpartition("/")[2]
    image = (await asker.glance("GET", f"images/{image_id}")).json
    assert (image["instance_uuid"], image["disk_format"]) == (server_id, "raw")
    if not in_body:
        assert answer.headers["location"] == f"{asker.base}/openstack/RegionOne/image/images/{image_id}"


async def test_versions(asker: Asker) -> None:
    """A version that is none is bad, and one that is not there not acceptable; Rackspace knows of none."""
    server_id = asker.cloud.add_server(asker.cloud.producer, region="RegionOne", name="web")
    body = {"createImage": {"name": "web"}}
    for version, status in (("compute new", 400), ("compute 2.99", 406), ("compute 1.1", 406)):
        headers = {"OpenStack-API-Version": version}
        answer = await asker.nova("POST", f"servers/{server_id}/action", json=body, headers=headers)
        assert answer.status == status
    answer = await capture(asker, asker.cloud.add_server(asker.cloud.producer, name="web"), headers=NEW)
    assert (answer.body, "location" in answer.headers) == (b"", True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"reboot": {}},
        {"createImage": {"name": "web"}, "reboot": {}},
        {"createImage": "web"},
        {"createImage": {}},
        {"createImage": {"name": " "}},
        {"createImage": {"name": "x" * 256}},
        {"createImage": {"name": "web", "metadata": ["x"]}},
        {"createImage": {"name": "web", "metadata": {"a": 5}}},
        {"createImage": {"name": "web", "metadata": {"a": "x" * 256}}},
    ],
    ids=lambda value: str(value)[:50],
)
async def test_actions_that_are_refused(asker: Asker, body: Any) -> None:
    """What is no image of a server, or not one with a name and texts, is refused in compute's form."""
    server_id = asker.cloud.add_server(asker.cloud.producer, name="web")
    answer = await asker.cloud_servers("POST", f"servers/{server_id}/action", json=body)
    assert (answer.status, list(answer.json)) == (400, ["badRequest"])


async def test_unknown_server(asker: Asker) -> None:
    """There is no image of a server that is not there."""
    assert (await capture(asker, "unknown")).status == 404


async def test_scripts(asker: Asker) -> None:
    """A test can say how the next images end; the one after those ends well."""
    cloud = asker.cloud
    cloud.script_capture(status="killed")
    cloud.script_capture(status="deleted")
    cloud.script_capture(seconds=math.inf)
    servers = [cloud.add_server(cloud.producer, name=str(number)) for number in range(4)]
    images = [await captured(asker, server) for server in servers]
    assert (await shown(asker, images[3]))["status"] == "active"
    assert (await shown(asker, images[0]))["status"] == "killed"
    assert "itemNotFound" in await shown(asker, images[1])
    assert (await capture(asker, servers[0])).status == 202
    cloud.advance(3600)
    assert (await asker.cloud_images("GET", f"images/{images[2]}")).json["status"] == "saving"
    with pytest.raises(ValueError, match="active, killed, deleted, not as 'failure'"):
        cloud.script_capture(status="failure")


async def test_deleted_meanwhile(asker: Asker) -> None:
    """An image that is deleted before it is ready does not come back."""
    cloud = asker.cloud
    cloud.script_capture(seconds=10)
    server_id = cloud.add_server(cloud.producer, name="web")
    image_id = await captured(asker, server_id)
    assert (await asker.cloud_images("DELETE", f"images/{image_id}")).status == 204
    cloud.advance(20)
    assert (await asker.cloud_images("GET", f"images/{image_id}")).status == 404
    assert (await capture(asker, server_id)).status == 202
