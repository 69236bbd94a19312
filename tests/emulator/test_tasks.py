"""The embedded cloud's tasks and disks."""

import asyncio
import math
from typing import Any

import pytest
from disks import NOT_A_DISK, damaged, dynamic_vhd, fixed_vhd

from aioimages.emulator import Emulator
from aioimages.emulator.vhd import refusal_code, virtual_size

from .conftest import Asker

pytestmark = pytest.mark.anyio

LIMIT = 2**30


@pytest.mark.parametrize(
    ("disk", "code"),
    [
        (fixed_vhd(), None),
        (dynamic_vhd(2**20), None),
        (b"", 396),
        (NOT_A_DISK, 396),
        (fixed_vhd(0), None),
        (damaged(fixed_vhd(), -100), 111),
        (fixed_vhd()[1:], 111),
        (damaged(dynamic_vhd(2**20), 600), 111),
        (dynamic_vhd(2**20)[512:], 111),
        (dynamic_vhd(LIMIT + 512), 413),
        (fixed_vhd(kind=7), 523),
        (dynamic_vhd(2**20, uuid=bytes(16)), 614),
        (dynamic_vhd(2**20, kind=4), 721),
    ],
)
def test_disks(disk: bytes, code: int | None) -> None:
    """A disk is judged by its bytes, with the service's own codes."""
    assert refusal_code(disk, LIMIT) == code


def test_large_files() -> None:
    """A file over the limit has a code of its own, and a disk knows its size."""
    assert refusal_code(bytes(4096) + dynamic_vhd(512), 1024) == 609
    assert virtual_size(dynamic_vhd(3 * 2**20)) == 3 * 2**20


async def finished(asker: Asker, task: dict[str, Any]) -> dict[str, Any]:
    """Return a task of Rackspace's when it is final."""
    for _ in range(100):
        told: dict[str, Any] = (await asker.cloud_images("GET", f"tasks/{task['id']}")).json
        if told["status"] in {"success", "failure"}:
            return told
        await asyncio.sleep(0.01)
    raise AssertionError(f"{task} never ends")


async def begin(asker: Asker, kind: str, details: dict[str, Any]) -> dict[str, Any]:
    """Ask Rackspace for a task."""
    answer = await asker.cloud_images("POST", "tasks", json={"type": kind, "input": details})
    assert answer.status == 201
    begun: dict[str, Any] = answer.json
    return begun


async def test_life_of_a_task(asker: Asker) -> None:
    """A task is pending, then final with a moment at which it expires, and then gone, while its image stays."""
    asker.cloud.put_object(asker.cloud.producer, "disks/web.vhd", fixed_vhd())
    details = {"image_properties": {"name": "web"}, "import_from": "disks/web.vhd"}
    begun = await begin(asker, "import", details)
    assert (begun["status"], begun["message"], "expires_at" in begun) == ("pending", "None", False)
    done = await finished(asker, begun)
    assert (done["status"], "expires_at" in done) == ("success", True)
    asker.cloud.advance(80000)
    assert (await asker.cloud_images("GET", f"tasks/{begun['id']}")).status == 200
    asker.cloud.advance(100000)
    token = (await asker.rackspace({"RAX-KSKEY:apiKeyCredentials": _key(asker)})).json["access"]["token"]["id"]
    assert (await asker.ask("GET", f"/rackspace/DFW/v2/tasks/{begun['id']}", token=token)).status == 404
    where = f"/rackspace/DFW/v2/images/{done['result']['image_id']}"
    assert (await asker.ask("GET", where, token=token)).json["name"] == "web"


def _key(asker: Asker) -> dict[str, str]:
    return {"username": asker.cloud.producer.username, "apiKey": asker.cloud.producer.api_key}


@pytest.mark.parametrize(
    ("kind", "details", "words"),
    [
        ("import", {"import_from": "disks/x.vhd"}, "Only the property 'name'"),
        ("import", {"import_from": "disks/x.vhd", "image_properties": {"name": "x", "p": "q"}}, "Only the property"),
        ("import", {"import_from": "disks/x.vhd", "image_properties": {"name": "x"}}, "Possible invalid location"),
        ("export", {"image_uuid": "unknown", "receiving_swift_container": "c"}, "Image not found"),
        ("export", {"image_uuid": "public", "receiving_swift_container": "c"}, "image owner"),
        ("export", {"image_uuid": "queued", "receiving_swift_container": "c"}, "in status 'queued'"),
        ("export", {"image_uuid": "mine", "receiving_swift_container": "a.b"}, "Invalid container name"),
        ("export", {"image_uuid": "mine", "receiving_swift_container": "missing"}, "does not exist"),
    ],
)
async def test_failures(asker: Asker, kind: str, details: dict[str, Any], words: str) -> None:
    """A task that cannot succeed fails, and says why."""
    cloud = asker.cloud
    cloud.add_image(cloud.admin, id="public", visibility="public", status="active")
    cloud.add_image(cloud.producer, id="queued")
    cloud.add_image(cloud.producer, id="mine", data=b"disk")
    failed = await finished(asker, await begin(asker, kind, details))
    assert failed["status"] == "failure"
    assert words in failed["message"]


async def test_export_twice(asker: Asker) -> None:
    """An export writes the disk, and does not overwrite one."""
    cloud = asker.cloud
    cloud.add_image(cloud.producer, id="mine", data=b"disk")
    cloud.create_container(cloud.producer, "exports")
    details = {"image_uuid": "mine", "receiving_swift_container": "exports"}
    done = await finished(asker, await begin(asker, "export", details))
    assert done["result"] == {"export_location": "exports/mine.vhd"}
    assert cloud.get_object(cloud.producer, "exports/mine.vhd") == b"disk"
    again = await finished(asker, await begin(asker, "export", details))
    assert "already has an object" in again["message"]


@pytest.mark.parametrize("body", [{"type": "copy", "input": {}}, {"type": "import"}, {"type": "import", "input": "x"}])
async def test_tasks_that_are_refused(asker: Asker, body: dict[str, Any]) -> None:
    """A task that is none is refused at once."""
    assert (await asker.cloud_images("POST", "tasks", json=body)).status == 400


async def test_glance_tasks(asker: Asker) -> None:
    """On OpenStack tasks are for administrators, and their sources are URLs."""
    admin = asker.cloud.admin
    assert (await asker.glance("GET", "tasks")).status == 403
    body = {"type": "import", "input": {"import_from": "container/object"}}
    assert (await asker.glance("POST", "tasks", account=admin, json=body)).status == 400
    for query, status in (("status=bogus", 400), ("type=bogus", 400), ("type=import&status=pending", 200)):
        assert (await asker.glance("GET", f"tasks?{query}", account=admin)).status == status


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"import_from_format": "raw"}, "'image_properties' field"),
        ({"image_properties": {}}, "'import_from_format' field"),
        ({"image_properties": {}, "import_from_format": "raw"}, "Internal Error"),
    ],
)
async def test_glance_failures(asker: Asker, details: dict[str, Any], words: str) -> None:
    """On OpenStack a task fails with few words."""
    url = asker.cloud.put_file("web.img", b"disk")
    body = {"type": "import", "input": {"import_from": url, **details}}
    task = (await asker.glance("POST", "tasks", account=asker.cloud.admin, json=body)).json
    for _ in range(100):
        task = (await asker.glance("GET", f"tasks/{task['id']}", account=asker.cloud.admin)).json
        if task["status"] == "failure":
            break
        await asyncio.sleep(0.01)
    assert words in task["message"]


async def test_scripts(asker: Asker) -> None:
    """A test can say how the next tasks go; the one after those goes as it would."""
    asker.cloud.put_object(asker.cloud.producer, "disks/web.vhd", fixed_vhd())
    asker.cloud.script_task(status="failure", message="as was asked for", count=2)
    asker.cloud.script_task(seconds=math.inf)
    details = {"image_properties": {"name": "web"}, "import_from": "disks/web.vhd"}
    tasks = [await begin(asker, "import", details) for _ in range(4)]
    ends = [await finished(asker, tasks[place]) for place in (0, 1, 3)]
    assert [end["message"] for end in ends] == ["as was asked for", "as was asked for", "None"]
    asker.cloud.advance(3600)
    assert (await asker.cloud_images("GET", f"tasks/{tasks[2]['id']}")).json["status"] == "processing"


async def test_names_that_are_not_there() -> None:
    """Asking for an image or a region that is not there is a mistake of the test's."""
    async with Emulator() as cloud:
        with pytest.raises(KeyError):
            cloud.image("unknown")
        with pytest.raises(ValueError, match="there are DFW"):
            cloud.add_image(cloud.producer, region="Atlantis")
        assert cloud.regions == ("DFW", "ORD", "IAD", "RegionOne", "RegionTwo")
        made = cloud.add_image(cloud.producer, region="ORD", name="web", tags=("a",))
        cloud.image(made)["tags"].append("b")
        assert cloud.image(made)["tags"] == ["a"]
