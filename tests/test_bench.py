"""The benchmark still runs: its figures are nobody's claim here, only that there are some for everything."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.slow

BENCH: Final = Path(__file__).parent / "bench"
# What to ask for, and what is measured then: in parts, so that the parts can be tried side by side.
PARTS: Final = {
    " images": [
        "list 50 images, pages of 1,000",
        "list 50 images, pages of 100",
        "list 50 images, pages of 100, 20 ms of thought for each",
        "get 15 images, 64 at a time",
        "rename 5 images, 64 at a time",
    ],
    " tasks": [
        "5 tasks, pages of 1,000",
        "5 tasks, pages of 100",
        "50 tasks, pages of 1,000",
        "50 tasks, pages of 100",
    ],
    " the ": ["import of the package", "sign in, list the first image"],
    " sha512": ["download 1 MiB to a file, sha512 checked", "upload 5 MiB from a file, sha512 compared"],
    " ticker": ["a ticker of 5 ms is late by"],
}

# The last column of the table on scaling.
_KEY: Final = r"^\|.*\| `([a-z][a-z0-9-]*)` \|$"


def program(name: str, *arguments: object) -> str:
    """Run a program of the benchmark."""
    command = [sys.executable, str(BENCH / name), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=200).stdout


@pytest.mark.parametrize("part", PARTS)
def test_everything_is_measured(part: str, tmp_path: Path) -> None:
    """A tiny run has figures of its workloads, prints them, and can put them on a page in place of others."""
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    printed = program("run.py", "--quick", "--no-peers", "--scale", 0.005, "--only", part, "--json", results)
    program("report.py", results, "--page", page)
    workloads: list[dict[str, Any]] = json.loads(results.read_text())["workloads"]

    assert [workload["name"] for workload in workloads] == PARTS[part]
    assert all(f"| {name}" in printed for name in PARTS[part])
    assert page.read_text() == f"before\n<!-- figures: begin -->\n\n{printed}\n<!-- figures: end -->\nafter\n"
    for workload in workloads:
        (figures,) = workload["rounds"]["aioimages"]
        assert all(figures[metric["key"]] > 0 for metric in workload["metrics"])
        if "requests a task" in [metric["label"] for metric in workload["metrics"]]:
            # Its POST and at least one look; listings are shared, or each task is looked at a few times.
            assert 2 <= figures["requests"] < 8


def test_scaling_is_measured(tmp_path: Path) -> None:
    """A tiny run has a figure above zero for each line, and can put the table on a page; one line can be had alone."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    program("scaling.py", "--scale", 0.01, "--rounds", 1, "--page", page)
    text = page.read_text()
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]

    assert text.startswith("before\n<!-- figures: begin -->\n\n")
    assert text.endswith("|\n\n<!-- figures: end -->\nafter\n")
    # A tiny run needs no more memory than what was there before.
    assert all(float(takes.replace(",", "")) > 0 for _, takes, unit, _ in table if unit != "bytes of memory")
    printed = program("scaling.py", "--scale", 0.01, "--rounds", 1, "--only", "request")
    assert re.findall(_KEY, printed, re.MULTILINE) == ["request"]


def test_scaling_is_documented() -> None:
    """The page on scaling has all lines of the table, in order."""
    page = (BENCH.parents[1] / "docs" / "scaling.md").read_text()
    code = "from scaling import _ROWS; print(*(row.key for row in _ROWS))"
    keys = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, timeout=60, cwd=BENCH
    ).stdout.split()

    assert re.findall(_KEY, page, re.MULTILINE) == keys


def test_the_parts_are_all() -> None:
    """No workload is left out above."""
    code = (
        "from transfers import transfers; from workloads import workloads; print(len(workloads(1)) + len(transfers(1)))"
    )
    counted = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, timeout=60, cwd=BENCH
    ).stdout

    assert int(counted) == sum(map(len, PARTS.values()))
