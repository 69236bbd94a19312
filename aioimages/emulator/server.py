"""The embedded cloud: what tests and programs start, fill and look into."""

from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from aiohttp import web

from aioimages.emulator.accounts import ADMIN, CONSUMER, MFA, PRODUCER, Account
from aioimages.emulator.compute import CAPTURE_ENDS
from aioimages.emulator.data import activate
from aioimages.emulator.documents import new_document
from aioimages.emulator.faults import Faults
from aioimages.emulator.files import Memory
from aioimages.emulator.object_store import ObjectStore, Remote
from aioimages.emulator.objects import Shelf
from aioimages.emulator.recording import RecordedRequest
from aioimages.emulator.scripts import Script
from aioimages.emulator.service import Service
from aioimages.emulator.state import Region, Server, Settings, StoredImage, World
from aioimages.emulator.vhd import fixed_disk

__all__ = ["Emulator"]

_SHUTDOWN_SECONDS: Final = 0.1
_BASE_IMAGES: Final = (
    ("Ubuntu 14.04 LTS (Trusty Tahr)", "ubuntu", "14.04", 3_221_225_472),
    ("Debian 12 (Bookworm)", "debian", "12", 2_147_483_648),
    ("CentOS 7", "centos", "7", 2_684_354_560),
    ("Windows Server 2022", "windows", "2022", 17_179_869_184),
)


class Emulator:
    """A cloud in this process, with both dialects, several accounts and regions. Use it with `async with`.

    Args:
        port: The port to serve on; 0 is a free one.
        host: The address to serve on.
        base_images: Whether there are some public images.
        object_store: A real Swift that Cloud Files is to be in front of; without it objects are in memory.
        settings: `task_seconds` (a task takes so long, from and to), `task_lifetime_seconds` (then it expires),
            `token_seconds` (a token lives so long), `page_size_cap`, `page_size_default`, `vhd_limit_bytes` (how large
            a disk may be), `object_limit_bytes` (how large an object in memory may be), `requests_per_second` (more are
            refused), `hash_algorithm` (what uploaded data are digested with) and `seed` (of all chance).
    """

    producer: Account = PRODUCER
    consumer: Account = CONSUMER
    admin: Account = ADMIN
    mfa: Account = MFA

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        base_images: bool = True,
        object_store: ObjectStore | None = None,
        **settings: Any,
    ) -> None:
        self._world = World(Settings(**settings))
        self._is_elsewhere = object_store is not None
        self._storage = Memory(self._world) if object_store is None else Remote(object_store)
        self._service = Service(self._world, self._storage)
        self._address = (host, port)
        self._runner: web.AppRunner | None = None
        if base_images:
            self._make_base_images()

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(
            self._service.application(),
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, *self._address)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._world.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._world.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._storage.close()

    @property
    def rackspace_auth_url(self) -> str:
        """Where Rackspace Identity v2.0 is."""
        return f"{self._world.base_url}/rackspace/identity/v2.0"

    @property
    def keystone_auth_url(self) -> str:
        """Where Keystone v3 is."""
        return f"{self._world.base_url}/openstack/identity/v3"

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Who has an account."""
        return self._world.accounts

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions; `Region…` speak OpenStack's dialect, the others Rackspace's."""
        return tuple(self._world.regions)

    # What there is.

    def add_image(self, account: Account, *, region: str = "DFW", data: bytes | None = None, **attributes: Any) -> str:
        """Make an image that belongs to an account, with attributes in the wire's names, and return its id."""
        place = self._region(region)
        image_id = str(attributes.pop("id", None) or self._world.new_id())
        image = StoredImage(new_document(place, image_id, account.tenant_id, self._world.clock.moment()))
        if data is not None:
            activate(image, data)
        image.document.update(attributes, tags=list(attributes.get("tags", ())))
        place.images[image_id] = image
        return image_id

    def image(self, image_id: str) -> dict[str, Any]:
        """Return a copy of what is stored of an image."""
        for region in self._world.regions.values():
            if image_id in region.images:
                document = region.images[image_id].document
                return {**document, "tags": list(document["tags"])}
        raise KeyError(image_id)

    def create_container(self, account: Account, name: str, *, region: str = "DFW") -> None:
        """Make a container in Cloud Files."""
        self._shelf(account, region).make(name)

    def put_object(self, account: Account, path: str, data: bytes, *, region: str = "DFW") -> None:
        """Put an object into Cloud Files, at `container/object`; the container is made where it is missing."""
        shelf = self._shelf(account, region)
        shelf.make(path.partition("/")[0])
        shelf.put_data(path, data)

    def get_object(self, account: Account, path: str, *, region: str = "DFW") -> bytes:
        """Return an object of Cloud Files; of a large one all of its parts."""
        shelf = self._shelf(account, region)
        if shelf.find(path) is None:
            raise KeyError(path)
        return shelf.content(path)

    def objects(self, account: Account, container: str, *, region: str = "DFW") -> list[str]:
        """Return the names of a container's objects, in order; there are none in a container that is missing."""
        containers = self._shelf(account, region).containers()
        return sorted(containers[container].objects) if container in containers else []

    def add_server(self, account: Account, *, region: str = "DFW", name: str, disk: bytes | None = None) -> str:
        """Make a server that belongs to an account, and return its id.

        Its images get `disk` as their data, and without it a small VHD that can be imported again.
        """
        place = self._region(region)
        server = Server(self._world.new_id(), name, account.tenant_id, fixed_disk() if disk is None else disk)
        place.servers[server.id] = server
        return server.id

    def file_url(self, name: str) -> str:
        """Return where a file is served to anybody."""
        return f"{self._world.base_url}/files/{quote(name)}"

    def put_file(self, name: str, data: bytes) -> str:
        """Serve a file to anybody, and return where."""
        self._world.files[name] = data
        return self.file_url(name)

    # What happens.

    @property
    def faults(self) -> Faults:
        """Faults on demand."""
        return self._service.faults

    def script_task(
        self,
        *,
        seconds: float | None = None,
        status: str | None = None,
        message: str | None = None,
        count: int = 1,
    ) -> None:
        """Say how the next tasks go.

        Args:
            seconds: How long they take; `inf` is for ever.
            status: `failure`, or as it turns out.
            message: What the service then says.
            count: How many tasks go so.
        """
        self._service.board.scripts.add(Script(seconds, status, message, count))

    def script_capture(self, *, seconds: float | None = None, status: str = "active", count: int = 1) -> None:
        """Say how the next images of servers go.

        Args:
            seconds: How long they take; `inf` is for ever.
            status: How they end: `active`, `killed`, or `deleted`, as compute does when it fails.
            count: How many images go so.
        """
        if status not in CAPTURE_ENDS:
            raise ValueError(f"an image of a server ends as one of {', '.join(CAPTURE_ENDS)}, not as {status!r}")
        self._service.compute.scripts.add(Script(seconds, status, None, count))

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were issued so far."""
        self._service.tokens.revoke_all()

    def advance(self, seconds: float) -> None:
        """Move the cloud's clock on."""
        self._world.clock.advance(seconds)

    # What was asked.

    @property
    def requests(self) -> list[RecordedRequest]:
        """What was asked, in the order of the answers."""
        return self._service.recorder.requests

    @property
    def peak_in_flight(self) -> int:
        """The largest number of requests at a time."""
        return self._service.recorder.peak_in_flight

    def reset_peak(self) -> None:
        """Forget the largest number of requests at a time."""
        self._service.recorder.reset_peak()

    def count(self, method: str | None = None, path: str | None = None) -> int:
        """Return how many requests had this method, and a path in which this regular expression is found."""
        return self._service.recorder.count(method, path)

    def _shelf(self, account: Account, region: str) -> Shelf:
        if self._is_elsewhere:
            raise RuntimeError("the objects are in the object store that was given: ask it")
        return self._world.shelf(self._region(region), account)

    def _region(self, name: str) -> Region:
        if name not in self._world.regions:
            raise ValueError(f"there is no region {name!r}; there are {', '.join(self._world.regions)}")
        return self._world.regions[name]

    def _make_base_images(self) -> None:
        for name, region in self._world.regions.items():
            own: dict[str, Any] = (
                {"com.rackspace__1__visible_core": "1", "vm_mode": "hvm"} if region.is_rackspace else {}
            )
            for title, distro, version, size in _BASE_IMAGES:
                self.add_image(
                    ADMIN,
                    region=name,
                    name=title,
                    status="active",
                    visibility="public",
                    size=size,
                    disk_format="vhd" if region.is_rackspace else "qcow2",
                    container_format="ovf" if region.is_rackspace else "bare",
                    min_disk=20,
                    min_ram=512,
                    os_distro=distro,
                    os_version=version,
                    **own,
                )
