"""How answers break off."""

from contextlib import suppress

from aiohttp import web

__all__ = ["cut", "cut_short"]


def cut(request: web.Request) -> None:
    """Cut the connection of a request."""
    if request.transport is not None:
        request.transport.abort()


async def cut_short(
    request: web.Request, answer: web.StreamResponse, body: bytes, *, length: int
) -> web.StreamResponse:
    """Begin an answer whose body is to have a length, and cut the connection after a part of it."""
    answer.content_length = length
    with suppress(ConnectionError):  # the client has gone by itself
        await answer.prepare(request)
        await answer.write(body)
    cut(request)
    return answer
