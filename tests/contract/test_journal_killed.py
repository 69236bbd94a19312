"""A program that is killed, again and again, amid a bulk run: in the end everything is done once.

`pytest tests/contract/test_journal_killed.py --kills 100` kills it more often than the usual run of all tests does.
"""

import random
from collections import Counter
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from clouds import World
from journals import rows, tasks_made
from programs import NEVER, order, said_by, started

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.slow]

IMPORTS = 300
KILLS = 4


@pytest.mark.timeout(1800)
async def test_killed_again_and_again(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """However often a run is killed, each disk is imported once."""
    kills, chance, path = request.config.getoption("--kills") or KILLS, random.Random(5), tmp_path / "run.db"
    # Where requests have no ids, each name is wanted twice.
    names = [f"disk-{number // 2 if world.dialect == 'rackspace' else number}" for number in range(IMPORTS)]
    what = order(world, path, names)
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
    async with started(what) as process:
        said = await said_by(process)

    assert tasks_made(world) == IMPORTS
    assert len(set(said["made"])) == IMPORTS
    async with aclosing(aiter(world.importer.images.list(page_size=100))) as images:
        found = {image.id: image.name async for image in images}
    assert found.keys() == set(said["made"])
    assert Counter(found.values()) == Counter(names)
    assert rows(path) == ["done"] * IMPORTS
    assert {"asking", "awaiting"} <= met.keys()
    print(f"{kills} kills, which met {dict(met)}; in the end {said['report']['text']}")  # noqa: T201  # with -s, for a person
