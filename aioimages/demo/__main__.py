"""Show the main job: import many disks at once, export some, share one.

It starts the embedded cloud and works on that. With `--cloud NAME` it reads a cloud of `clouds.yaml`, and changes
nothing.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence

from aioimages import (
    AioImagesError,
    Client,
    ExportRequest,
    ImportRequest,
    Outcome,
    PollPolicy,
    RackspaceApiKey,
    Task,
    TaskFailedError,
    connect,
)
from aioimages.demo.disks import Disk, disks
from aioimages.demo.display import Display
from aioimages.emulator import Account, Emulator

REGION = "DFW"
POLL = PollPolicy(first=0.2, growth=1.3, ceiling=1.0)


def client_of(cloud: Emulator, account: Account) -> Client:
    """Make a client that signs in with a user name and an API key."""
    credentials = RackspaceApiKey(account.username, account.api_key, auth_url=cloud.rackspace_auth_url)
    return Client(credentials, region=REGION, poll=POLL)


async def watch(client: Client, display: Display, total: int, done: asyncio.Event) -> None:
    """Show how the imports go on, until they are done and shown as such."""
    with display.progress(total) as progress:
        while True:
            last = done.is_set()
            progress.update(Counter([task.status async for task in client.tasks.list(type="import")]))
            if last:
                return
            await asyncio.sleep(0.2)


async def import_disks(client: Client, display: Display, made: Sequence[Disk]) -> list[Outcome[ImportRequest, Task]]:
    """Import all disks at the same time."""
    done = asyncio.Event()
    watcher = asyncio.create_task(watch(client, display, len(made), done))
    requests = [ImportRequest(f"disks/{disk.name}.vhd", disk.name) for disk in made]
    try:
        async with client.bulk.import_images(requests) as outcomes:
            collected = [outcome async for outcome in outcomes]
    finally:
        done.set()
        await watcher
    return collected


def wrong(outcomes: Sequence[Outcome[ImportRequest, Task]], made: Sequence[Disk]) -> list[str]:
    """Return what is not as it should be: a good disk that failed, or a bad one that did not, or for another reason."""
    refusals = {disk.name: disk.refusal for disk in made}
    found = {
        outcome.key.name: outcome.error.code if isinstance(outcome.error, TaskFailedError) else outcome.error
        for outcome in outcomes
    }
    return [
        f"{name}: {found.get(name, 'lost')!r} in place of {code!r}"
        for name, code in refusals.items()
        if name not in found or found[name] != code
    ]


async def share(producer: Client, consumer: Client, consumer_id: str, image_id: str, display: Display) -> bool:
    """Share an image with a second account, which accepts it and then finds it among its own."""
    await producer.members.create(image_id, consumer_id)
    await consumer.members.update(image_id, consumer_id, "accepted")
    shared = await consumer.images.list(visibility="shared", member_status="accepted").collect()
    display.images("what the second account sees of it", shared)
    return image_id in {image.id for image in shared}


async def on_emulator(count: int, display: Display) -> int:
    """Run the whole demo, and return the exit code."""
    start = time.monotonic()
    made = list(disks(count))
    async with Emulator(task_seconds=(0.5, 4.0)) as cloud:
        for disk in made:
            cloud.put_object(cloud.producer, f"disks/{disk.name}.vhd", disk.data, region=REGION)
        cloud.create_container(cloud.producer, "exports", region=REGION)
        async with client_of(cloud, cloud.producer) as producer, client_of(cloud, cloud.consumer) as consumer:
            display.images("what there is", await producer.images.list().collect())
            display.say(f"importing {len(made)} disks, all at once:")
            outcomes = await import_disks(producer, display, made)
            for outcome in outcomes:
                if outcome.error:
                    display.say(f"  {outcome.key.name}: {outcome.error}")
            image_ids = [task.image_id for outcome in outcomes if (task := outcome.value) and task.image_id]
            display.say("exporting five of them:")
            async with producer.bulk.export_images(
                ExportRequest(image_id, "exports") for image_id in image_ids[:5]
            ) as exports:
                exported = [outcome.unwrap().export_location async for outcome in exports]
            for location in exported:
                display.say(f"  {location}")
            is_shared = await share(producer, consumer, cloud.consumer.tenant_id, image_ids[0], display)
        problems = wrong(outcomes, made)
        display.closing(
            {
                "images": f"{len(image_ids)} imported, {len(made) - len(image_ids)} refused",
                "tasks": str(len(made) + len(exported)),
                "seconds": f"{time.monotonic() - start:.1f}",
                "requests": str(len(cloud.requests)),
            },
        )
    for problem in problems:
        display.say(f"not as it should be: {problem}")
    return 0 if not problems and is_shared and all(exported) else 1


async def on_cloud(name: str, display: Display) -> int:
    """Read a cloud of `clouds.yaml`, and return the exit code."""
    start = time.monotonic()
    async with connect(cloud=name) as client:
        images = await client.images.list(max_items=20, sort="created_at:desc").collect()
        display.images(f"the newest images of {name}", images)
        if images:
            image = await client.images.get(images[0].id)
            display.say(repr(image))
            display.say(repr(dict(image.properties)))
        schema = await client.schemas.image()
    display.closing(
        {
            "images": str(len(images)),
            "known properties": str(len(schema.get("properties", {}))),
            "seconds": f"{time.monotonic() - start:.1f}",
        },
    )
    return 0


def positive(text: str) -> int:
    """Return a number of disks: with none there would be nothing to show."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main() -> int:
    """Run the demo as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m aioimages.demo", description=__doc__)
    parser.add_argument("--cloud", metavar="NAME", help="read this cloud of clouds.yaml; nothing is changed")
    parser.add_argument(
        "--disks", type=positive, default=50, metavar="N", help="how many disks to import (default: 50)"
    )
    arguments = parser.parse_args()
    display = Display()
    try:
        if arguments.cloud is not None:
            return asyncio.run(on_cloud(arguments.cloud, display))
        return asyncio.run(on_emulator(arguments.disks, display))
    except AioImagesError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
