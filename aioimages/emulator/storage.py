"""Where the objects of Cloud Files are: what requests and tasks need of it."""

from typing import Protocol

from aiohttp import web

from aioimages.emulator.accounts import Account
from aioimages.emulator.state import Region

__all__ = ["Storage"]


class Storage(Protocol):
    """Keeps objects. Paths are `container/object`; what it cannot do it refuses as Swift does."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to Cloud Files."""
        raise NotImplementedError

    async def read(self, region: Region, account: Account, path: str) -> bytes:
        """Return an object."""
        raise NotImplementedError

    async def add(self, region: Region, account: Account, path: str, data: bytes) -> None:
        """Keep an object where none is yet."""
        raise NotImplementedError

    async def close(self) -> None:
        """Give up what it holds."""
        raise NotImplementedError
