"""Where the examples run: on the embedded cloud, or on yours.

They use the embedded one, unless `PLAYGROUND` is `yours`: then the cloud that `OS_CLOUD` or the other `OS_*` variables
name, where they make, change and leave images. `IMAGE_ID` then says which image of yours to work on,
`MEMBER_ID` whom to share it with, `MEMBER_CLOUD` how that account is called in `clouds.yaml`, `IMPORT_FROM` what to
import, `CONTAINER` where to export to, and `OTHER_REGION` where to move to.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs

from aioimages import Client, KeystonePassword, PollPolicy, RackspaceApiKey, connect
from aioimages.demo.disks import disks
from aioimages.emulator import Emulator

POLL = PollPolicy(first=0.1)


@attrs.frozen
class Playground:
    """A cloud to try things on: your account, a second account, a second region, and what there is to work with."""

    client: Client
    member: Client
    elsewhere: Client
    image_id: str
    member_id: str
    import_from: str
    container: str


@asynccontextmanager
async def embedded() -> AsyncIterator[Playground]:
    """Start the embedded cloud in Rackspace's dialect, with two accounts, an image and a disk in it."""
    async with Emulator() as cloud:
        producer, consumer, elsewhere = (
            Client(
                RackspaceApiKey(account.username, account.api_key, auth_url=cloud.rackspace_auth_url),
                region=region,
                poll=POLL,
            )
            for account, region in ((cloud.producer, "DFW"), (cloud.consumer, "DFW"), (cloud.producer, "ORD"))
        )
        disk = next(disks(1))
        image_id = cloud.add_image(cloud.producer, region="DFW", name="web", data=disk.data, os_distro="debian")
        cloud.put_object(cloud.producer, "disks/web.vhd", disk.data, region="DFW")
        cloud.create_container(cloud.producer, "exports", region="DFW")
        cloud.add_server(cloud.producer, region="DFW", name="web")
        async with producer, consumer, elsewhere:
            yield Playground(
                producer, consumer, elsewhere, image_id, cloud.consumer.tenant_id, "disks/web.vhd", "exports"
            )


@asynccontextmanager
async def embedded_openstack() -> AsyncIterator[Playground]:
    """Start the embedded cloud in OpenStack's dialect, with two accounts, an image with data, and a file at a URL."""
    async with Emulator() as cloud:
        producer, consumer, elsewhere = (
            Client(
                KeystonePassword(
                    cloud.keystone_auth_url, account.username, account.password, project_name=account.project_name
                ),
                region=region,
                poll=POLL,
            )
            for account, region in (
                (cloud.producer, "RegionOne"),
                (cloud.consumer, "RegionOne"),
                (cloud.producer, "RegionTwo"),
            )
        )
        image_id = cloud.add_image(cloud.producer, region="RegionOne", name="web", data=bytes(5_000_000))
        import_from = cloud.put_file("web.raw", bytes(5_000_000))
        async with producer, consumer, elsewhere:
            yield Playground(producer, consumer, elsewhere, image_id, cloud.consumer.tenant_id, import_from, "")


@asynccontextmanager
async def yours() -> AsyncIterator[Playground]:
    """Use the cloud that the environment names."""
    options = {"region": os.environ["OTHER_REGION"]} if "OTHER_REGION" in os.environ else {}
    async with (
        connect(poll=POLL) as client,
        connect(os.environ.get("MEMBER_CLOUD"), poll=POLL) as member,
        connect(poll=POLL, **options) as elsewhere,
    ):
        image_id, member_id, import_from, container = (
            os.environ.get(name, "") for name in ("IMAGE_ID", "MEMBER_ID", "IMPORT_FROM", "CONTAINER")
        )
        yield Playground(client, member, elsewhere, image_id, member_id, import_from, container)


def run(
    example: Callable[[Playground], Awaitable[None]],
    embedded: Callable[[], AbstractAsyncContextManager[Playground]] = embedded,
) -> None:
    """Run an example on the embedded cloud, or on yours where `PLAYGROUND` says so."""

    async def main() -> None:
        async with yours() if os.environ.get("PLAYGROUND") == "yours" else embedded() as place:
            await example(place)

    asyncio.run(main())
