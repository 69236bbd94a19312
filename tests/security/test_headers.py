"""Nothing that a program or a server says adds a header, or breaks one."""

import json
from collections.abc import Awaitable, Callable

import pytest
from clouds import World

from aioimages import (
    Client,
    DecodeError,
    KeystonePassword,
    KeystoneToken,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    RetryPolicy,
    StaticToken,
)
from security.canary import answer, canary

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
BAD = ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "é", "☃", "\x7f", "\ud800", "\x85", "a\tb"]
CLOUD = "https://cloud.example"

MAKERS: dict[str, Callable[[str], object]] = {
    "RackspaceToken": lambda bad: RackspaceToken(bad, "123"),
    "KeystoneToken": lambda bad: KeystoneToken(CLOUD, bad),
    "StaticToken": lambda bad: StaticToken(bad, CLOUD),
    "user_agent": lambda bad: Client(StaticToken("token", CLOUD), user_agent=bad),
}
Ask = Callable[[Client, str], Awaitable[object]]
METHODS: dict[str, Ask] = {
    "content type": lambda client, bad: client.objects.upload("disks", "x", b"data", content_type=bad),
    "value of metadata": lambda client, bad: client.objects.upload("disks", "x", b"data", metadata={"colour": bad}),
    "name of metadata": lambda client, bad: client.objects.upload("disks", "x", b"data", metadata={bad: "red"}),
    "store to upload to": lambda client, bad: client.images.upload("image-1", b"data", store=bad),
    "store to download from": lambda client, bad: client.images.download("image-1", "/dev/null/x", prefer=[bad]),
}


@pytest.mark.parametrize("what", MAKERS)
@pytest.mark.parametrize("bad", BAD, ids=ascii)
async def test_clients(what: str, bad: str) -> None:
    """A token or a name of a program that no header can have is refused when it is given, and not shown."""
    with pytest.raises(ValueError, match=r"user_agent is|token (has|is empty)") as raised:
        MAKERS[what](bad)
    assert "Evil" not in str(raised.value) or what == "user_agent"


@pytest.mark.parametrize("what", METHODS)
@pytest.mark.parametrize("bad", [*BAD, " a", "a ", ""], ids=ascii)
async def test_methods(what: str, bad: str) -> None:
    """What stands in a header is visible ASCII, and is refused before anything is sent."""
    async with canary() as bird, Client(StaticToken("token", f"{bird.url}/v2"), dialect="openstack") as client:
        client.objects._session._endpoint._given = bird.url
        with pytest.raises(ValueError, match=r"ASCII|header|control|empty|Unicode|not one segment"):
            await METHODS[what](client, bad)
        assert bird.connections == 0


@pytest.mark.parametrize("name", ["a b", "a:b", "a(b", 'a"b', "a/b", "X-Auth-Token: x"])
async def test_names_of_metadata(name: str) -> None:
    """The name of an object's metadata is a name that HTTP knows."""
    async with canary() as bird, Client(StaticToken("token", f"{bird.url}/v2"), dialect="openstack") as client:
        with pytest.raises(ValueError, match="no name of a header"):
            await METHODS["name of metadata"](client, name)
        assert bird.connections == 0


TOKENS = ["a\r\nX-Evil: 1", "a b", "é", "", "\x00"]


@pytest.mark.parametrize("token", TOKENS, ids=ascii)
async def test_tokens_that_servers_give(token: str) -> None:
    """A token that no header can have is an answer that was not understood: it is never sent anywhere."""
    access = {"access": {"token": {"id": token}, "serviceCatalog": []}}
    async with canary(answer(200, json.dumps(access).encode())) as bird:
        client = Client(RackspaceApiKey("alice", "a-secret-key", auth_url=bird.url), retry=ONCE)
        async with client:
            with pytest.raises(DecodeError, match="nothing that can be sent as a token"):
                await client.images.get("image-1")
        assert len(bird.requests) == 1


async def test_token_of_other_letters_in_a_header() -> None:
    """So is one that Keystone gives in its header."""
    said = answer(201, b'{"token": {"catalog": []}}', "X-Subject-Token: ééé")
    async with canary(said) as bird:
        client = Client(KeystonePassword(bird.url, "alice", "a-secret-key"), retry=ONCE)
        async with client:
            with pytest.raises(DecodeError, match="X-Subject-Token"):
                await client.images.get("image-1")


async def test_session_of_a_second_factor() -> None:
    """The id of a session that no header can have is none: the sign-in is refused."""
    said = answer(401, b"", "WWW-Authenticate: OS-MF sessionId='é\x01x', factor='PASSCODE'")
    async with canary(said) as bird:
        credentials = RackspacePassword("alice", "a-secret-key", auth_url=bird.url, passcode="123456")
        async with Client(credentials, retry=ONCE) as client:
            with pytest.raises(Exception, match=r"not accepted|no HTTP") as raised:
                await client.images.get("image-1")
        assert len(bird.requests) == 1
        assert not isinstance(raised.value, ValueError)


@pytest.mark.clouds("emulator")
async def test_request_ids(world: World) -> None:
    """The ids that requests are given are short enough for all services."""
    if world.dialect == "openstack":
        image = await world.make_image("web")
        await world.admin.images.stage(image.id, b"data")
        await world.admin.images.start_import(image.id)
    await world.import_disk()
    ids = [request.headers.get("X-OpenStack-Request-ID") for request in world.watch.requests]
    given = [text for text in ids if text]
    assert bool(given) is (world.dialect == "openstack")
    assert all(len(text) <= 64 and text.isascii() for text in given)
