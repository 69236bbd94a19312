"""The one way through: token, endpoint, exchange; and one renewal of the token when it was refused."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from aioimages._auth.catalog import find_endpoint, has_version, refuse_plain_http, without_version
from aioimages._auth.tokens import TokenSource
from aioimages._call import Body, Call, Replay
from aioimages._calls.identity import versions
from aioimages._dialect import Dialect
from aioimages._errors import DecodeError, EndpointNotFoundError, StatusError, UnauthorizedError
from aioimages._exchange import Exchange, Trail
from aioimages._http import Stream
from aioimages._lifetime import Lifetime
from aioimages._models import Token

__all__ = ["Session"]

T = TypeVar("T")


class Session:
    """Runs calls to the image service.

    At most `concurrency` calls are in flight; the others wait for their turn, however many there are. A call that backs
    off keeps its place, so that a service in trouble sees fewer calls. Image data on their way have no place: they take
    long, and what takes or gives them may itself call the service.
    """

    def __init__(
        self,
        exchange: Exchange,
        tokens: TokenSource,
        lifetime: Lifetime,
        *,
        dialect: Dialect,
        identity_url: str,
        endpoint: str | None,
        region: str | None,
        interface: str,
        concurrency: int,
    ) -> None:
        self.dialect = dialect
        self.concurrency = concurrency
        self.lifetime = lifetime
        self.retry = exchange.retry
        self._exchange = exchange
        self._tokens = tokens
        self._identity_url = identity_url
        self._endpoint = endpoint
        self._region = region
        self._interface = interface
        self._places = anyio.Semaphore(concurrency, fast_acquire=True)
        self._finding = anyio.Lock()
        self._base: str | None = None

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return self._tokens.renewable

    async def run(self, call: Call[T]) -> T:
        """Return what the answer to a call says.

        Raises:
            AioImagesError: Whatever went wrong; the classes say what.
        """
        with self.lifetime.span():
            if isinstance(call.body, Body):
                return await self._authorized(self._exchange.perform, call)
            async with self._places:
                return await self._authorized(self._exchange.perform, call)

    async def open(self, call: Call[Any]) -> Stream:
        """Return the answer to a call while its body is on its way. Close it.

        Raises:
            AioImagesError: Whatever went wrong; the classes say what.
        """
        with self.lifetime.span():
            async with self._places:
                return await self._authorized(self._exchange.open, call)

    async def _authorized(
        self,
        perform: Callable[[Call[Any], str, Token, Trail], Awaitable[T]],
        call: Call[Any],
    ) -> T:
        token = await self._tokens.get()
        base = self._base or await self._find_base(token)
        base = without_version(base) if call.at_root else base
        trail = Trail()
        try:
            return await perform(call, base, token, trail)
        except UnauthorizedError:
            if not self.renewable:
                raise
            token = await self._tokens.replace(token)
            if call.replay is Replay.LOOK_FIRST:
                raise
        return await perform(call, base, token, trail)

    async def _find_base(self, token: Token) -> str:
        async with self._finding:
            if self._base is None:
                self._base = await self._versioned(self._endpoint or self._from_catalog(token))
            return self._base

    def _from_catalog(self, token: Token) -> str:
        found = find_endpoint(token, "image", region=self._region, interface=self._interface)
        refuse_plain_http(found, self._identity_url)
        return found

    async def _versioned(self, root: str) -> str:
        """Complete a URL that does not name the API's version, once the service has said that it serves version 2.

        The links of its answer are not used: behind a proxy they name hosts that only the service itself can reach.
        """
        if has_version(root):
            return root
        try:
            served = await self._exchange.perform(versions(), root)
        except (StatusError, DecodeError):
            # Some proxies show nothing at the root; the first call will tell.
            return f"{root}/v2"
        if not any(version.startswith("v2") for version in served):
            raise EndpointNotFoundError(f"the image service at {root} serves {', '.join(served)}, not version 2")
        return f"{root}/v2"
