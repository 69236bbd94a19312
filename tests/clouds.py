"""What a test needs of a cloud, and the clouds that have it: the embedded one in two dialects, and a real one."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol, Self

from disks import NOT_A_DISK, RAW_DISK, fixed_vhd
from real_cloud import RealCloud
from watch import Watch
from wire import Person, Wire

from aioimages import Client, Image, KeystonePassword, PollPolicy, RackspaceApiKey, Task
from aioimages.emulator import Account, Emulator

__all__ = ["CLOUDS", "QUICK", "Site", "World", "emulated", "real"]

# The clouds that `--cloud` knows, with the dialect of each.
CLOUDS = {"emulator-rackspace": "rackspace", "emulator-openstack": "openstack", "live": "openstack"}
QUICK = PollPolicy(first=0.02, growth=1.2, ceiling=0.2)


class Site(Protocol):
    """A cloud."""

    dialect: str
    auth_url: str
    region: str
    second_region: str
    producer: Person
    consumer: Person
    admin: Person
    emulator: Emulator | None

    def put_file(self, name: str, data: bytes) -> str:
        """Serve bytes to imports, and return what they are to import from."""

    async def wire(self, person: Person) -> Wire:
        """Sign somebody in, without the client."""

    async def revoke(self, tokens: Iterable[str]) -> None:
        """End tokens before their time."""

    async def clear(self) -> None:
        """Take away what a test has made."""


class _Emulated:
    """The embedded cloud, in one dialect."""

    def __init__(self, emulator: Emulator, dialect: str) -> None:
        self.emulator: Emulator | None = emulator
        self._emulator = emulator
        self.dialect = dialect
        self.auth_url = emulator.rackspace_auth_url if dialect == "rackspace" else emulator.keystone_auth_url
        self.region, self.second_region = ("DFW", "ORD") if dialect == "rackspace" else ("RegionOne", "RegionTwo")
        self.producer = _person(emulator.producer)
        self.consumer = _person(emulator.consumer)
        self.admin = _person(emulator.admin)

    def put_file(self, name: str, data: bytes) -> str:
        if self.dialect == "rackspace":
            self._emulator.put_object(self._emulator.producer, f"disks/{name}", data)
            return f"disks/{name}"
        return self._emulator.put_file(name, data)

    async def wire(self, person: Person) -> Wire:
        sign_in = Wire.rackspace if self.dialect == "rackspace" else Wire.keystone
        return await sign_in(self.auth_url, person, region=self.region)

    async def revoke(self, _: Iterable[str]) -> None:
        self._emulator.revoke_tokens()

    async def clear(self) -> None:
        """Nothing: the cloud goes with the test."""


def _person(account: Account) -> Person:
    return Person(
        username=account.username,
        password=account.password,
        api_key=account.api_key,
        project_id=account.tenant_id,
        project_name=account.project_name,
        user_id=account.user_id,
        application_credential_id=account.application_credential_id,
        application_credential_secret=account.application_credential_secret,
    )


class _Real:
    """A real Keystone, Swift, and Glance in two regions."""

    dialect = "openstack"

    def __init__(self, cloud: RealCloud) -> None:
        self.emulator: Emulator | None = None
        self._cloud = cloud
        self.auth_url = cloud.auth_url
        self.region, self.second_region = cloud.region, cloud.second_region
        self.producer, self.consumer, self.admin = (
            Person(
                username=account.username,
                password=account.password,
                project_id=account.project_id,
                project_name=account.project_name,
                user_id=account.user_id,
                application_credential_id=account.application_credential_id,
                application_credential_secret=account.application_credential_secret,
            )
            for account in (cloud.producer, cloud.consumer, cloud.admin)
        )

    def put_file(self, name: str, data: bytes) -> str:
        return self._cloud.put_file(name, data)

    async def wire(self, person: Person) -> Wire:
        return await Wire.keystone(self.auth_url, person, region=self.region)

    async def revoke(self, tokens: Iterable[str]) -> None:
        admin = await self.wire(self.admin)
        for token in tokens:
            await admin.revoke(self.auth_url, token)
        # Glance keeps what it knows of a token for a second.
        await asyncio.sleep(1.2)

    async def clear(self) -> None:
        admin = await self.wire(self.admin)
        for url in self._cloud.image_urls.values():
            await replace(admin, root=url).delete_all_images()


@asynccontextmanager
async def emulated(dialect: str, options: Mapping[str, Any]) -> AsyncIterator[Site]:
    """Run an embedded cloud of one's own, empty and fast."""
    async with Emulator(**{"base_images": False, **options}) as emulator:
        yield _Emulated(emulator, dialect)


@asynccontextmanager
async def real(cloud: RealCloud) -> AsyncIterator[Site]:
    """Use a real cloud, and leave it as it was."""
    site = _Real(cloud)
    yield site
    await site.clear()


class World:
    """A cloud with people in it, and clients of theirs.

    Attributes:
        site: The cloud.
        watch: What the clients have sent.
        clients: All clients that were made.
        producer: The client of somebody with images.
        consumer: The client of somebody to share them with.
        admin: The client of an administrator.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.dialect = site.dialect
        self.watch = Watch()
        self.clients: list[Client] = []
        self.producer, self.consumer, self.admin = (
            self.client(self.credentials(person)) for person in (site.producer, site.consumer, site.admin)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_clients()

    @property
    def emulator(self) -> Emulator:
        """The embedded cloud, for tests that run there only."""
        assert self.site.emulator is not None
        return self.site.emulator

    @property
    def importer(self) -> Client:
        """The client of somebody who may ask for tasks: on OpenStack an administrator."""
        return self.producer if self.dialect == "rackspace" else self.admin

    def credentials(self, person: Person) -> RackspaceApiKey | KeystonePassword:
        """Return what somebody usually signs in with."""
        if self.dialect == "rackspace":
            return RackspaceApiKey(person.username, person.api_key, auth_url=self.site.auth_url)
        return KeystonePassword(self.site.auth_url, person.username, person.password, project_name=person.project_name)

    def client(self, credentials: Any, **options: Any) -> Client:
        """Make a client that is closed at the end, and whose requests are watched."""
        settings = {"region": self.site.region, "poll": QUICK, "trace_configs": [self.watch.trace], **options}
        client = Client(credentials, **settings)
        self.clients.append(client)
        return client

    async def close_clients(self) -> None:
        """Close all clients."""
        for client in self.clients:
            await client.close()

    async def make_image(
        self,
        name: str = "an image",
        *,
        owner: Person | None = None,
        data: bytes | None = None,
        properties: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> Image:
        """Make an image in the way that the cloud has, with data where they are given."""
        person = owner or self.site.producer
        client = self.producer if person == self.site.producer else self.client(self.credentials(person))
        if self.dialect == "rackspace":
            image_id = self._plant(person, data, {"name": name, **attributes, **(properties or {})})
        else:
            formats = {"disk_format": "raw", "container_format": "bare"}
            image = await client.images.create(name=name, properties=properties, **{**formats, **attributes})
            image_id = image.id
            if data is not None:
                await (await self.site.wire(person)).upload(image_id, data)
        return await client.images.get(image_id)

    def _plant(self, person: Person, data: bytes | None, attributes: dict[str, Any]) -> str:
        accounts = (self.emulator.producer, self.emulator.consumer, self.emulator.admin)
        account = next(account for account in accounts if account.username == person.username)
        return self.emulator.add_image(account, region=self.site.region, data=data, **attributes)

    async def make_images(self, *names: str, **attributes: Any) -> list[Image]:
        """Make images one after the other."""
        return [await self.make_image(name, **attributes) for name in names]

    async def share(self, image: Image) -> None:
        """Share an image of the producer's with the consumer, who has not answered yet."""
        await self.producer.members.create(image.id, self.site.consumer.project_id)

    def import_source(self, *, good: bool = True) -> str:
        """Return what a disk can be imported from, or what cannot be imported."""
        if good:
            data = fixed_vhd() if self.dialect == "rackspace" else RAW_DISK
            return self.site.put_file(f"good-{uuid.uuid4()}.img", data)
        source = self.site.put_file(f"bad-{uuid.uuid4()}.img", NOT_A_DISK)
        return source if self.dialect == "rackspace" else f"{source}-is-not-there"

    async def import_disk(self, name: str = "imported", *, good: bool = True) -> Task:
        """Ask for the import of a disk, with success ahead or not."""
        return await self.importer.tasks.import_image(self.import_source(good=good), name=name)
