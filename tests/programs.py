"""Programs that import many disks with a journal, to be ended before they are done, and started again."""

import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from clouds import World
from journals import person_who_imports

__all__ = ["NEVER", "order", "said_by", "started"]

PROGRAM = Path(__file__).parent / "importing_run.py"
NEVER = 40_000.0  # sooner than a token expires


def order(world: World, path: Path, names: Iterable[str], *, concurrency: int = 16) -> bytes:
    """Return what a program is to do: to import a disk under each name."""
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
            "names": list(names),
            "journal": str(path),
            "concurrency": concurrency,
        }
    ).encode()


@asynccontextmanager
async def started(what: bytes) -> AsyncIterator[Process]:
    """Start a program, which is about to begin; at the end of the block it is no more."""
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


async def said_by(process: Process, *, code: int = 0) -> dict[str, Any]:
    """Wait for the end of a program, which ends with this code, and return what it says."""
    assert process.stdout
    text = "".join([piece async for piece in TextReceiveStream(process.stdout)])
    assert await process.wait() == code
    said: dict[str, Any] = json.loads(text)
    return said
