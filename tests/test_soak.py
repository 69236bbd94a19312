"""The soak still runs, and notices what it is there for."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow

SOAK: Final = Path(__file__).parent / "soak"
# A line of the first table, whose figure may be explained.
_FIGURE: Final = r"^\| ([a-z][^|]*) \| ([0-9,]+)(?: \(.*\))? \|$"
# What must not be; how long the loop stood still depends on the machine.
_RULES: Final = ("lost", "doubled", "left in the cloud", "errors of other classes", "wrong answers")


def test_short_soak() -> None:
    """A few seconds of both dialects, with a fifth of the requests struck, lose, double and leave nothing."""
    command = [sys.executable, str(SOAK / "soak.py"), "--minutes", "0.1", "--seed", "1", "--workers", "6"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    figures = {what: int(figure.replace(",", "")) for what, figure in re.findall(_FIGURE, ran.stdout, re.MULTILINE)}

    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert ran.stdout.partition("\n")[0].count("seed 1")
    assert figures["operations"] > 10
    assert 0.1 < figures["of these struck by a fault"] / figures["requests"] < 0.4
    assert [figures[rule] for rule in _RULES] == [0] * len(_RULES)


def test_what_the_judge_sees() -> None:
    """It tells what was lost, doubled, left or changed from what is as it was acknowledged."""
    code = """
from book import Book
from tallies import Tallies
tallies = Tallies()
book = Book(tallies)
for name in ("kept", "lost", "twice", "changed"):
    with book.change(name, status="active"):
        pass
with book.change("deleted", to=0):
    pass
book.begin("in doubt", 1)
active = {"status": "active"}
there = {"kept": active, "twice": active, "changed": {"status": "queued"}, "deleted": active, "in doubt": {}}
book.compare([*there.items(), ("twice", active), ("never made", active)])
print(sorted(tallies.broken.items()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=SOAK)

    assert ran.stdout == "[('doubled', 1), ('left', 2), ('lost', 2)]\n"
    assert {line.partition(":")[2].split(":")[0].strip() for line in ran.stderr.splitlines()} == {
        "lost", "twice", "changed", "deleted", "never made",
    }  # fmt: skip
