"""The examples, on the real cloud."""

import os
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest
import yaml
from clouds import World
from disks import RAW_DISK
from real_cloud import RealCloud
from wire import Person

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]

EXAMPLES = Path(__file__).parents[2] / "examples"
# Rackspace alone exports and imports by way of Cloud Files; there is no compute service here. A cluster takes
# credentials, and has a cloud of its own; so has what shows trouble.
NOT_ON_GLANCE = {"bulk_cluster", "capture_server", "export_all", "export_image", "import_folder", "see_attempts"}
# On Glance, tasks are for administrators.
IMPORTS = {"bulk_import", "bulk_journal", "import_image"}
SAYS = {
    "add_member": "once is enough: 409",
    "authenticate": "signed in; there is, for one, Image(",
    "bulk_download": " done, none failed, ",
    "bulk_import": "web-19: image ",
    "bulk_journal": "20 of 20 done, none failed, 20 by an earlier run, ",
    "check_vhd": "bad-010.vhd: 614 the VHD's internal UUID is all zeros",
    "cloud_files": "left: []",
    "delete_member": "still shared with []",
    "download_image": "bytes in pieces, checked: True",
    "ensure_image": "version 13: updated",
    "get_image": "as was to be expected: 404",
    "get_member": "and is pending",
    "import_from_url": "web is active, with ",
    "import_image": "imported as ",
    "list_images": "public images, such as [",
    "list_members": " pending",
    "move_region": "",
    "share_image": "has accepted",
    "show_progress": "bulk: 1 of 1 items",
    "update_image": "('gold',)",
    "update_member": "status='accepted'",
    "upload_image": "web is active: 5000000 bytes, whose sha512 is what was sent",
}


def test_each_example_is_expected() -> None:
    """Every example that can run on Glance does."""
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"playground"} - NOT_ON_GLANCE
    assert names == SAYS.keys()


def _described(cloud: RealCloud, person: Person) -> dict[str, object]:
    auth = {
        "auth_url": cloud.auth_url,
        "username": person.username,
        "password": person.password,
        "project_name": person.project_name,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return {"auth": auth, "region_name": cloud.region}


@pytest.mark.parametrize("name", sorted(SAYS))
async def test_example(world: World, real_cloud: RealCloud, tmp_path: Path, name: str) -> None:
    """An example runs on a real cloud as it does on the embedded one."""
    people = {"producer": world.site.producer, "consumer": world.site.consumer, "admin": world.site.admin}
    clouds = {"clouds": {who: _described(real_cloud, person) for who, person in people.items()}}
    config = tmp_path / "clouds.yaml"
    config.write_text(yaml.safe_dump(clouds))
    image = await world.make_image("web", data=b"data")
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("OS_")},
        "PLAYGROUND": "yours",
        "OS_CLIENT_CONFIG_FILE": str(config),
        "OS_CLOUD": "admin" if name in IMPORTS else "producer",
        "MEMBER_CLOUD": "consumer",
        "IMAGE_ID": image.id,
        "MEMBER_ID": world.site.consumer.project_id,
        "IMPORT_FROM": world.site.put_file("example.img", RAW_DISK),
    }
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environ)

    ran = await anyio.to_thread.run_sync(run)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert SAYS[name] in ran.stdout
