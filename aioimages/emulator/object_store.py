"""Cloud Files in front of a real Swift, which has the objects of all accounts and regions in one account of its own."""

import io
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import attrs
from aiohttp import web
from yarl import URL

from aioimages.emulator.accounts import Account
from aioimages.emulator.cutting import cut
from aioimages.emulator.file_request import own_path
from aioimages.emulator.objects import BINARY
from aioimages.emulator.refusal import refused
from aioimages.emulator.state import Region

__all__ = ["ObjectStore", "Remote"]

_CONNECT_SECONDS: Final = 10
_SMALL_BYTES: Final = 2**20
# What concerns one connection and not the next, and what stands for the caller.
_OWN: Final = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "expect", "host", "x-auth-token"}
)
# What the client would add to a request that lacks them.
_ADDED: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@attrs.frozen
class ObjectStore:
    """An account of a real Swift.

    Attributes:
        url: The account's root: `http://host:port/v1/AUTH_xxx`.
        token: What opens it.
    """

    url: str
    token: str = attrs.field(repr=False)


def _passed_on(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _OWN]


class Remote:
    """Keeps objects in a real Swift."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and its answer back."""
        path, query = own_path(request), request.rel_url.raw_query_string
        where = f"{path}?{query}" if query else path
        body = request.content if request.body_exists else None
        async with self._asked(request.method, where, headers=_passed_on(request.headers), data=body) as response:
            return await _passed_back(request, response)

    async def read(self, region: Region, account: Account, path: str) -> bytes:  # noqa: ARG002  # it has one account
        """Return an object."""
        async with self._asked("GET", quote(path)) as response:
            _check(response, 200)
            try:
                return await response.read()
            except aiohttp.ClientError:
                raise refused(503) from None

    async def add(self, region: Region, account: Account, path: str, data: bytes) -> None:  # noqa: ARG002  # as above
        """Keep an object where none is yet."""
        async with self._asked("HEAD", quote(path)) as response:
            if response.status == 200:
                raise refused(412)
        headers = [("Content-Type", BINARY), ("If-None-Match", "*")]
        async with self._asked("PUT", quote(path), headers=headers, data=io.BytesIO(data)) as response:
            _check(response, 201)

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, *, headers: Iterable[tuple[str, str]] = (), data: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for a path below the account, as it is to be sent."""
        url = URL(f"{self._store.url.rstrip('/')}/{path}", encoded=True)
        given = [*headers, ("X-Auth-Token", self._store.token)]
        try:
            response = await self._opened().request(method, url, headers=given, data=data, allow_redirects=False)
        except (aiohttp.ClientError, TimeoutError):
            raise refused(503) from None
        with closing(response):  # which also ends what is still being sent
            yield response

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection each: over one that was kept, the client sends again by itself what broke off.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                auto_decompress=False,
                skip_auto_headers=_ADDED,
            )
        return self._session


def _check(response: aiohttp.ClientResponse, status: int) -> None:
    """Refuse as the store does, or say that it cannot be used."""
    if response.status != status:
        raise refused(response.status if response.status in {404, 412} else 503)


async def _passed_back(request: web.Request, response: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass an answer back: a small one whole, so that faults can strike it, and a large one as it comes."""
    facts: dict[str, Any] = {"status": response.status, "reason": response.reason}
    facts["headers"] = _passed_on(response.headers)
    answer, body = web.StreamResponse(**facts), bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _SMALL_BYTES:
                await _written(request, answer, body)
    except aiohttp.ClientError:
        await _written(request, answer, body)
        cut(request)
        return answer
    if not answer.prepared:
        return web.Response(**facts, body=bytes(body))
    await answer.write(bytes(body))
    await answer.write_eof()
    return answer


async def _written(request: web.Request, answer: web.StreamResponse, body: bytearray) -> None:
    await answer.prepare(request)
    await answer.write(bytes(body))
    body.clear()
