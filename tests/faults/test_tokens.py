"""Faults 35 to 41: what goes wrong with tokens, the identity service, and the catalog."""

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trustme
from servers import answering, raw_server

from aioimages import (
    AioImagesError,
    Client,
    ConfigurationError,
    EndpointNotFoundError,
    KeystonePassword,
    RetryPolicy,
    ServerError,
    TimeoutPolicy,
    TransportTimeoutError,
    UnauthorizedError,
)
from faults.conftest import Stage, until

pytestmark = pytest.mark.anyio

SIGN_IN = "/tokens$"
SCHEMA = "/schemas/image$"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)

Edit = Callable[[dict[str, Any]], None]


async def signed_in(stage: Stage, client: Client) -> str:
    """Let a client sign in, and return its token."""
    await client.schemas.image()
    return stage.proxy.requests[-1].headers["X-Auth-Token"]


async def revoke(stage: Stage, token: str) -> None:
    """End a token before its time."""
    await stage.world.site.revoke([token])
    stage.injected += 1


def edit_sign_ins(stage: Stage, edit: Edit, headers: dict[str, str] | None = None) -> None:
    """Let the identity service say something else."""

    def edited(body: bytes) -> bytes:
        answer = json.loads(body)
        edit(answer["access"] if stage.world.dialect == "rackspace" else answer["token"])
        return json.dumps(answer).encode()

    stage.faults.change(body=edited, headers=headers, method="POST", path=SIGN_IN, times=None)


def give_times(stage: Stage, expires: object, *, issued: datetime | None = None) -> None:
    """Let the identity service say when tokens begin and end."""

    def edit(answer: dict[str, Any]) -> None:
        token, name = (answer["token"], "expires") if stage.world.dialect == "rackspace" else (answer, "expires_at")
        token.pop(name, None)
        if expires is not ...:
            token[name] = expires
        if issued and stage.world.dialect == "openstack":
            token["issued_at"] = issued.isoformat()

    edit_sign_ins(stage, edit, {"Date": format_datetime(issued, usegmt=True)} if issued else None)


def move_clock(client: Client) -> Callable[[float], None]:
    """Return what moves the clock by which a client renews its token."""
    source = client._session._tokens
    clock, moved = source._clock, [0.0]
    source._clock = lambda: clock() + moved[0]

    def move(seconds: float) -> None:
        moved[0] = seconds

    return move


async def by_themselves(client: Client, image_ids: list[str]) -> list[str]:
    """Get images by as many calls as there are, all at once."""
    return [image.id for image in await asyncio.gather(*(client.images.get(image_id) for image_id in image_ids))]


async def in_bulk(client: Client, image_ids: list[str]) -> list[str]:
    """Get images in a bulk run."""
    numbers = range(len(image_ids))
    async with client.bulk.map(lambda number: client.images.get(image_ids[number]), numbers) as outcomes:
        return [outcome.unwrap().id async for outcome in outcomes]


async def meet_a_revocation(
    stage: Stage, get_all: Callable[[Client, list[str]], Coroutine[Any, Any, list[str]]], count: int
) -> None:
    """Revoke the token when some of the calls are done, and see that none fails, and that there is one sign-in."""
    image = await stage.world.make_image()
    client = stage.client()
    old = await signed_in(stage, client)
    calls = asyncio.create_task(get_all(client, [image.id] * count))
    await until(lambda: len(stage.proxy.to(image.id)) >= count // 10)
    await revoke(stage, old)
    assert await calls == [image.id] * count
    assert len(stage.proxy.to(image.id)) > count
    assert stage.proxy.sign_ins == 2


@pytest.mark.fault(35, within=120)
@pytest.mark.clouds("emulator")
@pytest.mark.dialects("openstack")
async def test_revocation(stage: Stage) -> None:
    """One sign-in replaces the token for a thousand calls; those that met the refusal are repeated, and none fails."""
    await meet_a_revocation(stage, by_themselves, 1000)


@pytest.mark.fault(35, within=60)
async def test_revocation_in_a_bulk_run(stage: Stage) -> None:
    """In the middle of a bulk run, too, one sign-in replaces the token for all, and no item fails."""
    await meet_a_revocation(stage, in_bulk, 300)


@pytest.mark.fault(36)
async def test_every_token_is_refused(stage: Stage) -> None:
    """A call whose new token is refused too is an `UnauthorizedError`; it signs in once, and never goes in a circle."""
    client = stage.client()
    await signed_in(stage, client)
    stage.faults.status(401, headers={"X-OpenStack-Request-ID": "req-1"}, path=SCHEMA, times=None)
    for number in (1, 2, 3):
        with pytest.raises(UnauthorizedError) as raised:
            await client.schemas.image()
        assert raised.value.request_id == "req-1"
        assert stage.proxy.sign_ins == 1 + number
        assert len(stage.proxy.to("/schemas/image")) == 1 + 2 * number


@pytest.mark.fault(36)
async def test_every_token_is_refused_to_many(stage: Stage) -> None:
    """Calls that meet the refusal of all tokens together sign in once together, and all fail."""
    client = stage.client()
    await signed_in(stage, client)
    stage.faults.status(401, path=SCHEMA, times=None)
    outcomes = await asyncio.gather(*(client.schemas.image() for _ in range(50)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {UnauthorizedError}
    assert stage.proxy.sign_ins == 2


@pytest.mark.fault(36)
async def test_same_token_after_a_refusal(stage: Stage) -> None:
    """A service that gives the refused token out again is asked once; the call is repeated with what it gave."""
    client = stage.client()
    token = await signed_in(stage, client)
    give_out(stage, token)
    stage.faults.status(401, path=SCHEMA)
    await client.schemas.image()
    await client.schemas.image()
    assert stage.proxy.sign_ins == 2
    assert stage.proxy.requests[-1].headers["X-Auth-Token"] == token


def give_out(stage: Stage, token: str) -> None:
    """Let the identity service give out one token always."""

    def edit(answer: dict[str, Any]) -> None:
        if stage.world.dialect == "rackspace":
            answer["token"]["id"] = token

    edit_sign_ins(stage, edit, {"X-Subject-Token": token} if stage.world.dialect == "openstack" else None)


@pytest.mark.fault(37)
@pytest.mark.parametrize("is_renewal", [False, True], ids=["first", "renewal"])
async def test_cancelled_sign_in(stage: Stage, *, is_renewal: bool) -> None:
    """When the call that signs in for all is cancelled, the next one signs in, and all others succeed."""
    client = stage.client()
    if is_renewal:
        await stage.world.site.revoke([await signed_in(stage, client)])
    before = stage.proxy.sign_ins
    stage.faults.hang(method="POST", path=SIGN_IN)
    calls = [asyncio.create_task(client.schemas.image()) for _ in range(20)]
    await until(lambda: stage.proxy.sign_ins > before)
    calls[0].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert all(isinstance(outcome, dict) for outcome in outcomes[1:])
    assert stage.proxy.sign_ins == before + 2


@pytest.mark.fault(38)
@pytest.mark.parametrize(("trouble", "error"), [("down", ServerError), ("slow", TransportTimeoutError)])
async def test_identity_in_trouble(stage: Stage, trouble: str, error: type[AioImagesError]) -> None:
    """One sign-in is tried for all who need a token; each is told its failure, and all who ask within a second."""
    client = stage.client(
        retry=RetryPolicy(attempts=3, base=0.01, ceiling=0.1), timeout=TimeoutPolicy(connect=2.0, read=1.0, call=10.0)
    )
    await stage.world.site.revoke([await signed_in(stage, client)])
    if trouble == "down":
        stage.faults.status(503, method="POST", path=SIGN_IN, times=None)
    else:
        stage.faults.hang(method="POST", path=SIGN_IN, times=None)
    for _ in range(2):
        outcomes = await asyncio.gather(*(client.schemas.image() for _ in range(20)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {error}
        assert len({id(outcome) for outcome in outcomes}) == 20
        assert stage.proxy.sign_ins == 1 + 3
    stage.faults.clear()
    for _ in range(500):
        try:
            await client.schemas.image()
        except error:
            await asyncio.sleep(0.01)
        else:
            break
    assert stage.proxy.sign_ins == 1 + 3 + 1


@pytest.mark.fault(38)
async def test_identity_in_trouble_ahead_of_the_end(stage: Stage) -> None:
    """While a token is good, an identity service that is down when it is to be renewed hurts nobody."""
    give_times(stage, (NOON + timedelta(seconds=1000)).isoformat(), issued=NOON)
    client = stage.client()
    move = move_clock(client)
    token = await signed_in(stage, client)
    stage.faults.clear()
    stage.faults.status(503, method="POST", path=SIGN_IN, times=None)
    move(960)
    for _ in range(10):
        await client.schemas.image()
    assert stage.proxy.requests[-1].headers["X-Auth-Token"] == token
    assert stage.proxy.sign_ins == 1 + RetryPolicy().attempts


@pytest.mark.fault(39)
async def test_late_refusal(stage: Stage) -> None:
    """A refusal of the old token that comes when there is a new one costs no further sign-in."""
    image = await stage.world.make_image()
    client = stage.client()
    await stage.world.site.revoke([await signed_in(stage, client)])
    may_answer = asyncio.Event()
    late = stage.faults.hold(may_answer, path=image.id)
    call = asyncio.create_task(client.images.get(image.id))
    await until(lambda: late.hits)
    await client.schemas.image()
    assert stage.proxy.sign_ins == 2
    may_answer.set()
    assert (await call).id == image.id
    assert stage.proxy.sign_ins == 2


@pytest.mark.fault(40)
@pytest.mark.parametrize("hours", [-1, 1])
async def test_wrong_clock(stage: Stage, hours: int) -> None:
    """A token's life is counted on the service's clock, from when it was issued: it is renewed when it should be."""
    issued = datetime.now(UTC) + timedelta(hours=hours)
    give_times(stage, (issued + timedelta(hours=1)).isoformat(), issued=issued)
    client = stage.client()
    move = move_clock(client)
    for seconds, sign_ins in ((0, 1), (3400, 1), (3500, 2)):
        move(seconds)
        await client.schemas.image()
        await client.schemas.image()
        assert stage.proxy.sign_ins == sign_ins


@pytest.mark.fault(40)
@pytest.mark.parametrize(
    "expires",
    [
        (NOON - timedelta(hours=1)).isoformat(),
        ...,
        None,
        "",
        "None",
        "soon",
        "2026-02-30T12:00:00Z",
        1772625600,
        "2026-03-04T13:00:00.637Z",
        "2026-03-04T13:00:00.637123Z",
        "2026-03-04T13:00:00.637123456Z",
        "2026-03-04T07:00:00.645-06:00",
        "2026-03-04T18:30:00+05:30",
        "2026-03-04T13:00:00",
    ],
    ids=str,
)
async def test_odd_expiry(stage: Stage, expires: object) -> None:
    """A token whose expiry is past, missing or makes no sense is used until it is refused; any form of it is read."""
    give_times(stage, expires, issued=NOON)
    client = stage.client()
    move = move_clock(client)
    for _ in range(5):
        await client.schemas.image()
    assert stage.proxy.sign_ins == 1
    move(3500)
    await client.schemas.image()
    has_end = str(expires).startswith(("2026-03-04T13", "2026-03-04T07", "2026-03-04T18"))
    assert stage.proxy.sign_ins == (2 if has_end else 1)
    stage.faults.status(401, path=SCHEMA)
    await client.schemas.image()
    assert stage.proxy.sign_ins == (3 if has_end else 2)


@pytest.mark.fault(40)
async def test_same_token_at_its_end(stage: Stage) -> None:
    """A service that gives out the same token until it has ended is not asked again and again."""
    client = stage.client()
    move = move_clock(client)
    token = await signed_in(stage, client)
    give_out(stage, token)
    lease = client._session._tokens._lease
    assert lease is not None
    move(lease.renew_at - client._session._tokens._clock() + 1)
    for _ in range(10):
        await client.schemas.image()
    assert stage.proxy.sign_ins == 2


def services(stage: Stage, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the catalog in an answer."""
    catalog: list[dict[str, Any]] = answer["serviceCatalog" if stage.world.dialect == "rackspace" else "catalog"]
    return catalog


def edit_endpoints(stage: Stage, edit: Edit) -> None:
    """Change what the catalog says of the image service."""

    def edited(answer: dict[str, Any]) -> None:
        for service in services(stage, answer):
            for endpoint in service["endpoints"] if service["type"] == "image" else ():
                edit(endpoint)

    edit_sign_ins(stage, edited)


async def finds_no_service(stage: Stage, words: str, **options: Any) -> None:
    """See that a client finds no image service, says why, and has asked nobody else."""
    with pytest.raises(EndpointNotFoundError, match=words):
        await stage.client(**options).schemas.image()
    assert stage.proxy.sign_ins == len(stage.proxy.requests) == 1


@pytest.mark.fault(41)
async def test_catalog_without_images(stage: Stage) -> None:
    """A catalog without an image service is an error that says what it has."""

    def edit(answer: dict[str, Any]) -> None:
        found = services(stage, answer)
        found[:] = [service for service in found if service["type"] != "image"]

    edit_sign_ins(stage, edit)
    await finds_no_service(stage, "no service of type 'image'; it has .*object-store")


@pytest.mark.fault(41)
@pytest.mark.parametrize("is_there", [True, False])
async def test_empty_catalog(stage: Stage, *, is_there: bool) -> None:
    """An empty catalog, or none at all, is an error that says so."""

    def edit(answer: dict[str, Any]) -> None:
        services(stage, answer).clear()
        if not is_there:
            answer.pop("serviceCatalog", None)
            answer.pop("catalog", None)

    edit_sign_ins(stage, edit)
    await finds_no_service(stage, "it has no service at all")


@pytest.mark.fault(41)
async def test_unknown_region(stage: Stage) -> None:
    """A region without the service is an error that lists those that have it."""
    stage.injected += 1
    site = stage.world.site
    await finds_no_service(
        stage, f"region 'Atlantis'; it is in .*{site.region}.*{site.second_region}", region="Atlantis"
    )


@pytest.mark.fault(41)
async def test_region_without_a_url(stage: Stage) -> None:
    """An endpoint whose URL is null is none: the error lists the regions that have one."""
    site = stage.world.site

    def edit(endpoint: dict[str, Any]) -> None:
        if endpoint["region"] == site.region:
            endpoint.update(dict.fromkeys(endpoint.keys() & {"url", "publicURL", "internalURL", "adminURL"}))

    edit_endpoints(stage, edit)
    await finds_no_service(stage, f"not in region '{site.region}'; it is in .*{site.second_region}")


@pytest.mark.fault(41)
@pytest.mark.parametrize(
    "url",
    [
        "images.example/v2",
        "/v2",
        "ftp://images.example/v2",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/v2",
        "http://images example/v2",
        "http://images.example/v2\r\nX-Header: yes",
        "http://somebody:secret@images.example/v2",
        "http://images.example/v2?x=1",
    ],
)
async def test_impossible_url(stage: Stage, url: str) -> None:
    """A URL of the catalog's that no service can have is an error that says so, and nothing is sent there."""

    def edit(endpoint: dict[str, Any]) -> None:
        endpoint.update(dict.fromkeys(endpoint.keys() & {"url", "publicURL"}, url))

    edit_endpoints(stage, edit)
    await finds_no_service(stage, "^the catalog's endpoint of the image service (is|has) ")
    assert all("somebody:secret" not in str(error) for error in stage.raised)


@pytest.mark.fault(41)
@pytest.mark.dialects("openstack")
async def test_plain_http(stage: Stage) -> None:
    """A catalog that came over https and names a plain http URL is refused: the token would go there unencrypted."""
    endpoint = {"interface": "public", "region_id": "RegionOne", "url": "http://images.example/v2"}
    body = json.dumps({"token": {"catalog": [{"type": "image", "endpoints": [endpoint]}]}}).encode()
    head = (
        f"HTTP/1.1 201 Created\r\nX-Subject-Token: a-token\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    answer = answering(head.encode() + body)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        stage.injected += 1

    async with raw_server(talk, context) as url:
        credentials = KeystonePassword(url, "somebody", "password", project_name="project")
        client = stage.world.client(credentials, region="RegionOne", ssl=trusting)
        with pytest.raises(ConfigurationError, match=r"plain http endpoint, http://images\.example/v2.*endpoint="):
            await client.schemas.image()
        await client.close()
    assert stage.injected == 1
