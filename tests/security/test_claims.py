"""The claims of the documentation are those of tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
NAMED = sorted(set(re.findall(r"`([a-z]+/\w+\.py)(?:::(\w+))?`", PAGE.read_text()))) if PAGE.exists() else []


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not there")
@pytest.mark.parametrize(("path", "name"), NAMED)
def test_named_tests(path: str, name: str) -> None:
    """Each test that `docs/security.md` names is there."""
    file = ROOT / "tests" / path
    assert file.exists()
    nodes = ast.walk(ast.parse(file.read_text()))
    functions = {node.name for node in nodes if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}
    assert not name or name in functions


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not there")
def test_all_are_named() -> None:
    """Each test of this folder stands behind a claim, or is one of a few that are about other tests."""
    for file in Path(__file__).parent.glob("test_*.py"):
        if file != Path(__file__):
            assert f"security/{file.name}" in PAGE.read_text()
