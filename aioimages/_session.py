"""The one way through: token, endpoint, exchange; and one renewal of the token when it was refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aioimages._attempts import Trail
from aioimages._auth.catalog import find_endpoint, has_version, refuse_plain_http, without_version
from aioimages._auth.tokens import TokenSource
from aioimages._call import Call, Replay
from aioimages._calls.identity import versions
from aioimages._dialect import Dialect
from aioimages._errors import DecodeError, EndpointNotFoundError, StatusError, UnauthorizedError
from aioimages._exchange import Exchange
from aioimages._http import Stream
from aioimages._lifetime import Lifetime, TimeLimit
from aioimages._limiter import Rank
from aioimages._models import Token

__all__ = ["Endpoint", "Session"]

T = TypeVar("T")


class Endpoint:
    """Where a service of a cloud is to be reached.

    Args:
        service_type: What the catalog calls the service.
        region: The region, where one is asked for.
        interface: Which of the service's endpoints.
        identity_url: Where the catalog came from.
        url: Where the service is, whatever the catalog says.
    """

    def __init__(
        self, service_type: str, *, region: str | None, interface: str, identity_url: str, url: str | None = None
    ) -> None:
        self._service_type = service_type
        self._region = region
        self._interface = interface
        self._identity_url = identity_url
        self._given = url
        self._found: str | None = None
        self._finding = asyncio.Lock()

    def of(self, service_type: str) -> "Endpoint":
        """Return where another service is, in the same region."""
        return Endpoint(service_type, region=self._region, interface=self._interface, identity_url=self._identity_url)

    async def url(self, token: Token, exchange: Exchange) -> str:
        """Return the URL, found in the token's catalog once."""
        if self._found is None:
            async with self._finding:
                if self._found is None:
                    root = self._given or self._in_catalog(token)
                    # Only the image service is asked which versions it has: the catalog names those of the others.
                    self._found = await _versioned(root, exchange) if self._service_type == "image" else root
        return self._found

    def _in_catalog(self, token: Token) -> str:
        found = find_endpoint(token, self._service_type, region=self._region, interface=self._interface)
        refuse_plain_http(found, self._identity_url)
        return found


async def _versioned(root: str, exchange: Exchange) -> str:
    """Complete a URL that does not name the API's version, once the service has said that it serves version 2.

    The links of its answer are not used: behind a proxy they name hosts that only the service itself can reach.
    """
    if has_version(root):
        return root
    try:
        served = await exchange.perform(versions(), root)
    except (StatusError, DecodeError):
        # Some proxies show nothing at the root; the first call will tell.
        return f"{root}/v2"
    if not any(version.startswith("v2") for version in served):
        raise EndpointNotFoundError(f"the image service at {root} serves {', '.join(served)}, not version 2")
    return f"{root}/v2"


class Session:
    """Runs calls to one service of a cloud."""

    def __init__(
        self,
        exchange: Exchange,
        tokens: TokenSource,
        lifetime: Lifetime,
        *,
        dialect: Dialect,
        endpoint: Endpoint,
        concurrency: int,
        rank: Rank = Rank.IN_TURN,
    ) -> None:
        self.dialect = dialect
        self.concurrency = concurrency
        self.lifetime = lifetime
        self.retry = exchange.retry
        self.retrying = exchange.retrying
        self.timeout = exchange.timeout
        self.tell = exchange.tell
        self._exchange = exchange
        self._tokens = tokens
        self._endpoint = endpoint
        self._rank = rank

    def beside(self, service_type: str) -> "Session":
        """Return a session with another service of the same cloud and region, which shares all but the endpoint."""
        return self._like(self._endpoint.of(service_type), self._rank)

    def ranked(self, rank: Rank) -> "Session":
        """Return a session whose calls go ahead of those of lower ranks."""
        return self._like(self._endpoint, rank)

    def _like(self, endpoint: Endpoint, rank: Rank) -> "Session":
        return Session(
            self._exchange,
            self._tokens,
            self.lifetime,
            dialect=self.dialect,
            endpoint=endpoint,
            concurrency=self.concurrency,
            rank=rank,
        )

    @property
    def requests(self) -> int:
        """How many requests the client has sent, to all services together."""
        return self._exchange.requests

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._tokens.renewable

    async def project_id(self) -> str | None:
        """Return the id of the project (tenant) that is signed in to, where the sign-in tells it."""
        with self.lifetime.span():
            return (await self._tokens.get()).project_id

    async def run(self, call: Call[T], trail: Trail | None = None) -> T:
        """Return what the answer to a call says.

        Args:
            call: What to ask.
            trail: Where to note what its tries come to.

        Raises:
            AioImagesError: Whatever went wrong; the classes say what.
        """
        trail = trail or Trail()
        with self.lifetime.span():
            with self._exchange.limit(call) as limit:
                return await self._authorized(self._exchange.perform_within, limit, call, trail)
            error = self._exchange.out_of_time(call, trail)
            self.tell(trail)
            raise error

    async def open(self, call: Call[Any], trail: Trail) -> Stream:
        """Return the answer to a call while its body is on its way. Close it.

        Args:
            call: What to ask.
            trail: Where to note what its tries come to. Whoever has it tells of the last one.

        Raises:
            AioImagesError: Whatever went wrong; the classes say what.
        """
        with self.lifetime.span():
            with self._exchange.limit(call) as limit:
                return await self._authorized(self._exchange.open_within, limit, call, trail)
            raise self._exchange.out_of_time(call, trail)

    async def _authorized(
        self,
        perform: Callable[..., Awaitable[T]],
        limit: TimeLimit,
        call: Call[Any],
        trail: Trail,
    ) -> T:
        token = await self._tokens.get()
        base = await self._endpoint.url(token, self._exchange)
        base = without_version(base) if call.at_root else base
        trail.newest = self._tokens.newest
        trail.renews = self.renewable and call.replay is not Replay.LOOK_FIRST
        try:
            return await perform(limit, call, base, token, trail, rank=self._rank)
        except UnauthorizedError:
            if not self.renewable:
                raise
            token = await self._tokens.replace(trail.shown or token)
            if call.replay is Replay.LOOK_FIRST:
                raise
        trail.renews = False
        return await perform(limit, call, base, token, trail, rank=min(self._rank, Rank.SOON))
