"""The floors: each module imports from floors below its own only, and the embedded cloud stands alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aioimages"
# From the ground up. Modules of one package share its floor.
FLOORS = [
    {"_secrets", "_text"},
    {"_formats", "_models", "_progress", "_times", "_version"},
    {"_errors"},
    {"_dialect", "_policy", "_call", "_proxies", "_reading", "_tls", "progress", "vhd"},
    {"_codec", "_experience"},
    {"_calls", "_fault"},
    {"_attempts", "_groups", "_http", "_lifetime", "_limiter", "_sharing"},
    {"_exchange", "_undoing"},
    {"_steps"},
    {"_auth"},
    {"_config", "_session"},
    {"_listing", "_outcomes"},
    {"_watching", "_finding"},
    {"_waiting", "_asking"},
    {"_transfer"},
    {"_resources"},
    {"_bulk"},
    {"_client"},
    {"workflows", "distributed"},
    {"__init__"},
]
# They use the client as everybody does, or not at all.
BESIDE = {"demo", "emulator"}
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
# Who may import what.
SOLE_IMPORTERS = {"aiohttp": {"_http"}, "cattrs": {"_codec"}, "tenacity": {"_policy"}, "distributed": {"distributed"}}

MODULES = sorted(PACKAGE.rglob("*.py"))


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {_module_name(path) for path in MODULES}


def _unit(path: Path) -> str:
    """Return the name that a module's floor has: of itself, or of the package that it is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide the floor"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & NAMES
            yield from inner or {str(node.module)}


def _imported_units(path: Path) -> set[str]:
    names = (name.split(".") for name in _imported(path))
    own = {name[1] if len(name) > 1 else "__init__" for name in names if name[0] == "aioimages"}
    return {name for name in own if name in LEVEL or name in BESIDE}


def test_every_module_has_its_floor() -> None:
    """Every module stands on a floor or beside the house, and every floor is inhabited."""
    assert {_unit(path) for path in MODULES} == LEVEL.keys() | BESIDE


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_imports_come_from_below(path: Path) -> None:
    """A module of the client imports from strictly lower floors, and neither the demo nor the embedded cloud."""
    unit = _unit(path)
    for other in _imported_units(path) - {unit}:
        assert other not in BESIDE or unit == "demo", f"{unit} imports {other}"
        assert unit in BESIDE or LEVEL[other] < LEVEL[unit], f"{unit} imports {other}, which is not below it"


@pytest.mark.parametrize("path", sorted((PACKAGE / "emulator").glob("*.py")), ids=_module_name)
def test_the_embedded_cloud_stands_alone(path: Path) -> None:
    """The embedded cloud shares nothing with the client: one wrong name in both would cancel out."""
    own = {name for name in _imported(path) if name == "aioimages" or name.startswith("aioimages.")}
    assert all(name.startswith("aioimages.emulator") for name in own)


@pytest.mark.parametrize("package", sorted(SOLE_IMPORTERS))
def test_one_module_for_each_package(package: str) -> None:
    """One module of the client knows aiohttp, one cattrs, and one tenacity."""
    importers = {
        _unit(path)
        for path in MODULES
        if _unit(path) in LEVEL and any(name.split(".")[0] == package for name in _imported(path))
    }
    assert importers == SOLE_IMPORTERS[package]


def test_anyio_from_the_transport_up() -> None:
    """The floors below the transport know of no loop: they are pure."""
    for path in MODULES:
        names = {name.split(".")[0] for name in _imported(path)}
        if _unit(path) in LEVEL and LEVEL[_unit(path)] < LEVEL["_http"]:
            assert not names & {"anyio", "asyncio"}, path


def test_no_imports_for_types_only() -> None:
    """Needing an import for types only means that a floor is wrong."""
    assert not [path for path in MODULES if "TYPE_CHECKING" in path.read_text()]


def test_no_cycles_inside_packages() -> None:
    """Modules of one package may import each other, but not in a circle."""
    graph = {
        _module_name(path): {name for name in _imported(path) if name.startswith("aioimages.")}
        for path in MODULES
    }  # fmt: skip
    graph = {name: {other for other in others if other in graph and other != name} for name, others in graph.items()}
    while graph:
        leaves = {name for name, others in graph.items() if not others & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


@pytest.mark.parametrize("path", MODULES, ids=_module_name)
def test_sizes(path: Path) -> None:
    """Modules have at most 400 lines, and functions 40 beside their docstrings."""
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) else None
            words = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
            arguments = node.body[0].lineno - node.lineno
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length - words - arguments <= 40, node.name
