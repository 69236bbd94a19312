"""Fault 18: a program is killed in the middle of a download, whenever that is.

`pytest tests/faults/test_killed.py --kills 200 -s` kills it more often than the usual run of all tests does.
"""

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from clouds import World

from faults.conftest import Target

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.clouds("emulator"),
    pytest.mark.dialects("openstack"),
    pytest.mark.slow,
    pytest.mark.fault(18),
]

PROGRAM = Path(__file__).parents[1] / "downloading_run.py"
KILLS = 10
SIZE = 24 * 2**20


@asynccontextmanager
async def downloading(what: dict[str, object]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program, which is about to download; at the end of the block it is no more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(PROGRAM)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps(what).encode() + b"\n")
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"begun\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def seconds_of_one(what: dict[str, object]) -> float:
    """Let a program come to its end, and return how long its download takes."""
    async with downloading(what) as process:
        begun_at = time.monotonic()
        assert process.stdout
        assert await process.stdout.readline() == b"done\n"
        return time.monotonic() - begun_at


@pytest.mark.timeout(1800)
async def test_killed_at_any_moment(world: World, target: Target, request: pytest.FixtureRequest) -> None:
    """The file is as it was or whole; what was begun stands beside it, and the next download goes on or begins anew."""
    kills, chance = request.config.getoption("--kills") or KILLS, random.Random(18)
    data = random.Random(1).randbytes(SIZE)
    image = await world.make_image(data=data)
    wire = await world.site.wire(world.site.producer)
    path = target.path
    part = path.with_name(f".web.img.{image.id}.part")
    what = {"token": wire.token, "endpoint": wire.root, "image_id": image.id, "path": str(path), "resume": True}
    longest = max([await seconds_of_one(what) for _ in range(2)])

    met: Counter[str] = Counter()
    while met.total() < kills:
        old = chance.choice([None, b"old"])
        path.unlink(missing_ok=True)
        if old is not None:
            path.write_bytes(old)
        async with downloading({**what, "resume": chance.random() < 0.5}) as process:
            await asyncio.sleep(chance.uniform(0, longest))
            with suppress(ProcessLookupError):
                process.kill()
        left = target.data()
        assert left in {old, data}
        assert set(target.names()) <= {path.name, part.name}
        if process.returncode == -signal.SIGKILL:
            begun = f"{part.stat().st_size * 4 // SIZE} quarters" if part.exists() else "nothing"
            met["a whole file" if left == data else begun] += 1

    await seconds_of_one(what)
    assert target.data() == data
    assert target.names() == [path.name]
    print(f"{kills} kills, which met {dict(sorted(met.items()))}")  # noqa: T201  # with -s, for a person
