"""Compute (Cloud Servers, Nova), as far as capturing a server needs it."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from aioimages.emulator.context import CONTEXT, Context, json_answer, json_object
from aioimages.emulator.data import activate
from aioimages.emulator.documents import new_document
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.scripts import Script, Scripts
from aioimages.emulator.state import Region, Server, StoredImage, World

__all__ = ["CAPTURE_ENDS", "Compute"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# How captures end, where a test says how.
CAPTURE_ENDS: Final = ("active", "killed", "deleted")
_MIN_DISK_GB: Final = 20
_LONGEST: Final = 255
_ID_IN_BODY: Final[tuple[int, int]] = (2, 45)
_OLDEST: Final[tuple[int, int]] = (2, 1)
_NEWEST: Final[tuple[int, int]] = (2, 96)
_VERSION: Final = re.compile(r"compute (?:(\d+)\.(\d+)|latest)")


class Compute:
    """The servers of all regions, and the images that are being made of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.scripts = Scripts()

    def routes(self, signed_in: Callable[[Handler], Handler]) -> list[web.RouteDef]:
        """Return what it answers to, when one is signed in."""
        return [
            web.route(method, root + path, signed_in(handler))
            for root in ("/rackspace/{region}/servers/v2/{tenant}", "/openstack/{region}/compute/v2.1")
            for method, path, handler in (
                ("GET", "/servers", self.list),
                ("GET", "/servers/detail", self.list),
                ("GET", "/servers/{server_id}", self.get),
                ("POST", "/servers/{server_id}/action", self.act),
            )
        ]

    async def list(self, request: web.Request) -> web.Response:
        """GET /servers and /servers/detail."""
        context = _context(request)
        own = [server for server in context.region.servers.values() if server.owner == context.account.tenant_id]
        return json_answer({"servers": [_shown(server) for server in own]})

    async def get(self, request: web.Request) -> web.Response:
        """GET /servers/{server_id}."""
        return json_answer({"server": _shown(_server(request))})

    async def act(self, request: web.Request) -> web.Response:
        """POST /servers/{server_id}/action."""
        context, server, version = _context(request), _server(request), _version(request)
        name, metadata = _create_image(await json_object(request))
        if server.is_captured:
            message = f"Cannot 'createImage' instance {server.id} while it is in task_state image_snapshot"
            raise Refusal(409, message)
        image = self._begin(context, server, name, metadata)
        if not context.region.is_rackspace and version >= _ID_IN_BODY:
            return json_answer({"image_id": image.id}, 202)
        return web.Response(status=202, headers={"Location": self._image_url(context, image)})

    def _image_url(self, context: Context, image: StoredImage) -> str:
        region = context.region
        if region.is_rackspace:
            place = f"rackspace/{region.name}/servers/v2/{context.account.tenant_id}"
        else:
            place = f"openstack/{region.name}/image"  # where Nova finds Glance, without a version
        return f"{self._world.base_url}/{place}/images/{image.id}"

    def _begin(self, context: Context, server: Server, name: str, metadata: dict[str, str]) -> StoredImage:
        """Make an image, which is queued, and is saved and becomes active when its times have come."""
        world, now = self._world, self._world.clock.now()
        document = new_document(context.region, world.new_id(), server.owner, world.clock.moment())
        disk_format, container_format = ("vhd", "ovf") if context.region.is_rackspace else ("raw", "bare")
        document.update(metadata)
        document.update(
            name=name,
            disk_format=disk_format,
            container_format=container_format,
            min_disk=_MIN_DISK_GB,
            visibility="private",
            image_type="snapshot",
            instance_uuid=server.id,
            user_id=context.account.user_id,
        )
        image = StoredImage(document)
        context.region.images[image.id] = image
        server.is_captured = True
        script = self.scripts.next()
        saves_at, ends_at = script.times(now, world.chance.uniform(*world.settings.task_seconds))
        world.agenda.at(saves_at, partial(self._save, image))
        world.agenda.at(ends_at, partial(self._end, context.region, server, image, script))
        return image

    async def _save(self, image: StoredImage) -> None:
        image.document.update(status="saving", updated_at=self._world.clock.moment())

    async def _end(self, region: Region, server: Server, image: StoredImage, script: Script) -> None:
        server.is_captured = False
        image.document["updated_at"] = self._world.clock.moment()
        match script.status:
            case "killed":
                image.document["status"] = "killed"
            case "deleted":
                region.images.pop(image.id, None)
                region.deleted.add(image.id)
            case _:
                activate(image, server.disk)
                if region.is_rackspace:
                    del image.document["stores"]


def _context(request: web.Request) -> Context:
    """Return who asks, whose tenant is the one in the path where there is one."""
    context = request[CONTEXT]
    tenant = context.account.tenant_id
    said = request.match_info.get("tenant", tenant)
    if said != tenant:
        message = f"Malformed request URL: URL's project_id '{said}' doesn't match Context's project_id '{tenant}'"
        raise Refusal(400, message)
    return context


def _server(request: web.Request) -> Server:
    context, server_id = _context(request), request.match_info["server_id"]
    server = context.region.servers.get(server_id)
    if server is None or server.owner != context.account.tenant_id:
        raise Refusal(404, f"Instance {server_id} could not be found.")
    return server


def _shown(server: Server) -> dict[str, Any]:
    task = "image_snapshot" if server.is_captured else None
    return {"id": server.id, "name": server.name, "status": "ACTIVE", "OS-EXT-STS:task_state": task}


def _version(request: web.Request) -> tuple[int, int]:
    """Return the microversion that a request asks for."""
    said = request.headers.get("OpenStack-API-Version", "")
    if not said.startswith("compute"):
        return _OLDEST
    found = _VERSION.fullmatch(said)
    if found is None:
        raise Refusal(400, f"API Version String {said} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = int(found[1] or _NEWEST[0]), int(found[2] or _NEWEST[1])
    if not _OLDEST <= version <= _NEWEST:
        said = ".".join(map(str, version))
        raise Refusal(406, f"Version {said} is not supported by the API. Minimum is 2.1 and maximum is 2.96.")
    return version


def _create_image(body: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the name and the metadata of an action, which is to make an image."""
    asked = body.get("createImage")
    if set(body) != {"createImage"}:
        raise Refusal(400, f"There is no such action: {', '.join(body) or None}")
    if not isinstance(asked, dict):
        raise Refusal(400, f"Invalid input for field/attribute createImage. Value: {asked}.")
    name, metadata = asked.get("name"), asked.get("metadata", {})
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST:
        raise Refusal(400, f"Invalid input for field/attribute name. Value: {name}.")
    if not isinstance(metadata, dict) or not all(_is_text(value) for pair in metadata.items() for value in pair):
        raise Refusal(400, f"Invalid input for field/attribute metadata. Value: {metadata}.")
    return name, metadata


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST
