"""What the embedded cloud remembers."""

import asyncio
import random
import uuid
from collections.abc import Coroutine
from typing import Any, Final

import attrs

from aioimages.emulator.accounts import ADMIN, CONSUMER, MFA, PRODUCER, Account
from aioimages.emulator.clock import Agenda, Clock
from aioimages.emulator.objects import Shelf

__all__ = [
    "IMPORT_METHODS",
    "OPENSTACK_REGIONS",
    "RACKSPACE_REGIONS",
    "STORES",
    "WEB_STORE",
    "Region",
    "Server",
    "Settings",
    "StoredImage",
    "World",
]

RACKSPACE_REGIONS: Final = ("DFW", "ORD", "IAD")
OPENSTACK_REGIONS: Final = ("RegionOne", "RegionTwo")
# Where an OpenStack region keeps data, its default first; the store whose data stay where they are, at a URL; how it
# imports, and what an image must be for that.
STORES: Final = ("fast", "cheap")
WEB_STORE: Final = "web"
IMPORT_METHODS: Final = {
    "glance-direct": "uploading",
    "web-download": "queued",
    "glance-download": "queued",
    "copy-image": "active",
}


@attrs.frozen(kw_only=True)
class Settings:
    """How the cloud behaves. Times are in seconds."""

    task_seconds: tuple[float, float] = (0.05, 0.2)
    task_lifetime_seconds: float = 172800.0
    token_seconds: float = 86400.0
    page_size_cap: int | None = None
    page_size_default: int | None = None
    vhd_limit_bytes: int = 40 * 2**30
    object_limit_bytes: int = 5 * 2**30
    requests_per_second: float | None = None
    hash_algorithm: str = "sha512"
    seed: int = 0


@attrs.define(eq=False)
class StoredImage:
    """An image: its document in the wire's names, its data, its members, and what is being done with it."""

    document: dict[str, Any]
    data: bytes | None = None
    staged: bytes | None = None
    members: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    imports: list[dict[str, Any]] = attrs.field(factory=list)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.document["id"])

    def is_owned_by(self, account: Account) -> bool:
        """Say whether it belongs to an account, or the account may act as if it did."""
        return account.is_admin or self.document.get("owner") == account.tenant_id

    def is_visible_to(self, account: Account) -> bool:
        """Say whether an account may look it up."""
        return (
            self.is_owned_by(account)
            or self.document["visibility"] in {"public", "community"}
            or self.document.get("owner") is None
            or account.tenant_id in self.members
        )


@attrs.define(eq=False)
class Server:
    """A server, and whether an image of it is being made."""

    id: str
    name: str
    owner: str
    disk: bytes = attrs.field(repr=False)
    is_captured: bool = False


@attrs.define(eq=False)
class Region:
    """One region's images, tasks, objects and servers."""

    name: str
    dialect: str
    images: dict[str, StoredImage] = attrs.field(factory=dict)
    deleted: set[str] = attrs.field(factory=set)
    tasks: dict[str, Any] = attrs.field(factory=dict)
    shelves: dict[str, Shelf] = attrs.field(factory=dict)
    servers: dict[str, Server] = attrs.field(factory=dict)

    @property
    def is_rackspace(self) -> bool:
        """Whether it speaks Rackspace's dialect."""
        return self.dialect == "rackspace"

    def files_account(self, account: Account) -> str:
        """Return what an account is called in Cloud Files."""
        return account.files_account if self.is_rackspace else f"AUTH_{account.tenant_id}"


@attrs.define(eq=False)
class World:
    """Everything: the clock, the accounts, the regions, and the files that are served to anybody."""

    settings: Settings
    clock: Clock = attrs.field(factory=Clock)
    agenda: Agenda = attrs.field(factory=Agenda)
    accounts: tuple[Account, ...] = (PRODUCER, CONSUMER, ADMIN, MFA)
    regions: dict[str, Region] = attrs.field(factory=dict)
    files: dict[str, bytes] = attrs.field(factory=dict)
    chance: random.Random = attrs.field(init=False)
    base_url: str = ""
    background: set["asyncio.Task[None]"] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.settings.seed)
        for name in RACKSPACE_REGIONS:
            self.regions[name] = Region(name, "rackspace")
        for name in OPENSTACK_REGIONS:
            self.regions[name] = Region(name, "openstack")

    def shelf(self, region: Region, account: Account) -> Shelf:
        """Return the containers of an account in a region."""
        return region.shelves.setdefault(account.tenant_id, Shelf(self.clock))

    async def settle(self) -> None:
        """Do what is due. What needs to wait for nothing is done when this returns."""
        works = self.agenda.due(self.clock.now())
        for work in works:
            self.start(work())
        if works:
            await asyncio.sleep(0)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside answering requests."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def stop(self) -> None:
        """End what is being done beside answering requests."""
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)

    def new_id(self) -> str:
        """Return a new UUID; the same seed gives the same ones."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
