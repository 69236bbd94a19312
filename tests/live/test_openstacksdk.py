"""The client beside openstacksdk, on one real cloud: what one writes, the other reads alike."""

import json
import subprocess
from typing import Any

import anyio.to_thread
import pytest
from clouds import World
from real_cloud import RealCloud

from aioimages import Image

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]

FILL = """
member = os.environ["MEMBER"]
for number in range(3):
    image = cloud.image.create_image(
        name=f"sdk-{number}", filename=None, data=b"x" * (100 + number), disk_format="raw",
        container_format="bare", visibility="shared", tags=["sdk", f"n{number}"], os_distro="debian",
        min_disk=number, use_import=False,
    )
    cloud.image.add_member(image, member_id=member)
"""
SHOW = """
shown = [dict(
    id=image.id, name=image.name, status=image.status, size=image.size, checksum=image.checksum,
    hash=image.hash_value, tags=sorted(image.tags), visibility=image.visibility, owner=image.owner,
    min_disk=image.min_disk, protected=image.is_protected, stores=image.properties.pop("stores", ""),
    properties=image.properties,
    os_distro=image.os_distro, created_at=image.created_at,
    members=[(member.member_id, member.status) for member in cloud.image.members(image)],
) for image in cloud.image.images(sort="name:asc")]
json.dump(shown, sys.stdout)
"""
HEAD = """
import json, os, sys
import openstack
cloud = openstack.connect(
    auth_url=os.environ["URL"], username=os.environ["USERNAME_"], password=os.environ["PASSWORD_"],
    project_name=os.environ["PROJECT"], user_domain_name="Default", project_domain_name="Default",
    region_name=os.environ["REGION"], load_yaml_config=False, load_envvars=False,
)
"""


async def _sdk(cloud: RealCloud, program: str) -> str:
    """Run a program of openstacksdk's as the producer."""
    producer = cloud.producer
    environ = {
        "URL": cloud.auth_url,
        "USERNAME_": producer.username,
        "PASSWORD_": producer.password,
        "PROJECT": producer.project_name,
        "REGION": cloud.region,
        "MEMBER": cloud.consumer.project_id,
    }

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [cloud.sdk_python, "-W", "ignore", "-c", HEAD + program],
            capture_output=True, text=True, timeout=120, check=False, env=environ,
        )  # fmt: skip

    ran = await anyio.to_thread.run_sync(run)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _as_sdk_says(image: Image, members: list[tuple[str, str]]) -> dict[str, Any]:
    properties = {name: value for name, value in image.properties.items() if name != "os_distro"}
    assert image.created_at is not None
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "size": image.size,
        "checksum": image.checksum,
        "hash": image.os_hash_value,
        "tags": sorted(image.tags),
        "visibility": image.visibility,
        "owner": image.owner,
        "min_disk": image.min_disk,
        "protected": image.protected,
        "stores": ",".join(image.stores),
        "properties": properties,
        "os_distro": image.properties.get("os_distro"),
        "created_at": image.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "members": [list(member) for member in members],
    }


async def _as_we_say(world: World) -> list[dict[str, Any]]:
    images = await world.producer.images.list(sort="name:asc").collect()
    return [
        _as_sdk_says(
            image,
            [(member.member_id, member.status) async for member in world.producer.members.list(image.id)],
        )
        for image in images
    ]


async def test_reading_and_driving_what_openstacksdk_made(world: World, real_cloud: RealCloud) -> None:
    """Both see the same of a cloud that openstacksdk has filled, also after this client has changed it."""
    told = json.loads(await _sdk(real_cloud, FILL + SHOW))
    assert [image["name"] for image in told] == ["sdk-0", "sdk-1", "sdk-2"]
    assert await _as_we_say(world) == told

    first, second, third = [image["id"] for image in told]
    consumer = world.site.consumer.project_id
    await world.producer.images.update(first, {"name": "sdk-0b", "colour": "red"}, remove=["os_distro"])
    await world.producer.images.add_tag(first, "ours")
    await world.consumer.members.update(second, consumer, "accepted")
    await world.producer.images.update(second, {"protected": True, "min_disk": 9})
    await world.producer.members.delete(second, consumer)
    await world.producer.images.delete(third)

    told = json.loads(await _sdk(real_cloud, SHOW))
    assert [(image["name"], image["os_distro"], image["properties"].get("colour")) for image in told] == [
        ("sdk-0b", None, "red"),
        ("sdk-1", "debian", None),
    ]
    assert await _as_we_say(world) == told
