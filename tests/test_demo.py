"""The demo, as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest
import yaml

from aioimages.emulator import Account, Emulator

pytestmark = pytest.mark.slow


def demo(*arguments: str, cwd: Path | None = None, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the demo, without a terminal."""
    command = [sys.executable, "-W", "error", "-m", "aioimages.demo", *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith("OS_") and name != "FORCE_COLOR"}
    environment = {**own, **environ}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, cwd=cwd, env=environment,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_demo_imports_fifty_disks() -> None:
    """It imports fifty disks, exports five, shares one, and is content when just the bad ones failed."""
    ran = demo()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "45 imported, 5 refused" in ran.stdout
    assert "│ tasks    │ 55" in ran.stdout
    assert "success  45  failure   5" in ran.stdout


def test_live_display() -> None:
    """On a terminal it draws how many imports are in which state, over and over, and ends with the table."""
    ran = demo("--disks", "11", FORCE_COLOR="1", TERM="xterm", COLUMNS="100")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b[" in ran.stdout
    assert ran.stdout.count("processing") > 2
    assert "10 imported, 1 refused" in ran.stdout


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_numbers_of_disks(count: str) -> None:
    """A number of disks that is none is refused in the way of command lines."""
    ran = demo(f"--disks={count}")
    assert ran.returncode == 2
    assert "argument --disks" in ran.stderr


def _described(cloud: Emulator, account: Account) -> dict[str, object]:
    auth = {"auth_url": cloud.rackspace_auth_url, "username": account.username, "api_key": account.api_key}
    return {"profile": "rackspace", "auth": auth, "region_name": "DFW"}


@pytest.mark.anyio
@pytest.mark.parametrize("base_images", [True, False])
async def test_demo_on_a_cloud_of_ones_own(tmp_path: Path, *, base_images: bool) -> None:
    """With a cloud's name it reads that cloud, and changes nothing there; what is printed is harmless."""
    async with Emulator(base_images=base_images) as cloud:
        if base_images:
            cloud.add_image(cloud.producer, name="\x1b[31mred [bold]", status="act\x07ive", os_distro="debian")
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mine": _described(cloud, cloud.producer)}}))
        ran = await anyio.to_thread.run_sync(lambda: demo("--cloud", "mine", cwd=tmp_path))
        methods = [request.method for request in cloud.requests]

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ("?[31mred [bold]" in ran.stdout) is base_images
    assert "\x1b" not in ran.stdout
    assert f"│ images           │ {5 if base_images else 0}" in ran.stdout
    assert methods == ["POST", *["GET"] * (len(methods) - 1)]


def test_demo_needs_a_cloud_that_there_is(tmp_path: Path) -> None:
    """A cloud that is not configured ends with a sentence, not with a traceback."""
    ran = demo("--cloud", "nowhere", cwd=tmp_path)

    assert ran.returncode == 1
    assert ran.stderr.startswith("ConfigurationError: ")
    assert "Traceback" not in ran.stderr
