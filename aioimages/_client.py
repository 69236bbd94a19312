"""The client: where the parts are put together."""

import re
import ssl as _ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from aioimages import _config, _http
from aioimages._asking import Asker
from aioimages._attempts import OnAttempt, Teller
from aioimages._auth.credentials import Credentials, service_url
from aioimages._auth.tokens import TokenSource
from aioimages._bulk import Bulk
from aioimages._calls.identity import INTERFACES
from aioimages._dialect import dialect_named
from aioimages._exchange import Exchange
from aioimages._lifetime import Lifetime
from aioimages._limiter import Limiter
from aioimages._policy import ConcurrencyPolicy, PollPolicy, RetryPolicy, TimeoutPolicy, count
from aioimages._proxies import Proxies
from aioimages._resources.discovery import Info, Stores
from aioimages._resources.images import Images
from aioimages._resources.members import Members
from aioimages._resources.objects import Objects
from aioimages._resources.schemas import Schemas
from aioimages._resources.servers import Servers
from aioimages._resources.tasks import Tasks
from aioimages._session import Endpoint, Session
from aioimages._tls import TlsOptions
from aioimages._version import __version__
from aioimages._waiting import Waiter

__all__ = ["Client", "connect"]

P = TypeVar("P")


class Client:
    """A cloud's images, for one account in one region.

        async with Client(RackspaceApiKey("user", "key"), region="DFW") as client:
            async for image in client.images.list():
                print(image.name)

    It signs in with the first call. It belongs to the event loop of that call, and any number of coroutines may share
    it. Where `async with` does not fit, call `close()`.

    Attributes:
        dialect: Which dialect of the API the cloud speaks: `rackspace` or `openstack`.
        images: Images, their tags and their states.
        members: Whom images are shared with.
        tasks: Imports and exports.
        schemas: The JSON schemas of what the service knows.
        info: What the service can do, and what quotas there are.
        stores: Where the service keeps image data.
        objects: Cloud Files (Swift).
        servers: Cloud Servers, to capture images from.
        bulk: Many at once.
    """

    dialect: str
    images: Images
    members: Members
    tasks: Tasks
    schemas: Schemas
    info: Info
    stores: Stores
    objects: Objects
    servers: Servers
    bulk: Bulk

    def __init__(
        self,
        credentials: Credentials,
        *,
        region: str | None = None,
        interface: str = "public",
        endpoint: str | None = None,
        dialect: str | None = None,
        session: _http.Session | None = None,
        timeout: TimeoutPolicy | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        concurrency: int | ConcurrencyPolicy = 64,
        cacert: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        insecure: bool = False,
        ssl: _ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        trace_configs: Sequence[_http.TraceConfig] = (),
        user_agent: str | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> None:
        """Make a client. Nothing is sent yet.

        Args:
            credentials: Who signs in.
            region: The region, such as `DFW`; otherwise the user's own.
            interface: Which endpoints of the catalog to use: `public`, `internal` (Rackspace's ServiceNet) or `admin`.
            endpoint: The image service's URL, in place of the catalog's.
            dialect: `rackspace` or `openstack`, where the credentials do not tell.
            session: An aiohttp session whose connections to use. It stays yours; nothing else of it is used.
            timeout: How long requests may take.
            retry: How often requests are repeated.
            poll: How often the state of work on the server is looked at.
            concurrency: How many requests may be in flight, as a number or with more to say.
            cacert: A file of the certificate authorities to trust.
            cert: A file of the client's own certificate.
            key: A file of that certificate's key, where it is in another one.
            insecure: Trust any server. Whoever sits on the wire then sees your token.
            ssl: A context that says all this.
            proxy: The URL of an HTTP proxy.
            trust_env: Use the proxies that the environment's variables name.
            trace_configs: aiohttp's own hooks.
            user_agent: What to call your program; the library's name follows it.
            on_attempt: Is called with an `Attempt` after each request, in the event loop: do nothing long. What it
                raises is raised by the call that the request belongs to.

        Raises:
            TypeError: An argument of the wrong type.
            ValueError: An argument that cannot be.
        """
        if isinstance(credentials, type) or not hasattr(credentials, "sign_in"):
            raise TypeError(f"credentials are such as RackspaceApiKey(…), not {_named(credentials)}")
        timeout = _policy("timeout", timeout, TimeoutPolicy)
        self._http = _http.Http(
            timeout=timeout,
            tls=TlsOptions(context=ssl, cacert=cacert, cert=cert, key=key, insecure=insecure),
            proxies=Proxies(
                None if proxy is None else service_url("proxy", proxy, may_name_user=True), trust_env=trust_env
            ),
            trace_configs=trace_configs,
            user_agent=_full_user_agent(user_agent),
            borrowed=session,
        )
        self._lifetime = Lifetime()
        places = _places(concurrency)
        self._exchange = Exchange(
            self._http, Limiter(places), _policy("retry", retry, RetryPolicy), timeout, Teller(on_attempt)
        )
        run = Session(
            self._exchange,
            TokenSource(credentials, self._exchange),
            self._lifetime,
            dialect=dialect_named(dialect) if dialect else credentials.dialect,
            endpoint=_image_endpoint(credentials, endpoint, region, interface),
            concurrency=places.most,
        )
        self.dialect = run.dialect.name
        self._session = run
        waiter = Waiter(run, _policy("poll", poll, PollPolicy))
        asker = Asker(run, timeout)
        self.images = Images(run, waiter, asker)
        self.members = Members(run)
        self.tasks = Tasks(run, waiter, asker)
        self.schemas = Schemas(run)
        self.info = Info(run)
        self.stores = Stores(run)
        self.objects = Objects(run.beside("object-store"))
        self.servers = Servers(run.beside("compute"))
        self.bulk = Bulk(run, waiter, asker, self.images)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def project_id(self) -> str | None:
        """Return the id of the project (tenant) that the client acts for, and whose images it owns.

        It is `None` where the sign-in does not tell, as with `StaticToken`.
        """
        return await self._session.project_id()

    async def close(self) -> None:
        """Close the connections. Calls on their way end with `ClientClosedError`. Closing twice does no harm."""
        self._lifetime.end()
        await self._http.close()
        self._exchange.end()


def _named(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _image_endpoint(credentials: Credentials, url: str | None, region: str | None, interface: str) -> Endpoint:
    if interface not in INTERFACES:
        raise ValueError(f"interface is public, internal or admin, not {interface!r}")
    if region is not None and (not isinstance(region, str) or not region.strip()):
        raise ValueError(f"region is a name such as 'DFW', not {region!r}")
    given = credentials.endpoint if url is None else url
    return Endpoint(
        "image",
        region=region,
        interface=interface,
        identity_url=credentials.identity_url,
        url=None if given is None else service_url("endpoint", given),
    )


def _policy(name: str, policy: P | None, kind: type[P]) -> P:
    if policy is not None and not isinstance(policy, kind):
        raise TypeError(f"{name} is a {kind.__name__}(…), not {_named(policy)}")
    return policy or kind()


def _places(concurrency: int | ConcurrencyPolicy) -> ConcurrencyPolicy:
    if isinstance(concurrency, ConcurrencyPolicy):
        return concurrency
    return ConcurrencyPolicy(most=count("concurrency", concurrency, least=1))


def _full_user_agent(program: str | None) -> str:
    own = f"aioimages/{__version__}"
    if program is not None and not re.fullmatch(r"[!-~]+( [!-~]+)*", program):
        raise ValueError(f"user_agent is a name of visible ASCII characters, not {program!r}")
    return f"{program} {own}" if program else own


def connect(cloud: str | None = None, **overrides: Any) -> Client:
    """Make a client of a cloud that `clouds.yaml`, `secure.yaml` and the `OS_*` variables describe.

    Args:
        cloud: A name in `clouds.yaml`; otherwise `OS_CLOUD`, the `OS_*` variables, or the only cloud of the file.
        overrides: Options of `Client` that count more than what is configured.

    Raises:
        ConfigurationError: There is no such cloud, or what is said of it cannot work.
    """
    configured = _config.load(cloud)
    return Client(configured.credentials, **{**configured.options, **overrides})
