"""Faults on demand: what goes wrong, with which requests, how often."""

import asyncio
import random
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
from aiohttp import web

from aioimages.emulator.cutting import cut, cut_short

__all__ = ["Fault", "Faults"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Strike = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


@attrs.define(eq=False)
class Fault:
    """A fault, and how often it has struck.

    Attributes:
        method: The method of the requests that it strikes, or `None` for all.
        path: A regular expression that is searched in their path, or `None` for all.
        after: How many such requests it lets pass first.
        times: How many it strikes after that; `None` is all.
        share: Which share of them it strikes, each by chance.
        hits: How many it has struck.
    """

    strike: Strike = attrs.field(repr=False)
    method: str | None = None
    path: str | None = None
    times: int | None = 1
    after: int = 0
    share: float = 1.0
    hits: int = 0

    def takes(self, request: web.Request, chance: random.Random) -> bool:
        """Say whether it strikes this request, and count."""
        if self.method not in {None, request.method}:
            return False
        if self.path is not None and not re.search(self.path, request.rel_url.raw_path):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.share < 1 and chance.random() >= self.share:
            return False
        self.hits += 1
        return True


class Faults:
    """The faults that are in force. The first that takes a request has it.

    All take `method`, `path` (a regular expression), `times`, `after` and `share`, and return the fault, whose `hits`
    tell that it struck.
    """

    def __init__(self, seed: int = 0) -> None:
        self._faults: list[Fault] = []
        self._chance = random.Random(seed)

    def of(self, request: web.Request) -> Fault | None:
        """Return the fault that strikes a request."""
        return next((fault for fault in self._faults if fault.takes(request, self._chance)), None)

    def clear(self) -> None:
        """Let everything go well again."""
        self._faults.clear()

    def _add(self, strike: Strike, which: Mapping[str, Any]) -> Fault:
        fault = Fault(strike, **which)
        self._faults.append(fault)
        return fault

    def status(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        **which: Any,
    ) -> Fault:
        """Answer with a status in place of handling the request."""

        async def strike(_: web.Request, __: Handler) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        return self._add(strike, which)

    def body(self, body: bytes, *, status: int = 200, content_type: str = "text/html", **which: Any) -> Fault:
        """Answer with a body in place of handling the request."""

        async def strike(_: web.Request, __: Handler) -> web.StreamResponse:
            return web.Response(status=status, body=body, content_type=content_type)

        return self._add(strike, which)

    def delay(self, seconds: float, **which: Any) -> Fault:
        """Handle the request late: one whose body is JSON also when its client has gone meanwhile."""

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.content_type == "application/json":
                await request.read()
            await asyncio.sleep(seconds)
            return await handler(request)

        return self._add(strike, which)

    def limit(self, per_second: int, *, status: int = 429, retry_after: int | None = None, **which: Any) -> Fault:
        """Refuse what comes faster than so many requests in any one second."""
        taken: deque[float] = deque(maxlen=per_second)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            now = asyncio.get_running_loop().time()
            if len(taken) == per_second and taken[0] > now - 1:
                return web.Response(status=status, headers=headers)
            taken.append(now)
            return await handler(request)

        return self._add(strike, {"times": None, **which})

    def delay_reply(self, seconds: float, **which: Any) -> Fault:
        """Do what was asked at once, and answer late."""

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            answer = await handler(request)
            await asyncio.sleep(seconds)
            return answer

        return self._add(strike, which)

    def hang(self, seconds: float | None = None, **which: Any) -> Fault:
        """Never answer, or cut the connection after so many seconds, with nothing done."""

        async def strike(request: web.Request, _: Handler) -> web.StreamResponse:
            if seconds is None:
                await asyncio.Event().wait()
                raise AssertionError("nobody sets this event")
            await asyncio.sleep(seconds)
            cut(request)
            return web.Response(status=500)

        return self._add(strike, which)

    def drop(self, **which: Any) -> Fault:
        """Cut the connection before anything is done."""

        async def strike(request: web.Request, _: Handler) -> web.StreamResponse:
            cut(request)
            return web.Response(status=500)

        return self._add(strike, which)

    def drop_reply(self, **which: Any) -> Fault:
        """Do what was asked, and cut the connection before the answer."""

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            await handler(request)
            cut(request)
            return web.Response(status=500)

        return self._add(strike, which)

    def truncate(self, length_bytes: int, **which: Any) -> Fault:
        """Cut the connection after so many bytes of the answer's body."""

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            whole = await handler(request)
            body = whole.body if isinstance(whole, web.Response) and isinstance(whole.body, bytes) else b""
            begun = web.StreamResponse(status=whole.status, headers=whole.headers)
            length = (whole.content_length or 0) if request.method == "HEAD" else len(body)
            return await cut_short(request, begun, body[:length_bytes], length=length)

        return self._add(strike, which)

    def drop_upload(self, **which: Any) -> Fault:
        """Cut the connection while a request's body comes: what handles it learns of that in the middle of it."""

        async def strike(request: web.Request, handler: Handler) -> web.StreamResponse:
            await request.content.readany()
            request.content.set_exception(ConnectionResetError("the client has gone"))
            with suppress(ConnectionResetError):
                await handler(request)
            cut(request)
            return web.Response(status=500)

        return self._add(strike, which)
