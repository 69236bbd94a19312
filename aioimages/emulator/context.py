"""What a handler knows of the request before it."""

from typing import Any

import attrs
import orjson
from aiohttp import web

from aioimages.emulator.accounts import Account
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import Region, World

__all__ = ["CONTEXT", "Context", "json_answer", "json_body", "json_object"]


@attrs.define(eq=False)
class Context:
    """Who asks, and in which region."""

    world: World
    region: Region
    account: Account
    request_id: str


CONTEXT = web.RequestKey("context", Context)


async def json_body(request: web.Request) -> Any:
    """Return the request's body, which must be JSON."""
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Refusal(400, "Malformed JSON in request body.") from None


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the request's body, which must be a JSON object."""
    body = await json_body(request)
    if not isinstance(body, dict):
        raise Refusal(400, "The request body must be a JSON object.")
    return body


def json_answer(body: object, status: int = 200, **headers: str) -> web.Response:
    """Return an answer in JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=named)
