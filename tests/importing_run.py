"""A program that imports many disks with a journal: one to be ended before it is done, and started again."""

import asyncio
import json
import signal
import sys

import attrs

from aioimages import Client, ImportRequest, KeystonePassword, PollPolicy, RackspaceApiKey

LOST_AFTER = 0.5
INTERRUPTED = 130


def client_of(place: dict[str, str], concurrency: int) -> Client:
    """Make the client of whoever may import."""
    credentials = (
        RackspaceApiKey(place["username"], place["secret"], auth_url=place["auth_url"])
        if place["dialect"] == "rackspace"
        else KeystonePassword(place["auth_url"], place["username"], place["secret"], project_name=place["project_name"])
    )
    return Client(credentials, region=place["region"], poll=PollPolicy(first=0.1, ceiling=0.5), concurrency=concurrency)


async def main() -> None:
    """Import what standard input asks for, and say how far that went."""
    place = json.loads(sys.stdin.readline())
    requests = [ImportRequest(place["source"], name) for name in place["names"]]
    print("begun", flush=True)  # noqa: T201  # whoever is to end this reads it
    made: list[str] = []
    async with client_of(place, place["concurrency"]) as client:
        run = client.bulk.import_images(
            requests, journal=place["journal"], unique_names=place["dialect"] == "rackspace", lost_after=LOST_AFTER
        )
        async with run as outcomes:
            try:
                async for outcome in outcomes:
                    made.append(outcome.unwrap().image_id)  # noqa: PERF401  # what came counts if no more comes
            finally:
                report = {**attrs.asdict(outcomes.report), "text": str(outcomes.report)}
                print(json.dumps({"made": made, "report": report}), flush=True)  # noqa: T201


# Whoever runs in the background has its children ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(INTERRUPTED)
