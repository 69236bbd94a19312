"""What holds in every fault: nothing secret is shown, nothing stays open, and it ends in time."""

import asyncio
import logging
import pickle
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from watch import client_tasks
from wire import Person

from aioimages import AioImagesError, Client, KeystonePassword, RackspaceApiKey, RetryPolicy, TimeoutPolicy
from faults.proxy import FaultProxy, NetworkFaults, fault_proxy

__all__ = ["Stage", "Target", "until"]

# A test says `within=` where it may take longer, in seconds; a second more is for the machine.
_SECONDS = 20.0
_GRACE_SECONDS = 1.0
_SETTLING_SECONDS = 5.0
_OURS = ("aioimages", "aiohttp", "asyncio", "tenacity")


@dataclass
class Stage:
    """A cloud, a proxy before it that does things wrong, and clients behind that.

    Attributes:
        world: The cloud. What its own clients do, nothing hinders.
        proxy: The proxy.
        raised: Every error of the library's, in order.
        injected: How often something else than the proxy put the fault in: a test's own server, or its input.
    """

    world: World
    proxy: FaultProxy
    raised: list[AioImagesError]
    injected: int = 0

    @property
    def faults(self) -> NetworkFaults:
        """What goes wrong in the proxy."""
        return self.proxy.faults

    def credentials(self, person: Person) -> RackspaceApiKey | KeystonePassword:
        """Return what somebody signs in with, through the proxy."""
        auth_url = self.proxy.url(self.world.site.auth_url)
        if self.world.dialect == "rackspace":
            return RackspaceApiKey(person.username, person.api_key, auth_url=auth_url)
        return KeystonePassword(auth_url, person.username, person.password, project_name=person.project_name)

    def client(self, person: Person | None = None, **options: Any) -> Client:
        """Make a client behind the proxy, which is impatient unless told otherwise."""
        settings = {
            "retry": RetryPolicy(base=0.01, ceiling=0.1),
            "timeout": TimeoutPolicy(connect=2.0, read=2.0, call=10.0),
            **options,
        }
        return self.world.client(self.credentials(person or self.world.site.producer), **settings)

    @property
    def importer(self) -> Person:
        """Who may ask for tasks: on OpenStack an administrator."""
        return self.world.site.producer if self.world.dialect == "rackspace" else self.world.site.admin

    def secrets(self) -> set[str]:
        """Return what nobody may see: the keys of all people, and all tokens that were shown."""
        people = (self.world.site.producer, self.world.site.consumer, self.world.site.admin)
        keys = {key for one in people for key in (one.password, one.api_key, one.application_credential_secret)}
        tokens = {one.headers.get("X-Auth-Token", "") for one in self.proxy.requests}
        return {secret for secret in keys | tokens if secret}


@pytest.fixture
async def stage(
    world: World,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """Give a cloud in which something goes wrong, and see that the client bears it as it must."""
    raised: list[AioImagesError] = []

    initialize = AioImagesError.__init__

    def noted(self: AioImagesError, *args: Any, **options: Any) -> None:
        initialize(self, *args, **options)
        raised.append(self)

    monkeypatch.setattr(AioImagesError, "__init__", noted)
    caplog.set_level(logging.DEBUG)
    wire = await world.site.wire(world.site.producer)
    urls = [world.site.auth_url, wire.root, wire.objects_root]
    async with fault_proxy(urls) as proxy:
        stage = Stage(world, proxy, raised)
        tasks, files = _running(), _open_files()
        begun_at = time.monotonic()
        yield stage
        took = time.monotonic() - begun_at
        marker = request.node.get_closest_marker("fault")
        assert marker, "a test of a fault says which: @pytest.mark.fault(n)"
        _check_time(took, marker.kwargs.get("within", _SECONDS))
        _check_injected(stage)
        await _check_nothing_is_left(world, tasks, files)
        _check_secrets(stage, caplog.records)


async def until(happened: Callable[[], object]) -> None:
    """Wait until something has happened."""
    while not happened():  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0.002)


def _check_time(took: float, within: float) -> None:
    assert took <= within + _GRACE_SECONDS, f"it took {took:.1f} s, and may take {within:g} s"


def _check_injected(stage: Stage) -> None:
    assert stage.injected or stage.faults.all, "no fault was put in"
    silent = [fault for fault in stage.faults.all if not fault.hits]
    assert not silent, f"faults that never struck: {silent}"


def _open_files() -> set[str]:
    """Return the descriptors that are open, as their numbers and what they are."""
    found = set()
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(f"{number.name} {number.readlink()}")
    return found


def _running() -> set[asyncio.Task[object]]:
    """Return the tasks that run, pytest's own left out."""
    return {task for task in client_tasks() if "TestRunner" not in repr(task.get_coro())}


async def _check_nothing_is_left(world: World, tasks: set[asyncio.Task[object]], files: set[str]) -> None:
    limiters = [client._session._exchange._limiter for client in world.clients]
    assert not any(limiter.in_flight for limiter in limiters), "requests are still in flight"
    sessions = [client._http._session for client in world.clients]
    connectors = [session.connector for session in sessions if session is not None]
    assert not any(connector is not None and connector._acquired for connector in connectors), "connections are held"
    await world.close_clients()
    until = time.monotonic() + _SETTLING_SECONDS
    while time.monotonic() < until:
        left_tasks = {task for task in _running() - tasks if not task.done()}
        left_files = _open_files() - files
        if not left_tasks and not left_files:
            return
        await asyncio.sleep(0.02)
    assert not left_tasks, f"tasks that run still: {left_tasks}"
    assert not left_files, f"descriptors that are open still: {left_files}"


def _check_secrets(stage: Stage, records: list[logging.LogRecord]) -> None:
    secrets = stage.secrets()
    said = [record.getMessage() + str(record.__dict__) for record in records if record.name.startswith(_OURS)]
    for error in stage.raised:
        assert not _foreign(error), f"{error!r} carries {_foreign(error)}"
        said += _shown(error)
    leaks = [text[:500] for text in said if any(secret in text for secret in secrets)]
    assert not leaks, f"secrets are shown: {leaks}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _foreign(error: AioImagesError) -> list[BaseException]:
    """Return what aiohttp has raised and the error carries."""
    return [one for one in _chain(error) if type(one).__module__.startswith("aiohttp")]


def _shown(error: AioImagesError) -> list[str]:
    """Return everything that an error shows, wherever it is printed or sent."""
    shown = [repr(error), str(error), repr(error.args), repr(getattr(error, "__notes__", ())), repr(vars(error))]
    shown.append(pickle.dumps(error).decode("latin-1"))
    shown.extend("".join(traceback.format_exception(one)) for one in _chain(error))
    return shown


@dataclass
class Target:
    """Where a download goes to: a path in a folder of its own."""

    path: Path

    def data(self) -> bytes | None:
        """Return what stands under the final name, or `None`."""
        return self.path.read_bytes() if self.path.exists() else None

    def names(self) -> list[str]:
        """Return everything that is in the folder."""
        return sorted(path.name for path in self.path.parent.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Give an empty folder to download into."""
    folder = tmp_path / "target"
    folder.mkdir()
    return Target(folder / "web.img")
