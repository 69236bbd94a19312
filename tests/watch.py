"""What a client sends, seen from within, on any cloud."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp

__all__ = ["Request", "Watch", "client_tasks"]


def client_tasks() -> set[asyncio.Task[object]]:
    """Return the asyncio tasks that run and are not those of a server in the same loop."""
    return {task for task in asyncio.all_tasks() if not _serves(task)}


def _serves(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and (
        "aioimages/emulator/" in code.co_filename or code.co_qualname.startswith("RequestHandler.")
    )


@dataclass(frozen=True)
class Request:
    """One request on the wire."""

    method: str
    path: str
    query: str
    token: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Watch:
    """Keeps the requests of the clients that have its trace."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_start.append(self._note)

    async def _note(self, _: aiohttp.ClientSession, __: SimpleNamespace, sent: aiohttp.TraceRequestStartParams) -> None:
        token = sent.headers.get("X-Auth-Token", "")
        self.requests.append(Request(sent.method, sent.url.raw_path, sent.url.raw_query_string, token, sent.headers))

    @property
    def sign_ins(self) -> int:
        """How often somebody signed in."""
        return sum(request.method == "POST" and request.path.endswith("/tokens") for request in self.requests)

    def to(self, path: str) -> list[Request]:
        """Return the requests to paths that end so."""
        return [request for request in self.requests if request.path.endswith(path)]

    def clear(self) -> None:
        """Forget what was seen."""
        self.requests.clear()
