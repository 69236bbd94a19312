"""A program that imports many disks with a journal: one to be killed, and started again."""

import asyncio
import json
import sys

from aioimages import Client, ImportRequest, KeystonePassword, PollPolicy, RackspaceApiKey

LOST_AFTER = 0.5


def client_of(place: dict[str, str]) -> Client:
    """Make the client of whoever may import."""
    credentials = (
        RackspaceApiKey(place["username"], place["secret"], auth_url=place["auth_url"])
        if place["dialect"] == "rackspace"
        else KeystonePassword(place["auth_url"], place["username"], place["secret"], project_name=place["project_name"])
    )
    return Client(credentials, region=place["region"], poll=PollPolicy(first=0.1, ceiling=0.5), concurrency=16)


async def main() -> None:
    """Import what standard input asks for, and say how that ended."""
    place = json.loads(sys.stdin.readline())
    requests = [ImportRequest(place["source"], name) for name in place["names"]]
    print("begun", flush=True)  # noqa: T201  # whoever is to kill this reads it
    async with (
        client_of(place) as client,
        client.bulk.import_images(
            requests, journal=place["journal"], unique_names=place["dialect"] == "rackspace", lost_after=LOST_AFTER
        ) as outcomes,
    ):
        made = [outcome.unwrap().image_id async for outcome in outcomes]
    print(json.dumps({"made": made, "report": str(outcomes.report)}), flush=True)  # noqa: T201


asyncio.run(main())
