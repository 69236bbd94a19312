"""What the package offers."""

import inspect
import re
import subprocess
import sys
from importlib.metadata import requires, version

import pytest

import aioimages
from aioimages import emulator, vhd

PUBLIC = [name for name in aioimages.__all__ if not name.startswith("_")]


def test_exports_are_sorted_and_there() -> None:
    """Every name that is offered is there, once, in order."""
    assert aioimages.__all__ == sorted(set(aioimages.__all__))
    for module in (aioimages, emulator, vhd):
        assert not [name for name in module.__all__ if not hasattr(module, name)]


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings(name: str) -> None:
    """Every public class and function, and each of its public methods, says what it is for."""
    thing = getattr(aioimages, name)
    members = inspect.getmembers(thing, inspect.isfunction) if inspect.isclass(thing) else []
    own = [member for member_name, member in members if not member_name.startswith("_")]
    assert not [part for part in (thing, *own) if not inspect.getdoc(part)]


def test_version() -> None:
    """The package knows its version, and the installed one is the same."""
    assert version("aioimages") == aioimages.__version__


def test_few_dependencies() -> None:
    """What everybody must install is what the project stands on, and nothing else."""
    needed = {re.split(r"[<>]", line)[0] for line in requires("aioimages") or [] if "extra ==" not in line}
    assert needed == {"aiohttp", "anyio", "attrs", "cattrs", "orjson", "tenacity"}


def test_import_without_extras() -> None:
    """Importing the package needs no extra, starts nothing, and leaves the embedded cloud and the demo alone."""
    program = (
        "import sys; sys.modules.update({name: None for name in ('yaml', 'rich')});"
        "import aioimages; loaded = [name for name in sys.modules if name.startswith('aioimages.')];"
        "assert not [name for name in loaded if 'emulator' in name or 'demo' in name], loaded"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], check=False, timeout=60, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
