"""The transport: one request, one answer. The only module that knows the aiohttp client.

aiohttp's own objects stay here: its errors hold the request's headers, and with them the token.
"""

import asyncio
import io
import math
import re
import ssl as _ssl
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import anyio
import anyio.to_thread
from yarl import URL

from aioimages._call import Body, Call, Reply, headers_of
from aioimages._errors import (
    AioImagesError,
    ClientClosedError,
    ConfigurationError,
    ConnectError,
    PoolTimeoutError,
    ProtocolError,
    ProxyError,
    TlsError,
    TransportError,
    TransportTimeoutError,
)
from aioimages._models import Token
from aioimages._policy import TimeoutPolicy
from aioimages._proxies import Proxies
from aioimages._tls import TlsOptions

__all__ = ["Http", "Session", "Stream", "TraceConfig"]

# The aiohttp types that are part of the public face.
Session = aiohttp.ClientSession
TraceConfig = aiohttp.TraceConfig

LARGEST_ANSWER_BYTES: Final = 64 * 2**20
_PIECE_BYTES: Final = 2**18
_SENT_BYTES: Final = 2**20
# What has no body has no type.
_NO_TYPE: Final = ("Content-Type",)


def _without_hidden_retry(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Stop aiohttp from sending a request twice by itself: repeating is the session's decision."""
    if not hasattr(session, "_retry_connection"):
        raise RuntimeError(
            "this aiohttp cannot be told not to repeat requests by itself; aioimages needs another version"
        )
    session._retry_connection = False  # noqa: SLF001  # aiohttp has no public switch
    return session


class _Request(aiohttp.ClientRequest):
    """A request whose connection may go just when its body ends.

    Whoever waits for the answer is told of that; aiohttp's task that writes would tell it once more, to nobody.
    """

    async def write_bytes(self, *arguments: Any, **options: Any) -> None:
        with suppress(aiohttp.ClientConnectionResetError):
            await super().write_bytes(*arguments, **options)


async def _note_queued(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx["queued"] = True


async def _note_dequeued(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx["queued"] = False


def _queue_watch() -> aiohttp.TraceConfig:
    """Tell waiting for a connection of a borrowed pool from waiting for the server."""
    watch = aiohttp.TraceConfig()
    watch.on_connection_queued_start.append(_note_queued)
    watch.on_connection_queued_end.append(_note_dequeued)
    return watch


class Http:
    """Sends calls over one aiohttp session, which belongs to one event loop.

    Attributes:
        requests: How many requests it has sent.
    """

    def __init__(
        self,
        *,
        timeout: TimeoutPolicy,
        tls: TlsOptions,
        proxies: Proxies,
        trace_configs: Iterable[aiohttp.TraceConfig],
        user_agent: str,
        borrowed: aiohttp.ClientSession | None,
    ) -> None:
        self._timeout = timeout
        self._tls = tls
        self._proxies = proxies
        self._trace_configs = list(trace_configs)
        self._user_agent = user_agent
        self._borrowed = borrowed
        self._session: aiohttp.ClientSession | None = None
        self._ssl: _ssl.SSLContext | bool = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self.requests = 0

    async def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise RuntimeError("this client was used in another event loop; make one client for each loop")
        if self._closed:
            raise ClientClosedError("the client is closed")
        if self._session is None:
            self._loop = loop
            async with self._opening:
                if self._closed:
                    raise ClientClosedError("the client is closed")
                if self._session is None:
                    self._session = await self._new_session()
        return self._session

    async def _new_session(self) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector | None
        traces = self._trace_configs
        is_borrowed = self._borrowed is not None
        load = partial(self._tls.load, is_borrowed=is_borrowed)
        self._ssl = await anyio.to_thread.run_sync(load) if is_borrowed or self._tls.names_files else load()
        if self._borrowed is not None:
            if self._borrowed.closed:
                raise ConfigurationError("the aiohttp session that was given as session= is closed")
            connector, pool_wait = self._borrowed.connector, self._timeout.connect
            traces = [*traces, _queue_watch()]
        else:
            # The number of requests in flight is bounded before they come here.
            connector, pool_wait = aiohttp.TCPConnector(limit=0), None
        session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=not is_borrowed,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_Request,
            trust_env=False,
            trace_configs=traces,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=pool_wait,
                sock_connect=self._timeout.connect,
                sock_read=self._timeout.read,
            ),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": self._user_agent,
            },
        )
        return _without_hidden_retry(session)

    async def send(self, call: Call[Any], base: str, token: Token | None = None) -> Reply:
        """Send a call to a service once, and return the whole answer whatever its status.

        Args:
            call: What to send.
            base: The URL of the service's versioned root, without a slash at its end.
            token: The token to show.

        Raises:
            TransportError: No usable answer came.
            ProtocolError: The answer is no HTTP, is encoded though none was asked for, or is larger than 64 MiB.
            ClientClosedError: The connections are closed.
        """
        async with await self.open(call, base, token) as stream:
            return await stream.reply()

    async def open(self, call: Call[Any], base: str, token: Token | None = None) -> "Stream":
        """Send a call once, as `send` does, and return its answer as soon as it begins, whatever its status."""
        session = await self._open()
        trace: dict[str, bool] = {}
        self.requests += 1
        try:
            response = await self._request(session, call, _url(call, base), token, trace)
        except (TimeoutError, aiohttp.ClientError, OSError) as caught:
            problem = _translated(caught, call, base, queued=trace.get("queued", False))
        except asyncio.CancelledError as cancelled:
            # The frames of aiohttp hold what was to be sent, and with it the token.
            raise cancelled.with_traceback(None) from None
        else:
            return Stream(response, call, base)
        raise problem

    async def _request(
        self,
        session: aiohttp.ClientSession,
        call: Call[Any],
        url: URL,
        token: Token | None,
        trace: dict[str, bool],
    ) -> aiohttp.ClientResponse:
        def begin(data: Any) -> Awaitable[aiohttp.ClientResponse]:
            return session.request(
                call.method,
                url,
                headers=headers_of(call, token),
                data=data,
                proxy=self._proxies.of(str(url)),
                ssl=self._ssl,
                skip_auto_headers=None if call.body or call.method == "GET" else _NO_TYPE,
                allow_redirects=False,
                trace_request_ctx=trace,
                read_bufsize=_PIECE_BYTES,
            )

        if not isinstance(call.body, Body):
            return await begin(call.body)
        with anyio.CancelScope() as stall:
            return await begin(_unless_stalled(call.body, stall, self._timeout.read))
        raise TimeoutError

    async def close(self) -> None:
        """Close the connections, for good."""
        async with self._opening:
            self._closed = True
            if self._session is not None:
                await self._session.close()


class Stream:
    """An answer whose body is still on its way. Leave its block to give the connection back.

    Attributes:
        status: The status.
        headers: The headers, by names in which case does not matter.
    """

    def __init__(self, response: aiohttp.ClientResponse, call: Call[Any], base: str) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._call = call
        self._base = base
        self._begun = b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._response.__aexit__(exc_type, exc, traceback)

    async def begin(self) -> None:
        """Wait for the first piece of the body, or for its end."""
        self._begun = await self.read()

    async def read(self) -> bytes:
        """Return the next piece of the body, of at most some hundred KB; at its end nothing.

        Raises:
            TransportError: The connection was lost, or nothing came for too long.
            ProtocolError: The body is encoded, though that was not asked for.
        """
        if self._begun:
            begun, self._begun = self._begun, b""
            return begun
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise ProtocolError(
                f"the answer from {self._response.url.path} is encoded as {encoding[:40]!r}, which was not asked for"
            )
        try:
            return await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError) as caught:
            problem = _translated(caught, self._call, self._base, queued=False)
        raise problem

    async def reply(self) -> Reply:
        """Return the whole answer, which is no image data and so is not larger than 64 MiB."""
        # It may hold a token, and must not show it.
        body = io.BytesIO()
        while not self._is_over() and body.write(await self.read()):
            if body.tell() > LARGEST_ANSWER_BYTES:
                raise ProtocolError(
                    f"the answer from {self._response.url.path} is larger than {LARGEST_ANSWER_BYTES} bytes"
                )
        return Reply(self.status, self.headers, body.getvalue(), str(self._response.url))

    def _is_over(self) -> bool:
        return not self._begun and self._response.content.at_eof()


async def _unless_stalled(
    body: Body,
    stall: anyio.CancelScope,
    patience: float | None,
) -> AsyncGenerator[bytes, None]:
    """Yield a body's pieces, and end the request when one is not taken in time.

    aiohttp's own limit counts from the end of the body; and how long the source takes is not the server's fault.
    """
    async with aclosing(body.open()) as pieces:
        async for piece in pieces:
            # A large piece on a slow way is no stall.
            for start in range(0, len(piece), _SENT_BYTES):
                stall.deadline = math.inf if patience is None else anyio.current_time() + patience
                yield piece[start : start + _SENT_BYTES] if start or len(piece) > _SENT_BYTES else piece
                stall.deadline = math.inf
                # Who writes to whom has hung up loses the answer that came before: let the loop read first, which it
                # does at the end of a turn.
                await asyncio.sleep(0)
                await asyncio.sleep(0)


def _url(call: Call[Any], base: str) -> URL:
    url = f"{base}/{call.path}" if call.path else f"{base}/"
    query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
    return URL(url + query, encoded=True)


def _translated(error: Exception, call: Call[Any], base: str, *, queued: bool) -> AioImagesError:
    """Return our error for one of aiohttp's. Its cause, where it has one, is an error of Python's own."""
    where = f"({call.method} {urlsplit(f'{base}/{call.path}').path})"
    host = urlsplit(base).netloc.rpartition("@")[2]
    if queued:
        problem: AioImagesError = PoolTimeoutError(f"no connection of the pool became free in time {where}")
        cause: Exception | None = TimeoutError()
    else:
        problem, cause = _before_sending(error, host, where) or _after_sending(error, host, where)
    problem.__cause__ = cause
    return problem


def _before_sending(error: Exception, host: str, where: str) -> tuple[AioImagesError, Exception | None] | None:  # noqa: PLR0911  # a table
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ConnectError(f"{host} did not accept a connection in time {where}"), TimeoutError()
        case aiohttp.ClientProxyConnectionError():
            cause = _detached(error.os_error)
            return ProxyError(f"the proxy cannot be reached: {cause} {where}"), cause
        case aiohttp.ClientHttpProxyError():
            return ProxyError(f"the proxy answered {error.status} {where}"), None
        case aiohttp.ClientConnectorCertificateError():
            certificate_error = _detached(error.certificate_error)
            return TlsError(
                f"the certificate of {host} cannot be trusted: {certificate_error} {where}"
            ), certificate_error
        case aiohttp.ClientSSLError():
            cause = _detached(error.os_error)
            return TlsError(f"no secure connection to {host}: {cause} {where}"), cause
        case aiohttp.ServerFingerprintMismatch():
            return TlsError(f"the certificate of {host} is not the one that was asked for {where}"), None
        case aiohttp.ClientConnectorError():
            cause = _detached(error.os_error)
            return ConnectError(f"{host} cannot be reached: {cause} {where}"), cause
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return ConfigurationError(f"{host!r} is not where a service can be"), None
    return None


def _after_sending(error: Exception, host: str, where: str) -> tuple[AioImagesError, Exception | None]:
    match error:
        case TimeoutError():
            return TransportTimeoutError(f"{host} did not answer in time {where}"), TimeoutError()
        case aiohttp.ClientResponseError():
            return ProtocolError(f"the answer of {host} is no HTTP: {_unquoted(error.message)} {where}"), None
        case OSError():
            cause = _detached(error)
            return TransportError(f"the connection to {host} was lost: {cause} {where}"), cause
    return TransportError(f"the connection to {host} was lost before the answer was complete {where}"), None


def _unquoted(message: str) -> str:
    """Return what aiohttp says of an answer without the bytes that it quotes: a server may repeat the token in them."""
    return " ".join(re.split(r"\bb['\"]", message, maxsplit=1)[0].split()).rstrip(": ")


def _detached(error: Exception) -> Exception:
    """Return the same error without what aiohttp added, and without the frames that hold a request's headers."""
    if isinstance(error, aiohttp.ClientError):
        return OSError(*error.args[:2])
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
