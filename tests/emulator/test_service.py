"""The embedded cloud as a server: limits, faults, records, and the command."""

import asyncio
import re
import signal
import sys

import aiohttp
import pytest

from aioimages.emulator import Emulator

from .conftest import Asker

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("where", "status"), [("rackspace", 413), ("openstack", 429)])
async def test_rate_limits(where: str, status: int) -> None:
    """More requests than are allowed are refused, with the time to wait."""
    async with Emulator(requests_per_second=2) as cloud, aiohttp.ClientSession() as session:
        asker = Asker(cloud, session)
        path = "/rackspace/DFW/v2/images" if where == "rackspace" else "/openstack/RegionOne/image/v2/images"
        answers = [await asker.ask("GET", path) for _ in range(10)]
        limited = [answer for answer in answers if answer.status == status]
        assert 5 <= len(limited) <= 9
        assert limited[0].headers["retry-after"] == "1"
        cloud.advance(5)
        assert (await asker.ask("GET", path)).status == 401


async def test_faults(asker: Asker) -> None:
    """A fault strikes the requests that it is for, so often, after so many."""
    faults = asker.cloud.faults
    first = faults.status(503, method="GET", path="images$", after=1, times=2)
    statuses = [(await asker.glance("GET", "images")).status for _ in range(4)]
    assert (statuses, first.hits) == ([200, 503, 503, 200], 2)
    faults.status(500, method="DELETE", times=None)
    assert (await asker.glance("GET", "images")).status == 200
    assert (await asker.glance("DELETE", "images/x")).status == 500
    faults.clear()
    assert (await asker.glance("DELETE", "images/x")).status == 404


async def test_faults_by_chance(asker: Asker) -> None:
    """A fault can strike a share of the requests, each by chance, beside another one that strikes the rest."""
    faults = asker.cloud.faults
    some = faults.status(503, times=None, share=0.3)
    others = faults.status(500, times=None)
    statuses = [(await asker.ask("GET", "/")).status for _ in range(100)]
    assert 10 <= some.hits == statuses.count(503) <= 50
    assert some.hits + others.hits == 100


async def test_cut_connections(asker: Asker) -> None:
    """Connections can be cut before, after, and in the middle of an answer."""
    await asker.token()
    faults = asker.cloud.faults
    for fault in (faults.drop, faults.drop_reply):
        struck = fault(method="POST", path="images$", times=None)
        with pytest.raises(aiohttp.ClientError):
            await asker.glance("POST", "images", json={"name": "web"})
        assert struck.hits == 1
        faults.clear()
    assert len((await asker.glance("GET", "images")).json["images"]) == 1
    faults.hang(0.01, method="POST", path="images$")
    with pytest.raises(aiohttp.ClientError):
        await asker.glance("POST", "images", json={"name": "web"})
    faults.truncate(5, path="images$")
    with pytest.raises(aiohttp.ClientError):
        await asker.glance("GET", "images")


async def test_broken_upload(asker: Asker) -> None:
    """An upload that breaks off leaves its image waiting for data."""
    formats = {"disk_format": "raw", "container_format": "bare"}
    image = (await asker.glance("POST", "images", json=formats)).json
    # aiohttp's client sends once more by itself.
    asker.cloud.faults.drop_upload(path="/file$", times=2)
    octets = {"Content-Type": "application/octet-stream"}
    with pytest.raises(aiohttp.ClientError):
        await asker.glance("PUT", f"images/{image['id']}/file", data=b"data", headers=octets)
    assert asker.cloud.image(image["id"])["status"] == "queued"
    assert (await asker.glance("PUT", f"images/{image['id']}/file", data=b"data", headers=octets)).status == 204


async def test_head_that_is_cut(asker: Asker) -> None:
    """What an answer without a body says is no less true when its connection is cut."""
    asker.cloud.put_object(asker.cloud.producer, "disks/web.vhd", b"12345", region="RegionOne")
    path = f"/openstack/RegionOne/files/v1/AUTH_{asker.cloud.producer.tenant_id}/disks/web.vhd"
    asker.cloud.faults.truncate(2, method="HEAD")
    answer = await asker.ask("HEAD", path, token=await asker.token())
    assert (answer.headers["content-length"], "etag" in answer.headers) == ("5", True)


async def test_late_answers(asker: Asker) -> None:
    """What is asked can be done at once and answered late, or be done late: also when nobody waits for it any more."""
    await asker.token()
    faults = asker.cloud.faults
    for fault in (faults.delay_reply, faults.delay):
        fault(0.2, method="POST", path="images$")
        asking = asyncio.create_task(asker.glance("POST", "images", json={"name": "web"}))
        await asyncio.sleep(0.1)
        asking.cancel()
        assert len((await asker.glance("GET", "images")).json["images"]) == 1
    await asyncio.sleep(0.2)
    assert len((await asker.glance("GET", "images")).json["images"]) == 2


async def test_records(asker: Asker) -> None:
    """What was asked is remembered, without the secrets in it."""
    await asker.glance("GET", "images?name=a%20b")
    sign_in, listing = asker.cloud.requests
    assert (sign_in.method, sign_in.status, sign_in.account) == ("POST", 201, None)
    assert (listing.path, listing.query, listing.status, listing.account) == (
        "/openstack/RegionOne/image/v2/images",
        "name=a%20b",
        200,
        "producer",
    )
    assert listing.headers["x-auth-token"] == "***"
    assert listing.started <= listing.finished
    assert asker.cloud.count() == 2
    assert asker.cloud.count("GET", "images$") == 1
    assert asker.cloud.peak_in_flight == 1


async def test_accounts_show_no_secret(cloud: Emulator) -> None:
    """An account's `repr` has no secret in it."""
    assert len(cloud.accounts) == 4
    shown = repr(cloud.accounts)
    secrets = [cloud.producer.api_key, cloud.producer.password, cloud.producer.application_credential_secret]
    assert not [secret for secret in [*secrets, str(cloud.mfa.passcode)] if secret in shown]


async def test_same_seed(asker: Asker) -> None:
    """The same seed gives the same ids, so that a failing test can be run again."""
    async with Emulator(base_images=False) as one, Emulator(base_images=False) as other:
        assert one.add_image(one.producer) == other.add_image(other.producer)
    async with Emulator(base_images=False, seed=5) as third:
        assert third.add_image(third.producer) != asker.cloud.add_image(asker.cloud.producer)


@pytest.mark.slow
async def test_command() -> None:
    """`python -m aioimages.emulator` serves until it is interrupted, says what to use, and ends well."""
    command = [sys.executable, "-W", "error", "-m", "aioimages.emulator", "--task-seconds", "0.1", "0.2"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(30):
        while b"Ctrl-C" not in said:
            said += await process.stdout.readline()
        found = re.search(r'auth_url="(http[^"]+)"', said.decode())
        assert found is not None
        async with aiohttp.ClientSession() as session, session.post(f"{found[1]}/tokens", json={"auth": {}}) as answer:
            assert answer.status == 400
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
