"""One request from its arrival to its answer: recorded, limited, struck by faults, signed in, handled."""

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from aiohttp import web

from aioimages.emulator import data, images, imports, members, schemas, stores
from aioimages.emulator.compute import Compute
from aioimages.emulator.context import CONTEXT, Context, json_answer
from aioimages.emulator.faults import Faults
from aioimages.emulator.identity import RackspaceIdentity
from aioimages.emulator.keystone import Keystone
from aioimages.emulator.recording import RecordedRequest, Recorder, without_secrets
from aioimages.emulator.refusal import FILES, Refusal, answer_to
from aioimages.emulator.state import World
from aioimages.emulator.storage import Storage
from aioimages.emulator.tasks import TaskBoard, routes
from aioimages.emulator.tokens import Tokens

__all__ = ["Service"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = tuple[str, str, Any, tuple[str, ...]]

_LARGEST_BODY_BYTES: Final = 2**30
_REQUEST_ID = web.RequestKey("request_id", str)
_ACCOUNT = web.RequestKey("account", str)
_VERSIONS: Final = ("v2.17", "v2.15", "v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8", "v2.7", "v2.6", "v2.5")


class Service:
    """All services of the cloud behind one port."""

    def __init__(self, world: World, storage: Storage) -> None:
        self.world = world
        self.storage = storage
        self.tokens = Tokens(world)
        self.board = TaskBoard(world, storage)
        self.compute = Compute(world)
        self.faults = Faults(world.settings.seed)
        self.recorder = Recorder()
        self._allowance = 1.0
        self._counted_at = world.clock.now()

    def application(self) -> web.Application:
        """Return the application that serves them."""
        application = web.Application(
            middlewares=[self._record, self._refuse, self._strike, self._limit],
            client_max_size=_LARGEST_BODY_BYTES,
        )
        application.add_routes(RackspaceIdentity(self.world, self.tokens).routes())
        application.add_routes(Keystone(self.world, self.tokens).routes())
        application.router.add_get("/files/{name:.+}", self._serve_file)
        for path in ("/openstack/{region}/image", "/openstack/{region}/image/", "/openstack/{region}/image/versions"):
            application.router.add_get(path, self._versions)
        image_routes: Iterable[Route] = (
            *images.ROUTES,
            *members.ROUTES,
            *routes(self.board),
            *data.ROUTES,
            *imports.ROUTES,
            *stores.ROUTES,
            *schemas.ROUTES,
        )
        for method, path, handler, dialects in image_routes:
            if "rackspace" in dialects:
                for root in ("/rackspace/{region}/v2", r"/rackspace/{region}/v2/{tenant:\d+}"):
                    application.router.add_route(method, root + path, self._signed_in(handler))
            if "openstack" in dialects:
                application.router.add_route(method, "/openstack/{region}/image/v2" + path, self._signed_in(handler))
        files = self._signed_in(self.storage.answer)
        application.router.add_route("*", "/{cloud}/{region}/files/v1/{path:.*}", files)
        application.add_routes(self.compute.routes(self._signed_in))
        return application

    def _signed_in(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            region = self.world.regions.get(request.match_info["region"])
            if region is None:
                raise Refusal(404, "There is no such region.")
            issued = self.tokens.find(request.headers.get("X-Auth-Token"))
            if issued is None:
                where = f'Keystone uri="{self.world.base_url}/openstack/identity/v3"'
                challenge = {} if region.is_rackspace else {"WWW-Authenticate": where}
                raise Refusal(401, "The request you have made requires authentication.", headers=challenge)
            request[_ACCOUNT] = issued.account.username
            request[CONTEXT] = Context(self.world, region, issued.account, request[_REQUEST_ID])
            await self.world.settle()
            return await handler(request)

        return handle

    def _request_id(self, request: web.Request) -> tuple[str, tuple[str, ...]]:
        """Return what the service calls a request, and the headers that say so."""
        if FILES.match(request.path):
            said = f"tx{uuid.uuid4().hex[:21]}-{int(self.world.clock.now()):010x}"
            return said, ("X-Trans-Id", "X-Openstack-Request-Id")
        said = request.headers.get("X-OpenStack-Request-ID") or str(uuid.uuid4())
        return said if said.startswith("req-") else f"req-{said}", ("x-openstack-request-id",)

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id, names = self._request_id(request)
        request[_REQUEST_ID] = request_id
        started = self.world.clock.now()
        status = None
        self.recorder.begin()
        try:
            answer = await handler(request)
            status = answer.status if request.transport is not None and not request.transport.is_closing() else None
            if not answer.prepared:
                answer.headers.update(dict.fromkeys(names, request_id))
            return answer
        finally:
            self.recorder.end(
                RecordedRequest(
                    method=request.method,
                    path=request.rel_url.raw_path,
                    query=request.rel_url.raw_query_string,
                    status=status,
                    account=request.get(_ACCOUNT),
                    started=started,
                    finished=self.world.clock.now(),
                    request_id=request_id,
                    headers=without_secrets(request.headers),
                ),
            )

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refusal as caught:
            refusal = caught
        except web.HTTPException as caught:
            headers = {"Allow": caught.headers["Allow"]} if "Allow" in caught.headers else {}
            refusal = Refusal(caught.status, "The resource could not be found.", headers=headers)
        return answer_to(request.path, request.headers.get("Accept", ""), refusal)

    @web.middleware
    async def _strike(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self.faults.of(request)
        return await handler(request) if fault is None else await fault.strike(request, handler)

    @web.middleware
    async def _limit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        rate = self.world.settings.requests_per_second
        if rate is not None:
            now = self.world.clock.now()
            self._allowance = min(max(1.0, rate), self._allowance + (now - self._counted_at) * rate)
            self._counted_at = now
            if self._allowance < 1.0:
                status = 413 if request.path.startswith("/rackspace") else 429
                raise Refusal(status, "OverLimit Retry...", headers={"Retry-After": str(-(-1 // rate) or 1)})
            self._allowance -= 1.0
        return await handler(request)

    async def _versions(self, request: web.Request) -> web.Response:
        href = f"{self.world.base_url}/openstack/{request.match_info['region']}/image/v2/"
        versions = [
            {"id": version, "status": "SUPPORTED" if number else "CURRENT", "links": [{"rel": "self", "href": href}]}
            for number, version in enumerate(_VERSIONS)
        ]
        return json_answer({"versions": versions}, 200 if request.path.endswith("versions") else 300)

    async def _serve_file(self, request: web.Request) -> web.Response:
        content = self.world.files.get(request.match_info["name"])
        if content is None:
            raise Refusal(404, "There is no such file.")
        return web.Response(body=content)
