"""The directive `fault-table`: each fault, what the client does, and what shows it, taken from the tests."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults.matrix import FAULTS, Case, cases  # found there only

_HEAD = "| | fault | what the client does | tests |\n|--|--|--|--|"
_REAL = r"\*"


class FaultTable(SphinxDirective):
    """A row for each fault; one that no test puts in is an error."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        known = cases()
        untested = [number for number in FAULTS if not any(number in case.faults for case in known)]
        if untested:
            raise self.error(f"faults without a test: {untested}")
        rows = [_row(number, [case for case in known if number in case.faults]) for number in FAULTS]
        return self.parse_text_to_nodes("\n".join([_HEAD, *rows]))


def _row(number: int, tests: list[Case]) -> str:
    claims = "<br>".join(dict.fromkeys(case.claim for case in tests))
    names = "<br>".join(f"`{case.name}`{_REAL if case.is_live else ''}" for case in tests)
    return f"| {number} | {FAULTS[number]} | {claims} | {names} |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("fault-table", FaultTable)
    return {"parallel_read_safe": True}
