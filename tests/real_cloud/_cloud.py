"""The cloud as the tests see it."""

import secrets
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from real_cloud._files import FileServer
from real_cloud._identity import Account, Identity
from real_cloud._install import Installed, install
from real_cloud._server import Server
from real_cloud._settings import REGION, Site, prepare_glance, prepare_keystone


@dataclass(frozen=True, kw_only=True)
class RealCloud:
    """A running cloud: one region, one administrator, two ordinary users in projects of their own."""

    auth_url: str
    """Keystone, with `/v3`."""
    image_url: str
    """Glance, as in the catalog: without a version."""
    region: str
    producer: Account
    """Role `member`; shares images."""
    consumer: Account
    """Role `member`; is given images."""
    admin: Account
    """May use `/v2/tasks`."""
    sdk_python: Path
    """A Python that can `import openstack`."""
    files: FileServer = field(repr=False)
    _servers: tuple[Server, ...] = field(repr=False)

    @classmethod
    @contextmanager
    def start(cls, root: Path) -> Iterator["RealCloud"]:
        """Install what is missing below `root`, start everything, and stop it at the end of the block."""
        installed = install(root)
        with ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="real-cloud-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(folder))
            files = stack.enter_context(FileServer())
            keystone = stack.enter_context(Server("keystone", data / "keystone.log"))
            glance = stack.enter_context(Server("glance", data / "glance.log"))
            site = Site(
                environment=installed.cloud,
                data=data,
                password=secrets.token_hex(12),
                keystone_url=keystone.url,
                glance_url=glance.url,
                import_ports=(glance.port, files.port),
            )
            _launch(site, keystone, glance)
            yield _fill(cls, site, installed, files, (keystone, glance))

    def put_file(self, name: str, data: bytes) -> str:
        """Serve these bytes to imports; returns the URL that Glance may fetch."""
        return self.files.put(name, data)

    def log_tail(self) -> str:
        """The ends of the servers' logs."""
        return "\n".join(server.log_tail() for server in self._servers)


def _launch(site: Site, keystone: Server, glance: Server) -> None:
    """Prepare and start both side by side; Glance wants Keystone only once it is asked something."""

    def start_keystone() -> None:
        environment = prepare_keystone(site)
        keystone.launch(site.environment / "bin" / "gunicorn", "keystone.wsgi.api:application", environment)
        keystone.wait()

    def start_glance() -> None:
        environment = prepare_glance(site)
        glance.launch(site.environment / "bin" / "gunicorn", "glance.wsgi.api:application", environment)
        glance.wait()

    with ThreadPoolExecutor(2) as pool:
        for outcome in [pool.submit(start_keystone), pool.submit(start_glance)]:
            outcome.result()


def _fill(
    cls: type[RealCloud], site: Site, installed: Installed, files: FileServer, servers: tuple[Server, ...]
) -> RealCloud:
    auth_url = f"{site.keystone_url}/v3"
    admin = Identity(auth_url, username="admin", password=site.password, project_name="admin")
    admin.register("image", "glance", site.glance_url, REGION)
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
        image_url=site.glance_url,
        region=REGION,
        producer=signed["producer"],
        consumer=signed["consumer"],
        admin=signed["admin"],
        sdk_python=installed.sdk_python,
        files=files,
        _servers=servers,
    )
