"""The demo, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def demo(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the demo, without a terminal."""
    command = [sys.executable, "-W", "error", "-m", "aioimages.demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, cwd=cwd)


def test_demo_imports_fifty_disks() -> None:
    """It imports fifty disks, exports five, shares one, and is content when just the bad ones failed."""
    ran = demo()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "45 imported, 5 refused" in ran.stdout
    assert "│ tasks    │ 55" in ran.stdout
    assert "success  45  failure   5" in ran.stdout


def test_demo_needs_a_cloud_that_there_is(tmp_path: Path) -> None:
    """A cloud that is not configured ends with a sentence, not with a traceback."""
    ran = demo("--cloud", "nowhere", cwd=tmp_path)

    assert ran.returncode == 1
    assert ran.stderr.startswith("ConfigurationError: ")
    assert "Traceback" not in ran.stderr
