"""Plain HTTP to a cloud: what the client does not do yet, or must not be judged by."""

import io
from dataclasses import dataclass, field
from typing import Any

import aiohttp

__all__ = ["Person", "Wire"]


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
class Wire:
    """The image service, as somebody who has signed in.

    Attributes:
        root: The service's URL as the catalog has it, without a version.
        token: The token.
    """

    root: str
    token: str = field(repr=False)

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
            urls = [
                endpoint["url"]
                for service in catalog
                if service["type"] == "image"
                for endpoint in service["endpoints"]
                if endpoint["interface"] == "public" and endpoint["region"] == region
            ]
            return cls(urls[0].rstrip("/").removesuffix("/v2"), answer.headers["X-Subject-Token"])

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
            urls = [
                endpoint["publicURL"]
                for service in access["serviceCatalog"]
                if service["type"] == "image"
                for endpoint in service["endpoints"]
                if endpoint["region"] == region
            ]
            return cls(urls[0].partition("/v2")[0], access["token"]["id"])

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
