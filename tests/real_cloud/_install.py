"""What has to be on the machine: two virtual environments, made once and kept, and `qemu-img`."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from real_cloud._errors import RealCloudError
from real_cloud._run import run

_HERE = Path(__file__).parent
# Only versions that the pinned requirements were seen working with; newest first.
_INTERPRETERS = ("python3.12", "python3.11")
_PROBE = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"


class Installed(NamedTuple):
    """Where things are."""

    cloud: Path
    """The folder of the virtual environment of Keystone, Glance and Swift."""
    sdk_python: Path
    """A Python that can `import openstack`."""


def install(root: Path) -> Installed:
    """Install what is missing below `root`; a second run at the same time waits for the first."""
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "lock"):
        _qemu_utils()
        python = _interpreter()
        cloud = _cloud_environment(root / "cloud", python)
        sdk = _environment(root / "sdk", python, "sdk-requirements.txt", "sdk-constraints.txt")
    return Installed(cloud=cloud, sdk_python=sdk / "bin" / "python")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _interpreter() -> str:
    """The newest usable Python; a shim on the PATH counts only when it really runs."""
    tried = []
    for name in (*_INTERPRETERS, sys.executable):
        found = shutil.which(name)
        if found is None:
            continue
        try:
            version = run([found, "-c", _PROBE], timeout=20).strip()
        except RealCloudError:
            tried.append(f"{found} (does not run, or lacks ensurepip: on Debian, install python3-venv)")
            continue
        if f"python{version}" in _INTERPRETERS:
            return found
        tried.append(f"{found} ({version})")
    raise RealCloudError(f"Keystone, Glance and Swift need one of {', '.join(_INTERPRETERS)}; found: {tried or 'none'}")


def _cloud_environment(folder: Path, python: str) -> Path:
    """Swift's pyeclib comes with the library that it needs wherever there is a wheel of it."""
    try:
        return _environment(folder, python, "cloud-requirements.txt", "cloud-constraints.txt")
    except RealCloudError as error:
        if "pyeclib" not in str(error).lower():
            raise
        advice = "Swift needs pyeclib, and there is no wheel of it for this machine: to build one, install a C compiler"
        raise RealCloudError(f"{advice} and liberasurecode (Debian's liberasurecode-dev)\n{error}") from error


def _environment(folder: Path, python: str, requirements: str, constraints: str) -> Path:
    """Make a virtual environment, or keep the one that these very requirements have made."""
    wanted = _HERE / requirements
    limits = _HERE / constraints
    # The folder's path belongs to it: a virtual environment does not survive being moved.
    stamp = hashlib.sha256(wanted.read_bytes() + limits.read_bytes() + os.fsencode(folder.resolve())).hexdigest()
    mark = folder / "installed"
    if mark.is_file() and mark.read_text() == stamp and _runs(folder):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    run([python, "-m", "venv", folder], timeout=120)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-input"]
    run([*pip, "--requirement", wanted, "--constraint", limits], timeout=600)
    mark.write_text(stamp)
    return folder


def _runs(folder: Path) -> bool:
    """Whether the interpreter that it was made with is still there."""
    try:
        run([folder / "bin" / "python", "--version"], timeout=20)
    except RealCloudError:
        return False
    return True


def _qemu_utils() -> None:
    """Glance's import task inspects the file with `qemu-img`; without it every import fails."""
    if shutil.which("qemu-img"):
        return
    advice = "Glance needs `qemu-img`: install it (Debian and Ubuntu: `apt-get install qemu-utils`)"
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise RealCloudError(advice)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run([apt, "update", "-q"], timeout=180, environment=quiet)
        run([apt, "install", "-q", "-y", "--no-install-recommends", "qemu-utils"], timeout=300, environment=quiet)
    except RealCloudError as error:
        raise RealCloudError(f"{advice}; trying it failed: {error}") from error
    if shutil.which("qemu-img") is None:
        raise RealCloudError(advice)
