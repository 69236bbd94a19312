"""Signing in: every kind of credentials, the catalog, and one token for all calls."""

import asyncio

import anyio
import pytest
from clouds import World

from aioimages import (
    AuthenticationError,
    Client,
    EndpointNotFoundError,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    MultiFactorRequiredError,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    StaticToken,
    UnauthorizedError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


async def _works(client: Client) -> None:
    assert await client.schemas.image()


@rackspace
async def test_api_key(world: World) -> None:
    """A user name and an API key sign in to Rackspace."""
    person = world.site.producer
    await _works(world.client(RackspaceApiKey(person.username, person.api_key, auth_url=world.site.auth_url)))


@rackspace
async def test_api_key_for_a_tenant(world: World) -> None:
    """The tenant can be named."""
    person = world.site.producer
    credentials = RackspaceApiKey(
        person.username, person.api_key, auth_url=world.site.auth_url, tenant_id=person.project_id
    )
    await _works(world.client(credentials))


@rackspace
async def test_rackspace_password(world: World) -> None:
    """A user name and a password sign in to Rackspace."""
    person = world.site.producer
    await _works(world.client(RackspacePassword(person.username, person.password, auth_url=world.site.auth_url)))


@rackspace
async def test_rackspace_token(world: World) -> None:
    """A token and its tenant sign in to Rackspace."""
    token = (await world.site.wire(world.site.producer)).token
    credentials = RackspaceToken(token, world.site.producer.project_id, auth_url=world.site.auth_url)
    await _works(world.client(credentials))


@rackspace
async def test_second_factor_is_missing(world: World) -> None:
    """An account with a second factor has an error of its own, which says what to do."""
    account = world.emulator.mfa
    client = world.client(RackspacePassword(account.username, account.password, auth_url=world.site.auth_url))
    with pytest.raises(MultiFactorRequiredError, match="passcode="):
        await _works(client)


@rackspace
async def test_passcode(world: World) -> None:
    """A passcode is the second factor."""
    account = world.emulator.mfa
    credentials = RackspacePassword(
        account.username, account.password, auth_url=world.site.auth_url, passcode=account.passcode
    )
    await _works(world.client(credentials))


@rackspace
async def test_passcode_that_is_asked_for(world: World) -> None:
    """A passcode can come from an async function, which is called when it is needed."""
    account = world.emulator.mfa
    asked = 0

    async def passcode() -> str:
        nonlocal asked
        asked += 1
        return str(account.passcode)

    client = world.client(
        RackspacePassword(account.username, account.password, auth_url=world.site.auth_url, passcode=passcode)
    )
    assert asked == 0
    await _works(client)
    world.emulator.revoke_tokens()
    await _works(client)
    assert asked == 2


@rackspace
async def test_wrong_passcode(world: World) -> None:
    """A passcode that is not accepted is named, not shown."""
    account = world.emulator.mfa
    credentials = RackspacePassword(account.username, account.password, auth_url=world.site.auth_url, passcode="135791")
    with pytest.raises(AuthenticationError, match="passcode") as raised:
        await _works(world.client(credentials))
    assert "135791" not in str(raised.value)


@openstack
@pytest.mark.parametrize("project", ["name", "id"])
async def test_keystone_password(world: World, project: str) -> None:
    """A user name and a password sign in to Keystone, for a project by its name or its id."""
    person = world.site.producer
    scope = {"project_name": person.project_name} if project == "name" else {"project_id": person.project_id}
    await _works(world.client(KeystonePassword(world.site.auth_url, person.username, person.password, **scope)))


@openstack
async def test_auth_url_without_its_version(world: World) -> None:
    """The address of Keystone may leave out the version."""
    person = world.site.producer
    root = world.site.auth_url.removesuffix("/v3")
    credentials = KeystonePassword(root, person.username, person.password, project_id=person.project_id)
    await _works(world.client(credentials))


@openstack
async def test_application_credential(world: World) -> None:
    """An application credential signs in, and brings its own project."""
    person = world.site.producer
    credentials = KeystoneApplicationCredential(
        world.site.auth_url, person.application_credential_id, person.application_credential_secret
    )
    client = world.client(credentials)
    image = await client.images.create(name="made with an application credential")
    assert person.project_id == image.owner


@openstack
async def test_keystone_token(world: World) -> None:
    """A token is exchanged for one of a project."""
    person = world.site.producer
    token = (await world.site.wire(person)).token
    await _works(world.client(KeystoneToken(world.site.auth_url, token, project_name=person.project_name)))


async def test_static_token(world: World) -> None:
    """A token and an endpoint are used as they are: nothing is signed in to."""
    wire = await world.site.wire(world.site.producer)
    client = world.client(StaticToken(wire.token, f"{wire.root}/v2"), dialect=world.dialect)
    await _works(client)
    assert world.watch.sign_ins == 0


async def test_static_token_that_has_ended(world: World) -> None:
    """A fixed token that is refused cannot be renewed: the refusal comes as it is, after one request."""
    client = world.client(StaticToken("no-such-token", f"{(await world.site.wire(world.site.producer)).root}/v2"))
    with pytest.raises(UnauthorizedError):
        await _works(client)
    assert len(world.watch.requests) == 1


async def test_wrong_secret(world: World) -> None:
    """A wrong key or password is an `AuthenticationError` that names the user, and shows no secret."""
    person = world.site.producer
    credentials: RackspaceApiKey | KeystonePassword = (
        RackspaceApiKey(person.username, "wrong-secret", auth_url=world.site.auth_url)
        if world.dialect == "rackspace"
        else KeystonePassword(world.site.auth_url, person.username, "wrong-secret", project_id=person.project_id)
    )
    with pytest.raises(AuthenticationError, match=f"{person.username!r} was not accepted: 401") as raised:
        await _works(world.client(credentials))
    assert "wrong-secret" not in f"{raised.value!r} {raised.value.__dict__} {credentials!r}"


async def test_region_is_the_users_own_when_not_given(world: World) -> None:
    """Without a region the user's own is used."""
    client = world.client(world.credentials(world.site.producer), region=None)
    await _works(client)
    assert world.watch.requests[-1].path.endswith("/v2/schemas/image")


@emulator
@pytest.mark.parametrize("region", ["ORD", "IAD", "RegionTwo"])
async def test_regions_are_apart(world: World, region: str) -> None:
    """What is in one region is not in another."""
    if (world.dialect == "openstack") is not region.startswith("Region"):
        region = "RegionTwo" if world.dialect == "openstack" else "ORD"
    image = await world.make_image("here")
    elsewhere = world.client(world.credentials(world.site.producer), region=region)
    assert await elsewhere.images.list(visibility="private").collect() == []
    assert [image.id] == [found.id async for found in world.producer.images.list()]


@emulator
@rackspace
async def test_interface(world: World) -> None:
    """ServiceNet is the internal interface; what the catalog lacks is an error that says what it has."""
    person = world.site.producer
    internal = world.client(world.credentials(person), interface="internal")
    await _works(internal)
    for options, words in (
        ({"interface": "internal", "region": "IAD"}, "it is in DFW"),
        ({"interface": "admin"}, "internal, public"),
    ):
        client = world.client(world.credentials(person), **options)
        with pytest.raises(EndpointNotFoundError, match=words):
            await _works(client)


@emulator
@openstack
@pytest.mark.parametrize("interface", ["public", "internal", "admin"])
async def test_interfaces_of_keystones_catalog(world: World, interface: str) -> None:
    """All three interfaces can be chosen."""
    await _works(world.client(world.credentials(world.site.producer), interface=interface))


async def test_one_sign_in_for_all(world: World) -> None:
    """However many calls begin at once, there is one sign-in."""
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(_works, world.producer)
    assert world.watch.sign_ins == 1


@emulator
@pytest.mark.emulator(token_seconds=100)
async def test_token_is_renewed_ahead_of_its_end(world: World) -> None:
    """A token is replaced before it ends, so that no call meets a refusal."""
    await _works(world.producer)
    source = world.producer.images._session._tokens
    clock, moved = source._clock, 0.0
    source._clock = lambda: clock() + moved
    moved = 90.0
    await _works(world.producer)
    assert world.watch.sign_ins == 1
    moved = 96.0
    await _works(world.producer)
    assert world.watch.sign_ins == 2
    assert 401 not in [request.status for request in world.emulator.requests]


@emulator
async def test_failed_sign_in_is_shared(world: World) -> None:
    """All who wait for a sign-in that fails are told of the one failure; later a new one is tried."""
    fault = world.emulator.faults.status(403, path="tokens", times=None)
    outcomes = await asyncio.gather(*(_works(world.producer) for _ in range(20)), return_exceptions=True)
    assert {AuthenticationError} == {type(outcome) for outcome in outcomes}
    assert fault.hits == 1
    world.emulator.faults.clear()
    await asyncio.sleep(1.1)
    await _works(world.producer)
