"""A program that is killed, again and again, amid a bulk run: in the end everything is done once.

`pytest tests/contract/test_journal_killed.py --kills 100` kills it more often than the usual run of all tests does.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from clouds import World
from journals import person_who_imports, rows, tasks_made

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.slow]

PROGRAM = Path(__file__).parents[1] / "killed_run.py"
IMPORTS = 300
NEVER = 40_000.0  # sooner than a token expires


def order(world: World, path: Path) -> bytes:
    """Return what the program is to do. Where requests have no ids, each name is wanted twice."""
    person = person_who_imports(world)
    rackspace = world.dialect == "rackspace"
    return json.dumps(
        {
            "dialect": world.dialect,
            "auth_url": world.site.auth_url,
            "region": world.site.region,
            "username": person.username,
            "secret": person.api_key if rackspace else person.password,
            "project_name": person.project_name,
            "source": world.import_source(),
            "names": [f"disk-{number // 2 if rackspace else number}" for number in range(IMPORTS)],
            "journal": str(path),
        }
    ).encode()


@asynccontextmanager
async def started(what: bytes) -> AsyncIterator[Process]:
    """Start the program, which is about to begin; at the end of the block it is no more."""
    async with await anyio.open_process([sys.executable, "-W", "error", str(PROGRAM)], stderr=None) as process:
        assert process.stdin
        assert process.stdout
        try:
            await process.stdin.send(what + b"\n")
            with anyio.fail_after(60):
                assert (await process.stdout.receive()).startswith(b"begun")
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def said_in_the_end(what: bytes) -> dict[str, Any]:
    """Let the program come to its end, and return what it says."""
    async with started(what) as process:
        assert process.stdout
        text = "".join([piece async for piece in TextReceiveStream(process.stdout)])
        assert await process.wait() == 0
    said: dict[str, Any] = json.loads(text)
    return said


@pytest.mark.timeout(1800)
async def test_killed_again_and_again(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """However often a run is killed, each disk is imported once."""
    kills, chance, path = request.config.getoption("--kills"), random.Random(5), tmp_path / "run.db"
    what = order(world, path)
    # So that kills meet items on every step: answers come late, or what they answer is done late; and until the last
    # kill there are tasks that work.
    for number in range(IMPORTS):
        world.emulator.faults.delay(chance.uniform(0, 0.1), method="POST", path="/tasks$")
        world.emulator.faults.delay_reply(chance.uniform(0, 0.1), method="POST", path="/tasks$")
        world.emulator.script_task(seconds=NEVER if number < 3 else chance.uniform(0.1, 1.0 + kills))
    met: Counter[str] = Counter()
    for _ in range(kills):
        async with started(what) as process:
            await anyio.sleep(chance.uniform(0, 1.2))
            assert process.returncode is None
        met.update(set(rows(path)))
    world.emulator.advance(NEVER)
    said = await said_in_the_end(what)

    assert tasks_made(world) == IMPORTS
    assert len(set(said["made"])) == IMPORTS
    async with aclosing(aiter(world.importer.images.list(page_size=100))) as images:
        found = {image.id: image.name async for image in images}
    assert found.keys() == set(said["made"])
    assert Counter(found.values()) == Counter(json.loads(what)["names"])
    assert rows(path) == ["done"] * IMPORTS
    assert {"asking", "awaiting"} <= met.keys()
    print(f"{kills} kills, which met {dict(met)}; in the end {said['report']}")  # noqa: T201  # with -s, for a person
