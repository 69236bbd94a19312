"""What is seen of each request: by the hook, in the log, on the error."""

import asyncio
import logging
import os
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from clouds import World
from servers import answering, raw_server

from aioimages import (
    AmbiguousOutcomeError,
    Attempt,
    Client,
    ConflictError,
    ConnectError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    StaticToken,
    TimeoutPolicy,
    TransferInterruptedError,
    TransportError,
    TransportTimeoutError,
    UnauthorizedError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

openstack = pytest.mark.dialects("openstack")
FAST = RetryPolicy(attempts=3, base=0.01)
DATA = os.urandom(200_000)


class Seen:
    """Keeps the attempts of the clients that tell it of them."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def __call__(self, attempt: Attempt) -> None:
        """Take an attempt."""
        self.attempts.append(attempt)

    @property
    def story(self) -> list[tuple[str, int, int | None, bool]]:
        """What came: each with its method, number and status, and whether another followed."""
        return [(one.method, one.number, one.status, one.delay_seconds is not None) for one in self.attempts]


@pytest.fixture
async def seen() -> Seen:
    """Return what keeps attempts."""
    return Seen()


@pytest.fixture
async def client(world: World, seen: Seen) -> Client:
    """Return a producer's client that is signed in, retries fast, and tells of what it does from now on."""
    client = world.client(world.credentials(world.site.producer), retry=FAST, on_attempt=seen)
    await client.schemas.image()
    seen.attempts.clear()
    return client


async def test_sign_in_and_call(world: World, seen: Seen) -> None:
    """Every request is told of, the sign-in too, with what came of it and what the service calls it."""
    client = world.client(world.credentials(world.site.producer), on_attempt=seen)
    await client.images.list(name="web").collect()
    sign_in, listing = seen.attempts[0], seen.attempts[-1]
    assert sign_in.url.endswith("/tokens")
    assert (listing.method, listing.number, listing.status, listing.error, listing.delay_seconds) == (
        ("GET", 1, 200, None, None)
    )
    assert listing.url.endswith("/images")
    assert listing.request_id == world.emulator.requests[-1].request_id
    assert 0 < listing.seconds < 60


async def test_repetitions(world: World, client: Client, seen: Seen) -> None:
    """Each attempt is told of once, with the error and the delay that follows it."""
    image = await world.make_image()
    world.emulator.faults.status(503, path=image.id, times=1)
    world.emulator.faults.drop(path=image.id, times=1)
    await client.images.get(image.id)
    assert seen.story == [("GET", 1, 503, True), ("GET", 2, None, True), ("GET", 3, 200, False)]
    first, second, third = seen.attempts
    assert isinstance(first.error, ServerError)
    assert isinstance(second.error, TransportError)
    assert third.error is None
    called = [request.request_id for request in world.emulator.requests[-3:]]
    assert [first.request_id, second.request_id, third.request_id] == [called[0], None, called[2]]
    assert all(0 <= (one.delay_seconds or 0) <= 0.02 for one in (first, second))


async def test_last_error(world: World, client: Client, seen: Seen) -> None:
    """An error says after how many attempts it is raised, also when it went through `pickle`."""
    world.emulator.faults.status(502, path="/schemas/", times=None)
    with pytest.raises(ServerError, match=r"502 .* \(GET .*\), after 3 attempts$") as raised:
        await client.schemas.image()
    assert seen.story[-1] == ("GET", 3, 502, False)
    assert seen.attempts[-1].error is raised.value
    assert raised.value.attempts == 3
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (copied.attempts, str(copied)) == (3, str(raised.value))


async def test_refusal(world: World, client: Client, seen: Seen) -> None:
    """A refusal is one attempt, and its message says nothing of attempts."""
    with pytest.raises(NotFoundError, match=r"\)$") as raised:
        await client.images.get("not-there")
    assert raised.value.attempts == 1
    assert seen.story == [("GET", 1, 404, False)]
    assert seen.attempts[0].request_id == raised.value.request_id == world.emulator.requests[-1].request_id


async def test_delay_that_the_server_asks_for(world: World, client: Client, seen: Seen) -> None:
    """The delay that is told is the one that is kept."""
    world.emulator.faults.status(429, headers={"Retry-After": "1"}, path="/schemas/")
    await client.schemas.image()
    refused, answered = seen.attempts
    assert isinstance(refused.error, RateLimitedError)
    assert refused.delay_seconds is not None
    assert 1.0 <= refused.delay_seconds <= 1.2
    assert answered.number == 2


async def test_refused_token(world: World, client: Client, seen: Seen) -> None:
    """A refused token is an attempt that another one follows at once, once there is another token."""
    world.emulator.revoke_tokens()
    await client.schemas.image()
    assert [(one.method, one.number, one.status, one.delay_seconds) for one in seen.attempts] == [
        ("GET", 1, 401, 0.0),
        ("POST", 1, 200 if world.dialect == "rackspace" else 201, None),
        ("GET", 2, 200, None),
    ]


async def test_token_that_stays_refused(world: World, client: Client, seen: Seen) -> None:
    """A token that is refused anew is the end, of which the error and the hook tell."""
    world.emulator.faults.status(401, path="/schemas/", times=None)
    with pytest.raises(UnauthorizedError) as raised:
        await client.schemas.image()
    assert raised.value.attempts == 2
    assert [one for one in seen.story if one[0] == "GET"] == [("GET", 1, 401, True), ("GET", 2, 401, False)]


async def test_lost_answer_that_has_landed(world: World, client: Client, seen: Seen) -> None:
    """A refusal that says that an earlier attempt was carried out is no error."""
    image = await world.make_image()
    world.emulator.faults.drop_reply(method="POST", path="/members$")
    seen.attempts.clear()
    await client.members.create(image.id, world.site.consumer.project_id)
    assert [(one.method, one.number, one.status, one.error is None) for one in seen.attempts] == [
        ("POST", 1, None, False),
        ("GET", 1, 200, True),
        ("POST", 2, 409, True),
    ]


async def test_ambiguity(world: World, seen: Seen) -> None:
    """What may have been carried out says how often it was sent."""
    importer = world.client(world.importer.images._session._tokens._credentials, retry=FAST, on_attempt=seen)
    await importer.schemas.image()
    world.emulator.faults.status(429, method="POST", path="/servers/", times=1)
    world.emulator.faults.drop(method="POST", path="/servers/", times=1)
    seen.attempts.clear()
    with pytest.raises(AmbiguousOutcomeError, match=r"lost.*, after 2 attempts$") as raised:
        await importer.servers.create_image("server", name="web")
    assert raised.value.attempts == 2
    assert seen.story == [("POST", 1, 429, True), ("POST", 2, None, False)]


async def test_time_that_is_over(world: World, seen: Seen) -> None:
    """An attempt that the call's time limit ends is told of, after the one before it."""
    client = world.client(
        world.credentials(world.site.producer),
        timeout=TimeoutPolicy(read=None, call=1.0),
        retry=FAST,
        on_attempt=seen,
    )
    await client.schemas.image()
    seen.attempts.clear()
    world.emulator.faults.drop(path="/schemas/")
    world.emulator.faults.hang(path="/schemas/", times=None)
    with pytest.raises(TransportTimeoutError, match="no answer within 1 s") as raised:
        await client.schemas.image()
    assert seen.story == [("GET", 1, None, True), ("GET", 2, None, False)]
    assert raised.value is seen.attempts[-1].error
    assert raised.value.attempts == 2


async def test_answer_that_cannot_be_read(seen: Seen) -> None:
    """An answer that came and cannot be read has its status and its error."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
    async with (
        raw_server(answering(answer)) as url,
        Client(StaticToken("token", f"{url}/v2"), retry=FAST, on_attempt=seen) as client,
    ):
        with pytest.raises(DecodeError):
            await client.images.get("i-1")
    assert {(one.status, type(one.error)) for one in seen.attempts} == {(200, DecodeError)}


async def test_connection_that_is_refused(seen: Seen) -> None:
    """Attempts that reach nobody are told of, without a status."""
    async with Client(StaticToken("token", "http://127.0.0.1:1/v2"), retry=FAST, on_attempt=seen) as client:
        with pytest.raises(ConnectError, match=r"after 3 attempts$"):
            await client.schemas.image()
    assert seen.story == [("GET", 1, None, True), ("GET", 2, None, True), ("GET", 3, None, False)]


@openstack
async def test_upload(world: World, client: Client, seen: Seen) -> None:
    """Data that are sent again are further attempts of one call, between which the image is looked at."""
    image = await world.make_image()
    seen.attempts.clear()
    world.emulator.faults.status(503, method="PUT", path="/file$")
    world.emulator.faults.status(401, method="PUT", path="/file$")
    await client.images.upload(image.id, DATA)
    puts = [one for one in seen.attempts if one.method == "PUT"]
    assert [(one.number, one.status, one.delay_seconds is not None) for one in puts] == [
        (1, 503, True),
        (2, 401, True),
        (3, 204, False),
    ]


@openstack
async def test_upload_that_fails(world: World, client: Client, seen: Seen) -> None:
    """An upload that is given up tells so with its last attempt."""
    image = await world.make_image()
    world.emulator.faults.status(503, method="PUT", path="/file$", times=None)
    with pytest.raises(ServerError) as raised:
        await client.images.upload(image.id, DATA)
    puts = [one for one in seen.attempts if one.method == "PUT"]
    assert [(one.number, one.delay_seconds is None) for one in puts] == [(1, False), (2, False), (3, True)]
    assert raised.value.attempts == 3


@openstack
async def test_download(world: World, client: Client, seen: Seen, tmp_path: Path) -> None:
    """A download that breaks is told of when it breaks, with the answer that had begun, and goes on as another try."""
    image = await world.make_image(data=DATA)
    world.emulator.faults.truncate(1000, path="/file$")
    seen.attempts.clear()
    await client.images.download(image.id, tmp_path / "disk")
    gets = [one for one in seen.attempts if one.url.endswith("/file")]
    assert [(one.number, one.status, type(one.error)) for one in gets] == [
        (1, 200, TransportError),
        (2, 206, type(None)),
    ]
    assert (gets[0].delay_seconds is None, gets[1].delay_seconds is None) == (False, True)


@openstack
async def test_download_that_fails(world: World, client: Client, seen: Seen, tmp_path: Path) -> None:
    """A download that is given up tells of all its attempts, the last one too."""
    image = await world.make_image(data=DATA)
    world.emulator.faults.truncate(0, path="/file$", times=None)
    seen.attempts.clear()
    with pytest.raises(TransferInterruptedError):
        await client.images.download(image.id, tmp_path / "disk")
    gets = [one for one in seen.attempts if one.url.endswith("/file")]
    assert [one.number for one in gets] == list(range(1, 11))
    assert [one.delay_seconds is None for one in gets] == [False] * 9 + [True]


@openstack
async def test_download_of_a_store_without_parts(world: World, client: Client, seen: Seen, tmp_path: Path) -> None:
    """Requests for parts are told of, also the one that finds out whether there are any, and one that is refused."""
    image = await world.make_image(data=DATA)
    world.emulator.faults.status(400, path="/file$", times=1)
    seen.attempts.clear()
    await client.images.download(image.id, tmp_path / "disk", parts=2)
    assert [one.status for one in seen.attempts if one.url.endswith("/file")] == [400, 200]


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name.removeprefix("aioimages_"): value for name, value in vars(record).items() if name.startswith("aioimages_")
    }


async def test_log(world: World, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """The log has a record of each attempt, with its facts as fields; its level says whether another follows."""
    world.emulator.faults.status(503, path="/schemas/")
    with caplog.at_level(logging.DEBUG, "aioimages"):
        await client.schemas.image()
    records = [record for record in caplog.records if record.name == "aioimages.requests"]
    assert [record.levelno for record in records] == [logging.INFO, logging.DEBUG]
    repeated, answered = (_fields(record) for record in records)
    names = "delay_seconds method number reason request_id seconds status url"
    assert sorted(repeated) == sorted(answered) == names.split()
    url = repeated["url"]
    assert url.endswith("/schemas/image")
    assert (repeated["method"], repeated["number"], repeated["status"]) == ("GET", 1, 503)
    assert repeated["request_id"] == world.emulator.requests[-2].request_id
    assert repeated["reason"].startswith("503 ")
    assert records[0].getMessage().startswith(f"GET {url}: 503 ")
    assert "; again in 0.0" in records[0].getMessage()
    assert (answered["number"], answered["reason"], answered["delay_seconds"]) == (2, None, None)
    assert records[1].getMessage().startswith(f"GET {url}: 200 in ")


async def test_levels(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO only repetitions are logged, and above it nothing is."""
    client = world.client(world.credentials(world.site.producer), retry=FAST)
    world.emulator.faults.status(503, path="/schemas/", times=2)
    with caplog.at_level(logging.INFO, "aioimages"):
        await client.schemas.image()
    assert [(record.levelname, _fields(record)["number"]) for record in caplog.records] == [("INFO", 1), ("INFO", 2)]
    caplog.clear()
    world.emulator.faults.status(503, path="/schemas/", times=1)
    with caplog.at_level(logging.WARNING, "aioimages"):
        await client.schemas.image()
    assert not caplog.records


async def test_no_secrets(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log nor hook show a token, a key, a password or a URL's signature, though the server repeats them."""
    seen = Seen()
    person = world.site.producer if world.dialect == "rackspace" else world.site.admin
    importer = world.client(world.credentials(person), retry=FAST, on_attempt=seen)
    caplog.set_level(logging.DEBUG)
    await importer.schemas.image()
    token = (await importer._session._tokens.get()).value
    source = f"{world.import_source()}?temp_url_sig=swordfish" if world.dialect == "openstack" else "disks/web.vhd"
    for status in (429, 403):
        world.emulator.faults.status(status, method="POST", path="/tasks", body=f"{token} {source}".encode())
    with pytest.raises(ForbiddenError):
        await importer.tasks.import_image(source, name="web")
    await importer.images.list(name="swordfish").collect()
    said = repr(seen.attempts) + "".join(record.getMessage() + str(vars(record)) for record in caplog.records)
    assert len(seen.attempts) > 3
    for secret in filter(None, (token, person.password, person.api_key, "swordfish")):
        assert secret not in said


async def test_token_in_a_request_id(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """A token that a server says is its request id is not shown either."""
    answer = b"HTTP/1.1 200 OK\r\nx-openstack-request-id: req-swordfish\r\nContent-Length: 2\r\n\r\n{}"
    caplog.set_level(logging.DEBUG)
    async with (
        raw_server(answering(answer)) as url,
        Client(StaticToken("swordfish", f"{url}/v2"), on_attempt=seen) as client,
    ):
        assert await client.schemas.image() == {}
    assert seen.story == [("GET", 1, 200, False)]
    assert "swordfish" not in repr(seen.attempts) + "".join(str(vars(record)) for record in caplog.records)


CALLS: dict[str, Callable[[Client, str], Awaitable[object]]] = {
    "get": lambda client, image_id: client.images.get(image_id),
    "list": lambda client, _: client.images.list(page_size=1).collect(),
    "wait": lambda client, image_id: client.images.wait(image_id, status="queued", timeout=5),
    "update": lambda client, image_id: client.images.update(image_id, {"name": "web"}),
}


@pytest.mark.parametrize("name", CALLS)
async def test_hook_that_fails(world: World, name: str) -> None:
    """What the hook raises leaves the call that it belongs to; the client goes on, and holds nothing of it."""
    images = await world.make_images("a", "b", "c")
    is_failing = False

    def hook(_: Attempt) -> None:
        if is_failing:
            raise LookupError("the hook's own")

    client = world.client(world.credentials(world.site.producer), on_attempt=hook)
    await client.schemas.image()
    is_failing = True
    with pytest.raises(LookupError, match="the hook's own"):
        await CALLS[name](client, images[0].id)
    world.emulator.faults.status(503, times=1)
    with pytest.raises(LookupError, match="the hook's own"):
        await CALLS[name](client, images[0].id)
    is_failing = False
    await CALLS[name](client, images[0].id)
    exchange = client._session._exchange
    assert exchange._limiter.in_flight == 0
    session = client._http._session
    assert session is not None
    assert session.connector is not None
    assert not session.connector._acquired


async def test_hook_that_fails_for_one_of_many(world: World) -> None:
    """A hook that fails for one call does not fail another, nor the sign-in that they share."""
    image = await world.make_image()
    sign_ins = 0

    def hook(attempt: Attempt) -> None:
        nonlocal sign_ins
        if attempt.url.endswith("/tokens"):
            sign_ins += 1
        if attempt.status == 404 or sign_ins == 1:
            raise LookupError("the hook's own")

    client = world.client(world.credentials(world.site.producer), on_attempt=hook)
    with pytest.raises(LookupError):
        await client.images.get(image.id)
    async with client.bulk.map(client.images.get, ["not-there", image.id, image.id]) as outcomes:
        errors = [type(outcome.error) async for outcome in outcomes]
    assert sorted(kind.__name__ for kind in errors) == ["LookupError", "NoneType", "NoneType"]
    assert sign_ins == 2


async def test_cancelled_attempt(seen: Seen) -> None:
    """A call that is cancelled tells nothing more."""
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await asyncio.Event().wait()

    async with (
        raw_server(never_answer) as url,
        Client(StaticToken("token", f"{url}/v2"), on_attempt=seen) as client,
    ):
        call = asyncio.create_task(client.schemas.image())
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert not seen.attempts


@pytest.mark.parametrize("hook", [1, "print"])
def test_what_is_no_hook(hook: Any) -> None:
    """What cannot be called is refused, and so is a coroutine function, which nobody would await."""

    async def never_awaited(_: Attempt) -> None:
        raise AssertionError

    for given in (hook, never_awaited):
        with pytest.raises(TypeError, match="on_attempt"):
            Client(StaticToken("token", "http://127.0.0.1:1/v2"), on_attempt=given)


@openstack
async def test_conflict_after_an_answer_that_was_lost(world: World, client: Client, seen: Seen) -> None:
    """What is looked up and says that nothing has landed leaves the refusal, told once, as it is."""
    image = await world.make_image(data=DATA)
    seen.attempts.clear()
    world.emulator.faults.drop(method="POST", path="/import$")
    with pytest.raises(ConflictError) as raised:
        await client.images.start_import(image.id)
    assert raised.value.attempts == 2
    assert [one for one in seen.story if one[0] == "POST"] == [("POST", 1, None, True), ("POST", 2, 409, False)]
