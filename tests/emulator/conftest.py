"""The embedded cloud and somebody who asks it."""

import asyncio
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

    async def swift(self, method: str, path: str, **options: Any) -> Answer:
        """Ask OpenStack's object store."""
        where = f"/openstack/RegionOne/files/v1/AUTH_{self.cloud.producer.tenant_id}/{path}"
        return await self.ask(method, where, token=await self.token(), **options)

    async def send_raw(self, method: str, path: str, rest: bytes, *, breaks_off: bool = False) -> bytes:
        """Send Cloud Files a request that no client would send, and return the first line of the answer."""
        host, _, port = self.base.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        where = f"/rackspace/DFW/files/v1/{self.cloud.producer.files_account}/{path}"
        head = f"{method} {where} HTTP/1.1\r\nHost: {host}\r\nX-Auth-Token: {await self.token()}\r\n"
        writer.write(head.encode() + rest)
        if breaks_off:
            writer.write_eof()
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    async def cloud_servers(self, method: str, path: str, **options: Any) -> Answer:
        """Ask Rackspace's compute service."""
        where = f"/rackspace/DFW/servers/v2/{self.cloud.producer.tenant_id}/{path}"
        return await self.ask(method, where, token=await self.token(), **options)

    async def nova(self, method: str, path: str, **options: Any) -> Answer:
        """Ask OpenStack's compute service."""
        where = f"/openstack/RegionOne/compute/v2.1/{path}"
        return await self.ask(method, where, token=await self.token(), **options)

    async def task(self, kind: str, details: dict[str, Any]) -> dict[str, Any]:
        """Ask Rackspace for a task, and return it when it is final."""
        task = (await self.cloud_images("POST", "tasks", json={"type": kind, "input": details})).json
        for _ in range(200):
            told: dict[str, Any] = (await self.cloud_images("GET", f"tasks/{task['id']}")).json
            if told["status"] in {"success", "failure"}:
                return told
            await asyncio.sleep(0.01)
        raise AssertionError(f"{task} never ends")


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
