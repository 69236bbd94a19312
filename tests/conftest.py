"""The clouds that tests run on: `--cloud` chooses them, markers say which tests hold for which."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from clouds import CLOUDS, World, emulated, real
from hypothesis import HealthCheck, settings
from real_cloud import RealCloud
from recorder import Recorder

# The same examples each time, and no limit for one: machines are busy. The session `fuzz` tries many others.
settings.register_profile(
    "check", derandomize=True, max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", settings.get_profile("check"), derandomize=False, max_examples=1000)
settings.load_profile("check")

ROOT = Path(__file__).resolve().parents[1] / ".real-cloud"
DEFAULT_CLOUDS = ["emulator-rackspace,emulator-openstack"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--cloud` and `--kills`."""
    known = ", ".join(CLOUDS)
    parser.addoption("--kills", type=int, help="how often to kill a bulk run that has a journal, or a download")
    parser.addoption("--cloud", action="append", default=[], metavar="NAMES", help=f"clouds to run on: {known}")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the markers, and check the clouds' names."""
    config.addinivalue_line("markers", "dialects(*names): the dialects of the API that the test holds for")
    config.addinivalue_line("markers", "clouds(*names): the clouds that the test holds for")
    config.addinivalue_line("markers", "emulator(**options): how the embedded cloud of the test is set up")
    config.addinivalue_line("markers", "fault(*numbers, within=20): the faults of the matrix that the test puts in")
    config.addinivalue_line("markers", "last: runs when all others have run")
    config.addinivalue_line("markers", "slow: takes seconds")
    unknown = set(_chosen(config)) - CLOUDS.keys()
    if unknown:
        raise pytest.UsageError(f"--cloud knows {', '.join(CLOUDS)}, not {', '.join(sorted(unknown))}")


def _chosen(config: pytest.Config) -> list[str]:
    given = config.getoption("--cloud") or DEFAULT_CLOUDS
    return [name.strip() for names in given for name in names.split(",")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test that asks for a cloud run on each one that was chosen."""
    if "cloud_name" in metafunc.fixturenames:
        metafunc.parametrize("cloud_name", _chosen(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what does not hold for a cloud, and put what must run last there."""
    left_out = [item for item in items if not _holds(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if _holds(item)), key=lambda item: bool(item.get_closest_marker("last")))


def _holds(item: pytest.Item) -> bool:
    name = item.callspec.params.get("cloud_name") if hasattr(item, "callspec") else None
    if name is None:
        return True
    dialects = item.get_closest_marker("dialects")
    clouds = item.get_closest_marker("clouds")
    return (dialects is None or CLOUDS[name] in dialects.args) and (
        clouds is None or any(name.startswith(prefix) for prefix in clouds.args)
    )


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what aiohttp knows."""
    return "asyncio"


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """Note which methods the tests call."""
    recorder = Recorder()
    with recorder.recording():
        yield recorder


@pytest.fixture(scope="session")
def real_cloud() -> Iterator[RealCloud]:
    """Start a real Keystone, Glance and Swift, once."""
    with RealCloud.start(ROOT) as cloud:
        yield cloud


@pytest.fixture
def chosen_cloud(cloud_name: str, request: pytest.FixtureRequest) -> RealCloud | None:
    """Return the real cloud where the test is to run there, started only then."""
    if cloud_name != "live":
        return None
    request.getfixturevalue("recorder")
    cloud: RealCloud = request.getfixturevalue("real_cloud")
    return cloud


@pytest.fixture
async def world(
    cloud_name: str,
    chosen_cloud: RealCloud | None,
    request: pytest.FixtureRequest,
    anyio_backend: str,  # noqa: ARG001  # makes this fixture run in the test's loop
) -> AsyncIterator[World]:
    """Give the test a cloud with people in it."""
    marker = request.node.get_closest_marker("emulator")
    options = marker.kwargs if marker else {}
    opening = real(chosen_cloud) if chosen_cloud else emulated(CLOUDS[cloud_name], options)
    async with opening as site, World(site) as world:
        yield world
