"""The embedded cloud and somebody who asks it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import attrs
import pytest

from aioimages.emulator import Account, Emulator

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@attrs.frozen
class Answer:
    """What a service answered."""

    status: int
    headers: dict[str, str]
    json: Any
    body: bytes


class Asker:
    """Asks the embedded cloud, signed in as one account in both clouds."""

    def __init__(self, cloud: Emulator, session: aiohttp.ClientSession) -> None:
        self.cloud = cloud
        self.base = cloud.keystone_auth_url.partition("/openstack")[0]
        self._session = session
        self._tokens: dict[str, str] = {}

    async def ask(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
        """Ask for a path below the root."""
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        if token is not None:
            headers["X-Auth-Token"] = token
        async with self._session.request(method, self.base + path, headers=headers, **options) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json" and body
            named = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, named, await answer.json() if is_json else None, body)

    async def token(self, account: Account | None = None) -> str:
        """Return the token of an account: the producer's unless it is said."""
        account = account or self.cloud.producer
        if account.username not in self._tokens:
            answer = await self.keystone(_password(account.username, account.password))
            self._tokens[account.username] = answer.headers["x-subject-token"]
        return self._tokens[account.username]

    async def keystone(self, auth: Any) -> Answer:
        """Sign in at Keystone with what stands under `auth`."""
        return await self.ask("POST", "/openstack/identity/v3/auth/tokens", json={"auth": auth})

    async def rackspace(self, auth: Any, **options: Any) -> Answer:
        """Sign in at Rackspace with what stands under `auth`."""
        return await self.ask("POST", "/rackspace/identity/v2.0/tokens", json={"auth": auth}, **options)

    async def glance(self, method: str, path: str, *, account: Account | None = None, **options: Any) -> Answer:
        """Ask OpenStack's image service."""
        where = f"/openstack/RegionOne/image/v2/{path}"
        return await self.ask(method, where, token=await self.token(account), **options)

    async def cloud_images(self, method: str, path: str, **options: Any) -> Answer:
        """Ask Rackspace's image service."""
        return await self.ask(method, f"/rackspace/DFW/v2/{path}", token=await self.token(), **options)

    async def cloud_files(self, method: str, path: str, **options: Any) -> Answer:
        """Ask Cloud Files."""
        where = f"/rackspace/DFW/files/v1/{self.cloud.producer.files_account}/{path}"
        return await self.ask(method, where, token=await self.token(), **options)


def _password(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "domain": {"name": "Default"}, "password": password}
    return {"identity": {"methods": ["password"], "password": {"user": user}}}


@pytest.fixture
async def cloud(anyio_backend: str) -> AsyncIterator[Emulator]:  # noqa: ARG001  # makes it run in the test's loop
    """Return an empty, fast cloud."""
    async with Emulator(base_images=False, task_seconds=(0.01, 0.02)) as cloud:
        yield cloud


@pytest.fixture
async def asker(cloud: Emulator) -> AsyncIterator[Asker]:
    """Return somebody who asks."""
    async with aiohttp.ClientSession() as session:
        yield Asker(cloud, session)
