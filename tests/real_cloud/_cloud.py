"""The cloud as the tests see it."""

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from real_cloud._files import FileServer
from real_cloud._identity import Account, Identity
from real_cloud._install import Installed, install
from real_cloud._server import Gunicorn, Server, SwiftServer
from real_cloud._settings import REGIONS, Site, prepare_glance, prepare_keystone
from real_cloud._swift import ROLES, prepare_swift


@dataclass(frozen=True, kw_only=True)
class RealCloud:
    """A running cloud: two regions, one administrator, two ordinary users in projects of their own."""

    auth_url: str
    """Keystone, with `/v3`."""
    image_urls: Mapping[str, str]
    """Glance by region, as in the catalog: without a version."""
    object_url: str
    """Swift, without a version; the catalog has it with `/v1/AUTH_` and the project's id, in the first region only."""
    region: str
    second_region: str
    producer: Account
    """Role `member`; shares images."""
    consumer: Account
    """Role `member`; is given images."""
    admin: Account
    """May use `/v2/tasks`."""
    sdk_python: Path
    """A Python that can `import openstack`."""
    files: FileServer = field(repr=False)
    _servers: "_Servers" = field(repr=False)

    @classmethod
    @contextmanager
    def start(cls, root: Path) -> Iterator["RealCloud"]:
        """Install what is missing below `root`, start everything, and stop it at the end of the block."""
        installed = install(root)
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="real-cloud-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(folder))
            files = stack.enter_context(FileServer())
            servers = _Servers(data, stack)
            site = Site(
                environment=installed.cloud,
                data=data,
                password=secrets.token_hex(12),
                keystone_url=servers.keystone.url,
                glance_urls={region: server.url for region, server in servers.glance.items()},
                swift_url=servers.swift["proxy"].url,
                import_ports=(*(server.port for server in servers.glance.values()), files.port),
            )
            servers.launch(site)
            yield _fill(cls, site, installed, files, servers)

    def put_file(self, name: str, data: bytes) -> str:
        """Serve these bytes to imports; returns the URL that Glance may fetch."""
        return self.files.put(name, data)

    def log_tail(self) -> str:
        """The ends of the servers' logs."""
        return "\n".join(server.log_tail() for server in self._servers.all)


class _Servers:
    """The servers of a cloud, which are stopped with the stack."""

    def __init__(self, data: Path, stack: ExitStack) -> None:
        self.keystone = stack.enter_context(Gunicorn("keystone", data / "keystone.log"))
        self.glance = {
            region: stack.enter_context(Gunicorn(f"glance-{region}", data / f"glance-{region}.log"))
            for region in REGIONS
        }
        names = {role: f"swift-{role}" for role in ROLES}
        self.swift = {
            role: stack.enter_context(SwiftServer(name, data / f"{name}.log")) for role, name in names.items()
        }
        self.all: tuple[Server, ...] = (self.keystone, *self.glance.values(), *self.swift.values())

    def launch(self, site: Site) -> None:
        """Prepare and start them side by side; the others want Keystone only once they are asked something."""
        # Keystone takes longer than the other two together, and would take longer still beside both on two cores.
        with ThreadPoolExecutor(2) as pool:
            for outcome in [pool.submit(start, site) for start in (self._keystone, self._glance, self._swift)]:
                outcome.result()

    def _keystone(self, site: Site) -> None:
        environment = prepare_keystone(site)
        self.keystone.launch(site.environment / "bin" / "gunicorn", "keystone.wsgi.api:application", environment)
        self.keystone.wait()

    def _glance(self, site: Site) -> None:
        environments = prepare_glance(site)
        for region, server in self.glance.items():
            server.launch(site.environment / "bin" / "gunicorn", "glance.wsgi.api:application", environments[region])
        for server in self.glance.values():
            server.wait()

    def _swift(self, site: Site) -> None:
        configurations = prepare_swift(site, {role: server.port for role, server in self.swift.items()})
        for role, server in self.swift.items():
            server.launch(site.environment, configurations[role])
        for server in self.swift.values():
            server.wait()


def _fill(cls: type[RealCloud], site: Site, installed: Installed, files: FileServer, servers: _Servers) -> RealCloud:
    auth_url = f"{site.keystone_url}/v3"
    admin = Identity(auth_url, username="admin", password=site.password, project_name="admin")
    admin.add_region(REGIONS[1])
    admin.register("image", "glance", site.glance_urls)
    admin.register("object-store", "swift", {REGIONS[0]: f"{site.swift_url}/v1/AUTH_$(project_id)s"})
    accounts = {"admin": site.password}
    for name in ("producer", "consumer"):
        accounts[name] = secrets.token_hex(12)
        admin.add_member(name, accounts[name])
    signed = {
        name: Identity.account(auth_url, username=name, password=password, project_name=name)
        for name, password in accounts.items()
    }
    return cls(
        auth_url=auth_url,
        image_urls=site.glance_urls,
        object_url=site.swift_url,
        region=REGIONS[0],
        second_region=REGIONS[1],
        producer=signed["producer"],
        consumer=signed["consumer"],
        admin=signed["admin"],
        sdk_python=installed.sdk_python,
        files=files,
        _servers=servers,
    )
