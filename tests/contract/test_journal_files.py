"""A journal as a file: what is in it, what is not, and what can be wrong with it."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from clouds import World
from journals import disks, imported, person_who_imports, rows, tasks_made, until
from watch import client_tasks

from aioimages import (
    ImportRequest,
    JournalError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal is to be."""
    return tmp_path / "run.db"


# Other journals, and none at all.


async def test_another_run(world: World, path: Path) -> None:
    """A journal of other work is refused, and what differs is said."""
    requests = disks(world, 3)
    await imported(world, requests, path)
    with pytest.raises(JournalError, match="1 of these 2 items are not in it, and 2 of its 3 are not among these"):
        await imported(world, [requests[0], ImportRequest(requests[0].import_from, "new")], path)
    with pytest.raises(JournalError, match="of a run of kind import, not map"):
        async with world.importer.bulk.map(world.importer.images.get, ["a"], journal=path):
            pass
    elsewhere = world.client(world.credentials(person_who_imports(world)), region=world.site.second_region)
    with pytest.raises(JournalError, match="is the journal of a run on http"):
        await imported(world, requests, path, client=elsewhere)
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 3


def _another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE mine (x)")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")


def _scribbled(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE item SET step = 'nonsense'")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


@emulator
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.write_bytes(b"this is no database " * 100), "is no journal"),
        (_another_program, "of another program"),
        (_newer, "of format 99, made by a newer"),
        (_scribbled, "is damaged: 'nonsense'"),
        (_torn, "run.db (is damaged|cannot be used)"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "run.db (is damaged|cannot be used)"),
        (_folder, "run.db cannot be used: unable to open"),
    ],
    ids=["text", "another program", "newer", "scribbled", "torn", "cut", "folder"],
)
@openstack
async def test_no_journal_at_all(world: World, path: Path, damage: Any, says: str) -> None:
    """What is no journal, or a damaged one, is refused before anything is done, and left as it is."""
    requests = disks(world, 3)
    await imported(world, requests, path)
    damage(path)
    before = _content(path)
    world.watch.clear()
    with pytest.raises(JournalError, match=says):
        await imported(world, requests, path)
    assert world.watch.requests == []
    assert before == _content(path)


@emulator
@openstack
async def test_result_that_cannot_be_read(world: World, path: Path) -> None:
    """A result that was changed by hand ends the run: it is the error of the journal, not of an item."""
    requests = disks(world, 2)
    await imported(world, requests, path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE item SET result = '{}' WHERE position = 2")
    with pytest.raises(JournalError, match="the result of its item 2 cannot be read"):
        await imported(world, requests, path)


@emulator
@openstack
async def test_folder_that_is_not_there(world: World, tmp_path: Path) -> None:
    """A journal that cannot be made is an error before anything is done."""
    requests = disks(world, 1)
    with pytest.raises(JournalError, match="cannot be used: unable to open"):
        await imported(world, requests, tmp_path / "missing" / "run.db")
    assert tasks_made(world) == 0


@emulator
async def test_two_runs(world: World, path: Path) -> None:
    """A second run in the same process cannot have the journal of one that goes on, by no name of it."""
    requests = disks(world, 2)
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with world.importer.bulk.import_images(requests, journal=path) as outcomes:
        for name in (path, link):
            with pytest.raises(JournalError, match=r"run\.db is held by another run"):
                await imported(world, requests, name)
        assert [outcome.ok async for outcome in outcomes] == [True] * 2
    _, report = await imported(world, requests, link)
    assert report.resumed == 2


@emulator
@openstack
async def test_two_processes(world: World, path: Path) -> None:
    """Another process that holds the journal keeps it, until it ends: also by SIGKILL."""
    requests = disks(world, 2)
    program = (
        "import pathlib, sys, time; from aioimages._bulk.store import Store; "
        "Store(pathlib.Path(sys.argv[1])).open(); print('held', flush=True); time.sleep(60)"
    )
    async with await anyio.open_process([sys.executable, "-c", program, str(path)], stderr=None) as other:
        assert other.stdout
        assert await BufferedByteReceiveStream(other.stdout).receive_until(b"\n", 100) == b"held"
        with pytest.raises(JournalError, match="held by another run"):
            await imported(world, requests, path)
        other.kill()
    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 2


@emulator
@openstack
@pytest.mark.parametrize("pages", [1, 4, 14])
async def test_full_disk(world: World, path: Path, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full ends the whole run before any further step, and the run goes on when there is room."""
    requests = disks(world, 60)
    connect: Any = sqlite3.connect

    def connect_to_a_small_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    before = client_tasks()
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_to_a_small_disk)
        with pytest.raises(JournalError, match="database or disk is full"):
            await imported(world, requests, path)
    assert client_tasks() <= before
    made = tasks_made(world)
    assert made == 0 if pages == 1 else made <= 60

    done, _ = await imported(world, requests, path)
    assert [outcome.ok for outcome in done] == [True] * 60
    assert tasks_made(world) == 60


@emulator
async def test_nothing_to_do(world: World, path: Path) -> None:
    """No items are no outcomes, and a journal all the same."""
    for _ in range(2):
        done, report = await imported(world, [], path)
        assert (done, report.total, report.open) == ([], 0, 0)
    assert rows(path) == []
    with pytest.raises(JournalError, match="1 of these 1 items are not in it"):
        await imported(world, disks(world, 1), path)


@pytest.mark.parametrize("journal", [5, b"run.db", True, object()])
async def test_journal_that_is_no_path(world: World, journal: Any) -> None:
    """What is no path is refused before anything is done."""
    for begin in (
        lambda: world.importer.bulk.import_images([], journal=journal),
        lambda: world.importer.bulk.map(world.importer.images.get, ["a"], journal=journal),
    ):
        with pytest.raises(TypeError, match="journal is the path of a file"):
            begin()


async def test_bad_input_comes_first(world: World, path: Path) -> None:
    """What is wrong with the requests or the options is said before the journal is made."""
    text: Any = "x"
    bulk, source = world.importer.bulk, world.import_source()
    good = [ImportRequest(source, "web")]
    for begin, error, says in (
        (lambda: bulk.import_images([*good, ImportRequest(source, " ")], journal=path), ValueError, "name is empty"),
        (lambda: bulk.import_images([ImportRequest("nowhere", "a")], journal=path), ValueError, "imports from"),
        (lambda: bulk.import_images(good, unique_names=True), ValueError, "give a journal"),
        (lambda: bulk.import_images(good, journal=path, lost_after=-1), ValueError, "lost_after"),
        (lambda: bulk.import_images(good, journal=path, timeout=text), TypeError, "timeout"),
        (lambda: bulk.import_images(good, journal=""), ValueError, "journal is the path"),
        (lambda: bulk.map(bulk.map, ["a", 5], journal=path), TypeError, "keys are str, not int"),  # type: ignore[arg-type]
    ):
        with pytest.raises(error, match=says):
            begin()
    assert list(path.parent.iterdir()) == []


# What is in it.


@emulator
@openstack
async def test_secrets(world: World, path: Path) -> None:
    """Neither user nor password nor signature of a URL comes into the journal or into an error."""
    good = world.import_source()
    address = good.partition("://")[2]
    secret = f"http://canary-user:canary-password@{address}?temp_url_sig=canary-signature#canary-fragment"
    requests = [ImportRequest(secret, f"disk-{number}") for number in range(6)]
    world.emulator.script_task(status="failure", message=f"cannot fetch {secret!r}, see {secret}", count=3)
    world.emulator.faults.status(400, body=f"no access to {secret}".encode(), method="POST", path="/tasks$", times=1)
    done, _ = await imported(world, requests, path)
    keys = [*done, *(await imported(world, requests, path))[0]]
    async with world.importer.bulk.map(_fail, [secret], journal=path.with_name("map.db")) as outcomes:
        await anext(outcomes)
    said = [str(outcome.error) + repr(outcome) for outcome in keys]
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir()).decode(errors="replace")
    assert "cannot fetch" in kept
    assert "canary" not in kept + " ".join(said)


async def _fail(key: str) -> None:
    raise LookupError(f"cannot work on {key}")


@emulator
async def test_readable(world: World, path: Path) -> None:
    """The journal can be read while the run goes on, and says what is in work."""
    requests = disks(world, 5)
    world.emulator.script_task(seconds=30, count=5)
    async with world.importer.bulk.import_images(requests, journal=path):
        await until(path, "awaiting", 5)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            assert file.execute("SELECT kind, version FROM run").fetchall() == [("import", 1)]
            assert file.execute("SELECT step, count(*) FROM item GROUP BY step").fetchall() == [("awaiting", 5)]
            (found,) = file.execute("SELECT name FROM item WHERE task_id IS NOT NULL AND position = 1").fetchone()
            assert found == "disk-0"
    assert {file.name for file in path.parent.iterdir()} == {"run.db", "run.db-lock"}
