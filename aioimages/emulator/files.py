"""Cloud Files (Swift), with its objects in memory."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from aioimages.emulator.accounts import Account
from aioimages.emulator.file_objects import OBJECT
from aioimages.emulator.file_request import FileRequest
from aioimages.emulator.listings import list_containers, list_objects
from aioimages.emulator.refusal import refused
from aioimages.emulator.state import Region, World

__all__ = ["Memory"]

Handler = Callable[[FileRequest], Awaitable[web.StreamResponse]]

_KEPT: Final = re.compile("x-container-(meta-.|read$|write$)")


async def put_container(asked: FileRequest) -> web.Response:
    """PUT /v1/{account}/{container}."""
    is_new = asked.shelf.make(asked.container)
    _describe(asked)
    return web.Response(status=201 if is_new else 202, content_type="text/html")


async def post_container(asked: FileRequest) -> web.Response:
    """POST /v1/{account}/{container}."""
    _describe(asked)
    return web.Response(status=204)


def _describe(asked: FileRequest) -> None:
    """Add what a request says of a container to what was said; nothing takes it away."""
    metadata = asked.shelf.container(asked.container).metadata
    said = {name.title(): value for name, value in asked.request.headers.items() if _KEPT.match(name.lower())}
    metadata.update(said)
    for name in [name for name, value in metadata.items() if not value]:
        del metadata[name]


async def delete_container(asked: FileRequest) -> web.Response:
    """DELETE /v1/{account}/{container}."""
    asked.shelf.remove(asked.container)
    return web.Response(status=204)


def _without_body(handler: Handler) -> Handler:
    async def handle(asked: FileRequest) -> web.StreamResponse:
        answer = await handler(asked)
        return web.Response(status=204, headers=answer.headers)

    return handle


_ACCOUNT: Final[Mapping[str, Handler]] = {"GET": list_containers, "HEAD": _without_body(list_containers)}
_CONTAINER: Final[Mapping[str, Handler]] = {
    "PUT": put_container,
    "GET": list_objects,
    "HEAD": _without_body(list_objects),
    "POST": post_container,
    "DELETE": delete_container,
}


class Memory:
    """Keeps the objects of all accounts and regions in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request to Cloud Files."""
        asked = FileRequest.of(request)
        handlers = OBJECT if asked.name else _CONTAINER if asked.container else _ACCOUNT
        handler = handlers.get(request.method)
        if handler is None:
            raise refused(405, headers={"Allow": ", ".join(handlers)})
        return await handler(asked)

    async def read(self, region: Region, account: Account, path: str) -> bytes:
        """Return an object."""
        return self._world.shelf(region, account).content(path)

    async def add(self, region: Region, account: Account, path: str, data: bytes) -> None:
        """Keep an object where none is yet."""
        shelf = self._world.shelf(region, account)
        if shelf.find(path) is not None:
            raise refused(412)
        shelf.put_data(path, data)

    async def close(self) -> None:
        """Nothing: the objects go with the cloud."""
