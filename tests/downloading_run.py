"""A program that downloads an image: one to be killed before it is done, and started again."""

import asyncio
import json
import sys

from aioimages import Client, StaticToken


async def main() -> None:
    """Download what standard input asks for, and say that it is there."""
    what = json.loads(sys.stdin.readline())
    async with Client(StaticToken(what["token"], what["endpoint"])) as client:
        await client.schemas.image()
        print("begun", flush=True)  # noqa: T201  # whoever is to kill this reads it
        await client.images.download(what["image_id"], what["path"], resume=what["resume"])
    print("done", flush=True)  # noqa: T201


asyncio.run(main())
