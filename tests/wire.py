"""Plain HTTP to a cloud: what the client does not do yet, or must not be judged by."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

__all__ = ["ObjectAnswer", "Person", "Wire"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone who can sign in."""

    username: str
    password: str = field(repr=False)
    api_key: str = field(default="", repr=False)
    project_id: str
    project_name: str
    user_id: str
    application_credential_id: str = ""
    application_credential_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class ObjectAnswer:
    """What the object service has said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """The image service and the object service, as somebody who has signed in.

    Attributes:
        root: The image service's URL as the catalog has it, without a version.
        token: The token.
        objects_root: The object service's URL as the catalog has it, with the account.
    """

    root: str
    token: str = field(repr=False)
    objects_root: str = ""

    @classmethod
    async def keystone(cls, auth_url: str, person: Person, *, region: str) -> "Wire":
        """Sign in with a password."""
        user = {"name": person.username, "domain": {"name": "Default"}, "password": person.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"id": person.project_id}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{auth_url}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}) as answer,
        ):
            answer.raise_for_status()
            catalog = (await answer.json())["token"]["catalog"]
            urls = {
                service["type"]: endpoint["url"]
                for service in catalog
                for endpoint in service["endpoints"]
                if endpoint["interface"] == "public" and endpoint["region"] == region
            }
            token = answer.headers["X-Subject-Token"]
            return cls(urls["image"].rstrip("/").removesuffix("/v2"), token, urls["object-store"])

    @classmethod
    async def rackspace(cls, auth_url: str, person: Person, *, region: str) -> "Wire":
        """Sign in with an API key."""
        key = {"username": person.username, "apiKey": person.api_key}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{auth_url}/tokens", json={"auth": {"RAX-KSKEY:apiKeyCredentials": key}}) as answer,
        ):
            answer.raise_for_status()
            access = (await answer.json())["access"]
            urls = {
                service["type"]: endpoint["publicURL"]
                for service in access["serviceCatalog"]
                for endpoint in service["endpoints"]
                if endpoint.get("region") == region
            }
            return cls(urls["image"].partition("/v2")[0], access["token"]["id"], urls["object-store"])

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """Ask for something below `/v2`, and return the answer: its JSON where it has any, otherwise its bytes."""
        headers = {"X-Auth-Token": self.token, "Accept": "application/json", **options.pop("headers", {})}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.root}/v2/{path}", headers=headers, **options) as answer,
        ):
            body = await answer.read()
            assert answer.status < 400, f"{method} {path}: {answer.status} {body[:500]!r}"
            return await answer.json() if answer.content_type == "application/json" else body

    async def upload(self, image_id: str, data: bytes) -> None:
        """Give an image its data."""
        octets = {"Content-Type": "application/octet-stream"}
        await self.request("PUT", f"images/{image_id}/file", data=io.BytesIO(data), headers=octets)

    async def download(self, image_id: str) -> bytes:
        """Return an image's data."""
        data: bytes = await self.request("GET", f"images/{image_id}/file")
        return data

    async def start_import(self, image_id: str, url: str) -> None:
        """Let the service fetch an image's data (`web-download`)."""
        method = {"name": "web-download", "uri": url}
        await self.request("POST", f"images/{image_id}/import", json={"method": method})

    async def revoke(self, auth_url: str, token: str) -> None:
        """End a token of Keystone's."""
        headers = {"X-Auth-Token": self.token, "X-Subject-Token": token}
        async with (
            aiohttp.ClientSession() as session,
            session.delete(f"{auth_url}/auth/tokens", headers=headers) as answer,
        ):
            assert answer.status == 204

    async def delete_all_images(self) -> None:
        """Delete what an administrator can see: everything."""
        for hidden in ("false", "true"):
            listing = await self.request("GET", f"images?limit=1000&visibility=all&os_hidden={hidden}")
            for image in listing["images"]:
                await self._delete_image(image)

    async def _delete_image(self, image: dict[str, Any]) -> None:
        if image["protected"]:
            patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            operations = b'[{"op": "replace", "path": "/protected", "value": false}]'
            await self.request("PATCH", f"images/{image['id']}", data=operations, headers=patch)
        await self.request("DELETE", f"images/{image['id']}")

    async def objects(self, method: str, path: str = "", *, status: int, **options: Any) -> ObjectAnswer:
        """Ask for something below the account, and return the answer, which has to have this status."""
        answer = await self._ask_objects(method, path, **options)
        assert answer.status == status, f"{method} {path}: {answer.status} {answer.body[:500]!r}"
        return answer

    async def _ask_objects(self, method: str, path: str, **options: Any) -> ObjectAnswer:
        headers = {"X-Auth-Token": self.token, **options.pop("headers", {})}
        url = f"{self.objects_root}/{path}" if path else self.objects_root
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=headers, **options) as answer,
        ):
            return ObjectAnswer(answer.status, answer.headers, await answer.read())

    async def object_names(self, container: str = "") -> list[str]:
        """Return what a container's listing has, or the account's."""
        listing = await self.objects("GET", quote(container), status=200, params={"format": "json"})
        return [entry["name"] for entry in json.loads(listing.body)]

    async def delete_all_objects(self) -> None:
        """Delete what is in the account."""
        for container in await self.object_names():
            for name in await self.object_names(container):
                answer = await self._ask_objects("DELETE", f"{quote(container)}/{quote(name)}")
                assert answer.status in (204, 404)  # the latter of what has expired, which is then off the listing
            await self.objects("DELETE", quote(container), status=204)
