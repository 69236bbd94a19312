"""What is done with the project, one session each: `nox -l` lists them, `nox -s NAME` runs one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def runs(python: str | Path) -> bool:
    """Say whether an interpreter starts and has what the tests need: pyenv leaves names on the path that do neither."""
    check = [str(python), "-c", "import ssl, sqlite3"]
    return (
        shutil.which(python) is not None
        and not subprocess.run(check, capture_output=True, check=False, timeout=60).returncode
    )


def is_reachable(version: str) -> bool:
    """Say whether the machine has this Python, and put it on the path where only pyenv knows it."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for place in (Path(sys.executable).parent, *sorted(pyenv.glob(f"{version}.*/bin"))):
        if not runs(name) and runs(place / name):
            os.environ["PATH"] = os.pathsep.join((str(place), os.environ["PATH"]))
    return runs(name)


SUPPORTED = [version for version in nox.project.python_versions(PROJECT) if "." in version]
INSTALLED = [version for version in SUPPORTED if is_reachable(version)]
NEWEST = INSTALLED[-1]
# Tests wait more than they compute, but those that measure time want a core each.
WORKERS = ["--numprocesses", "logical", "--maxprocesses", "4", "--dist", "worksteal"]
# Which branches of the package all tests must reach.
COVERAGE = ["--cov", "--cov-report", "term", "--cov-fail-under", "97"]


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session(python=SUPPORTED)
def tests(session: nox.Session) -> None:
    """Run the tests against the built wheel: on the newest Python all, on the others neither slow ones nor faults."""
    session.install(".[demo]", *group("tests"))
    options = COVERAGE if session.python == NEWEST else ["-m", "not slow and not fault"]
    session.run("pytest", *WORKERS, *(session.posargs or options))


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=NEWEST)
def types(session: nox.Session) -> None:
    """Check the types, and with two checkers what users see of them."""
    session.install("-e", ".[demo]", *group("types"))
    session.run("mypy")
    session.run("pyright")


@nox.session(python=NEWEST)
def audit(session: nox.Session) -> None:
    """Ask PyPI, or OSV with `-- -s osv`, whether anything that the library and its extras install is unsafe."""
    session.install(f".[{','.join(PROJECT['project']['optional-dependencies'])}]")
    installed = session.run("python", "-m", "pip", "freeze", "--exclude", "aioimages", silent=True)
    listed = Path(session.create_tmp()) / "installed.txt"
    listed.write_text(str(installed))
    session.install("pip-audit>=2.9")
    # Without `--strict`, what nobody could be asked about would pass for safe.
    session.run("pip-audit", "--strict", "--no-deps", "--disable-pip", "--requirement", str(listed), *session.posargs)


@nox.session(python=NEWEST)
def live(session: nox.Session) -> None:
    """Run the contract suite against a real Keystone, Glance and Swift, which it installs beside the project."""
    session.install(".[demo]", *group("tests"))
    session.run("pytest", "tests/contract", "tests/faults", "tests/live", "--cloud", "live", *session.posargs)


@nox.session(python=NEWEST)
def demo(session: nox.Session) -> None:
    """Show the main job on the embedded cloud, or with `-- --cloud NAME` its reading part on a cloud of yours."""
    session.install(".[demo]")
    session.run("python", "-m", "aioimages.demo", *session.posargs)


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """Build the documentation; what looks wrong to Sphinx is an error."""
    session.install(".[dask,demo]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs)


@nox.session(python=NEWEST)
def fuzz(session: nox.Session) -> None:
    """Give the codec and the reader of disks odd bytes for 20 minutes, or `-- --seconds N`, then try many examples."""
    session.install(".", *group("fuzz"))
    session.run("python", "tests/fuzz/fuzzing.py", *session.posargs)
    session.run("pytest", "tests/properties", "--hypothesis-profile", "fuzz")


@nox.session(python=NEWEST)
def bench(session: nox.Session) -> None:
    """Measure the client beside bare aiohttp, a plain socket, curl and the peers in one run, and print the ratios."""
    session.install(".", *group("bench"))
    session.run("python", "tests/bench/run.py", *session.posargs)


@nox.session(python=NEWEST)
def soak(session: nox.Session) -> None:
    """Use everything at once for half an hour, with one request in five going wrong, and account for every item."""
    session.install(".", "psutil>=6.0")
    session.run("python", "tests/soak/soak.py", *session.posargs)
