"""The examples, run as a reader would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SAYS = {
    "add_member": "once is enough: 409",
    "authenticate": "that did not work: the Rackspace api key of 'producer' was not accepted: 401",
    "bulk_cluster": "20 of 20 done, none failed, 100.0 MB, ",
    "bulk_download": "1 of 1 done, none failed, 5.0 MB, ",
    "bulk_import": "web-19: image ",
    "bulk_journal": "20 of 20 done, none failed, 20 by an earlier run, ",
    "capture_server": "web-backup",
    "check_vhd": "bad-010.vhd: 614 the VHD's internal UUID is all zeros",
    "cloud_files": "left: []",
    "delete_member": "still shared with []",
    "download_image": "bytes in pieces, checked: True",
    "ensure_image": "version 13: updated",
    "export_all": "web is ",
    "export_image": "the disk is at exports/",
    "get_image": "as was to be expected: 404",
    "get_member": "and is pending",
    "import_folder": "broken.vhd became ",
    "import_from_url": "web is active, with 5000000 bytes in fast",
    "import_image": "imported as ",
    "list_images": "public images, such as [",
    "list_members": " pending",
    "move_region": "is there as ",
    "see_attempts": "given up after 3 attempts: req-",
    "share_image": "has accepted",
    "show_progress": "bulk: 1 of 1 items",
    "update_image": "('gold',)",
    "update_member": "status='accepted'",
    "upload_image": "web is active: 5000000 bytes, whose sha512 is what was sent",
}


def test_each_example_is_expected() -> None:
    """Every example but the playground that they share has an expectation here."""
    assert sorted(SAYS) == sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "playground")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SAYS))
def test_example(name: str) -> None:
    """An example runs on the embedded cloud as it stands, and shows what it promises."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert SAYS[name] in ran.stdout
