"""`clouds.yaml` is read as data, and what it says cannot run, swell or be overheard in silence."""

import logging
import os
import resource
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from aioimages import ConfigurationError
from aioimages._config import load

AUTH = {"auth_url": "https://cloud.example", "username": "me", "password": "a-secret-password"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [harm]",
        "!!python/object/new:os.mkdir [harm]",
        "!!python/object/apply:subprocess.check_output [[mkdir, harm]]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/tuple [1]",
        "!mine x",
    ],
)
def test_tags(tag: str, home: Path) -> None:
    """Nothing in the file is run, and no object is made of it: a tag of Python's is refused."""
    (home / "clouds.yaml").write_text(f"clouds:\n  mine:\n    auth: {tag}\n")
    with pytest.raises(ConfigurationError, match="cannot be read at line 3: ConstructorError"):
        load("mine", environ={})
    assert [path.name for path in home.iterdir()] == ["clouds.yaml"]


def _bomb(kind: str) -> str:
    """Make YAML of a few lines that stands for more than any memory holds."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]" if kind == "list" else "a0: &a0 {x: y}"]
    for number in range(1, 30):
        before = ", ".join([f"*a{number - 1}"] * 10)
        pairs = ", ".join(f"k{other}: *a{number - 1}" for other in range(10))
        content = {"list": f"[{before}]", "object": f"{{{pairs}}}", "merge": f"{{<<: [{before}]}}"}[kind]
        lines.append(f"a{number}: &a{number} {content}")
    return "\n".join([*lines, "clouds: {mine: {auth: {username: *a29, password: *a29}, verify: *a29, profile: *a29}}"])


@pytest.mark.parametrize(
    "text",
    [
        _bomb("list"),
        _bomb("object"),
        _bomb("merge"),
        "clouds: &a {mine: *a}",
        "clouds: &a [*a]",
        "clouds: {mine: {auth: &a {x: *a}}}",
        "clouds: " + "[" * 1_000,
        "clouds: " + "{a: " * 1_000,
        f"some: &some [{'x, ' * 1000}]\nall: [{'*some, ' * 101}]",
        "clouds: " + "9" * 5000,
        "clouds: {mine: {auth: {username: 1" + ":1" * 3000 + "}}}",
        "clouds: 2026-99-99",
        "clouds: {[a]: b}",
        "# " + "x" * 2**20,
    ],
    ids=lambda text: text[:30],
)
def test_files_beyond_measure(text: str, home: Path) -> None:
    """A file of over 1 MiB, or that stands for over 100,000 values, is an error, soon."""
    (home / "clouds.yaml").write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun_at = time.process_time()
    with pytest.raises(ConfigurationError):
        load("mine", environ={})
    assert time.process_time() - begun_at < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024


def test_anchors(home: Path) -> None:
    """Anchors and merges, as people write them, are understood."""
    (home / "clouds.yaml").write_text(
        "base: &base {auth_url: https://cloud.example, username: me, password: a-secret-password}\n"
        "clouds:\n  mine:\n    auth: {<<: *base, project_name: p}\n  yours:\n    auth: *base\n"
    )
    assert load("mine", environ={}).credentials.identity_url == "https://cloud.example/v3"
    assert load("yours", environ={}).credentials.identity_url == "https://cloud.example/v3"


KEYS: list[Any] = [
    "auth",
    "auth_type",
    "profile",
    "region_name",
    "regions",
    "verify",
    "insecure",
    "cacert",
    "cert",
    "key",
]
KEYS += ["interface", "endpoint_type", "image_endpoint_override", *AUTH, "token", "project_id", 5, None, "x"]
WORDS = some.sampled_from(["rackspace", "password", "x", ""])
VALUES = some.recursive(
    some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), WORDS),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(KEYS), inner, max_size=5),
    max_leaves=10,
)


def _as_dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


@given(VALUES, VALUES)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_files_of_any_shape(cloud: Any, whole: Any) -> None:
    """Whatever stands in the file, it is a cloud or a `ConfigurationError` without the password."""
    clouds = [cloud, {"auth": AUTH, **_as_dict(cloud)}]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clouds.yaml"
        for content in (*({"clouds": {"mine": one}} for one in clouds), {"clouds": whole}, whole):
            path.write_text(yaml.safe_dump(content))
            said = ""
            try:
                load("mine", environ={"OS_CLIENT_CONFIG_FILE": str(path)})
            except ConfigurationError as error:
                said = str(error)
            assert "a-secret-password" not in said


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a folder that every user of the machine can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes")
@pytest.mark.parametrize(
    ("mode", "folder_mode", "cloud", "is_told"),
    [
        (0o644, 0o755, {"auth": AUTH}, True),
        (0o604, 0o755, {"auth": {"token": "x"}}, True),
        (0o600, 0o755, {"auth": AUTH}, False),
        (0o640, 0o755, {"auth": AUTH}, False),
        (0o644, 0o700, {"auth": AUTH}, False),
        (0o644, 0o755, {"auth": {key: value for key, value in AUTH.items() if key != "password"}}, False),
        (0o644, 0o755, {"auth": None}, False),
    ],
)
def test_files_that_everybody_can_read(  # noqa: PLR0917  # parameters of the test
    mode: int,
    folder_mode: int,
    cloud: dict[str, Any],
    is_told: bool,  # noqa: FBT001
    public: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file with secrets that every user of the machine can read is told of in one line of the log."""
    path = public / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"mine": cloud}}))
    path.chmod(mode)
    public.chmod(folder_mode)
    caplog.set_level(logging.DEBUG)
    try:
        load("mine", environ={"OS_CLIENT_CONFIG_FILE": str(path)})
    except ConfigurationError:
        pass
    finally:
        public.chmod(stat.S_IRWXU)
    told = [record.getMessage() for record in caplog.records]
    assert told == ([f"{path} has secrets in it and can be read by every user of this machine"] if is_told else [])
