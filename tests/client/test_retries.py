"""What is tried again, how often, and what never is."""

import asyncio
import time
from itertools import pairwise

import pytest
from clouds import World

from aioimages import (
    AmbiguousOutcomeError,
    Client,
    ConnectError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    StaticToken,
    TaskTimeoutError,
    TimeoutPolicy,
    TransportError,
    TransportTimeoutError,
)

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]

openstack = pytest.mark.dialects("openstack")
FAST = RetryPolicy(attempts=3, base=0.01)


@pytest.fixture
async def client(world: World) -> Client:
    """Return a producer's client that is signed in, has a warm connection, and retries fast."""
    client = world.client(world.credentials(world.site.producer), retry=FAST)
    await client.schemas.image()
    return client


async def test_one_request_for_each_attempt(world: World, client: Client) -> None:
    """Each attempt is one request on the wire, also on a warm connection, where aiohttp by itself sends two."""
    world.emulator.faults.drop(method="GET", path="/schemas/", times=None)
    with pytest.raises(TransportError):
        await client.schemas.member()
    assert world.emulator.count("GET", "/schemas/member$") == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_in_trouble(world: World, client: Client, status: int) -> None:
    """A server error passes; one that stays is raised after the last attempt."""
    image = await world.make_image()
    fault = world.emulator.faults.status(status, path=image.id, times=2)
    assert (await client.images.get(image.id)).id == image.id
    assert fault.hits == 2
    world.emulator.faults.status(status, path=image.id, times=None)
    with pytest.raises(ServerError) as raised:
        await client.images.get(image.id)
    assert raised.value.status == status


async def test_refusals_are_final(world: World, client: Client) -> None:
    """What the server refuses is asked for once."""
    for status, kind in ((403, ForbiddenError), (404, NotFoundError)):
        fault = world.emulator.faults.status(status, path="/schemas/", times=None)
        with pytest.raises(kind):
            await client.schemas.image()
        assert fault.hits == 1
        world.emulator.faults.clear()


async def test_lost_answer_of_a_task(world: World) -> None:
    """A task whose answer was lost is not asked for twice, but found in the list of tasks."""
    importer = world.client(world.importer.images._session._tokens._credentials, retry=FAST)
    source = world.import_source()
    await importer.schemas.image()
    world.emulator.faults.drop_reply(method="POST", path="/tasks$")
    task = await importer.tasks.import_image(source, name="once")
    assert world.emulator.count("POST", "/tasks$") == 1
    assert [found.id async for found in importer.tasks.list()] == [task.id]


async def test_task_that_was_never_sent(world: World) -> None:
    """A task is asked for again when the connection could not even be made, or the server was too busy to look."""
    importer = world.client(world.importer.images._session._tokens._credentials, retry=FAST)
    world.emulator.faults.status(429, method="POST", path="/tasks$")
    task = await importer.tasks.import_image(world.import_source(), name="once")
    assert task.status in {"pending", "processing"}
    assert world.emulator.count("POST", "/tasks$") == 2


async def test_server_error_for_a_task(world: World) -> None:
    """A server error for a task is not tried again blindly: the task may have been taken on, and the error says so."""
    importer = world.client(
        world.importer.images._session._tokens._credentials, retry=FAST, timeout=TimeoutPolicy(lost_after=0.1)
    )
    fault = world.emulator.faults.status(503, method="POST", path="/tasks$", times=None)
    with pytest.raises(AmbiguousOutcomeError, match=r"may or may not have been carried out: 503 .*; no such task"):
        await importer.tasks.import_image(world.import_source(), name="once")
    # With the same request id it can be asked for once more, when there surely was no such task.
    assert fault.hits == (1 if world.dialect == "rackspace" else 2)


async def test_answer_that_comes_before_the_deadline(world: World) -> None:
    """A refusal that stays is raised as it is, in time, rather than waited on until the deadline hides it."""
    client = world.client(world.credentials(world.site.producer), timeout=TimeoutPolicy(call=1.0))
    await client.schemas.image()
    world.emulator.faults.status(429, headers={"Retry-After": "2"}, path="/schemas/", times=None)
    start = time.monotonic()
    with pytest.raises(RateLimitedError) as raised:
        await client.schemas.image()
    assert raised.value.retry_after == 2.0
    assert time.monotonic() - start < 0.5


async def test_task_that_cannot_be_sent_in_time() -> None:
    """A task that was never sent is no ambiguity, however long it was tried."""
    client = Client(StaticToken("token", "http://127.0.0.1:1/v2"), timeout=TimeoutPolicy(call=0.3), dialect="rackspace")
    async with client:
        with pytest.raises(ConnectError):
            await client.tasks.import_image("disks/web.vhd", name="web")


@openstack
async def test_lost_answer_of_a_creation_and_a_refused_token(world: World, client: Client) -> None:
    """An image is made once also where the answer was lost and the token was refused after that."""
    world.emulator.faults.drop_reply(method="POST", path="/images$")
    world.emulator.faults.status(401, method="POST", path="/images$")
    image = await client.images.create(name="once")
    assert [found.id async for found in client.images.list(name="once")] == [image.id]


async def test_wait_through_trouble(world: World) -> None:
    """A wait goes on through trouble that passes, however long the retries of one look are."""
    importer = world.client(world.importer.images._session._tokens._credentials, retry=RetryPolicy(attempts=1))
    task = await importer.tasks.import_image(world.import_source(), name="web")
    fault = world.emulator.faults.status(503, path="/tasks/", times=3)
    assert (await importer.tasks.wait(task.id, timeout=20)).status == "success"
    assert fault.hits == 3


async def test_wait_that_never_sees_anything(world: World) -> None:
    """A wait without an end raises what stands in the way of its first look."""
    importer = world.client(world.importer.images._session._tokens._credentials, retry=RetryPolicy(attempts=1))
    task = await importer.tasks.import_image(world.import_source(), name="web")
    world.emulator.faults.status(503, path="/tasks/", times=None)
    with pytest.raises(ServerError):
        await importer.tasks.wait(task.id, timeout=None)
    with pytest.raises(TaskTimeoutError, match="still not answered for"):
        await importer.tasks.wait(task.id, timeout=0.3)


async def test_connection_that_is_refused() -> None:
    """A server that is not there is a `ConnectError` that names it, with Python's own error as its cause."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Client(StaticToken("token", f"http://127.0.0.1:{port}/v2"), retry=FAST) as client:
        with pytest.raises(ConnectError, match=rf"127.0.0.1:{port} cannot be reached.*GET /v2/schemas/image") as raised:
            await client.schemas.image()
    assert isinstance(raised.value.__cause__, OSError)


async def test_call_that_takes_too_long(world: World) -> None:
    """A call with all its attempts ends in time."""
    client = world.client(world.credentials(world.site.producer), timeout=TimeoutPolicy(call=0.5))
    world.emulator.faults.hang(path="/schemas/", times=None)
    start = time.monotonic()
    with pytest.raises(TransportTimeoutError, match=r"no answer within 0\.5 s") as raised:
        await client.schemas.image()
    assert time.monotonic() - start < 1.0
    assert isinstance(raised.value, TimeoutError)


async def test_task_that_takes_too_long_to_be_taken_on(world: World) -> None:
    """A task whose answer does not come in time may exist."""
    importer = world.client(world.importer.images._session._tokens._credentials, timeout=TimeoutPolicy(call=0.5))
    world.emulator.faults.hang(method="POST", path="/tasks$")
    with pytest.raises(AmbiguousOutcomeError):
        await importer.tasks.import_image(world.import_source(), name="once")


async def test_answer_that_stalls(world: World) -> None:
    """A server that goes silent is given up after `read` seconds, and asked again."""
    client = world.client(world.credentials(world.site.producer), timeout=TimeoutPolicy(read=0.2), retry=FAST)
    fault = world.emulator.faults.hang(path="/schemas/", times=1)
    await client.schemas.image()
    world.emulator.faults.hang(path="/schemas/", times=None)
    with pytest.raises(TransportTimeoutError, match="did not answer in time"):
        await client.schemas.image()
    assert fault.hits == 1


async def test_bounded_concurrency(world: World) -> None:
    """However many calls there are, so many are in flight, and all are answered."""
    client = world.client(world.credentials(world.site.producer), concurrency=8)
    image = await world.make_image()
    world.emulator.reset_peak()
    found = await asyncio.gather(*(client.images.get(image.id) for _ in range(300)))
    assert {image} == set(found)
    assert world.emulator.peak_in_flight <= 8


@pytest.mark.slow
async def test_ten_thousand_calls_and_one_revocation(world: World) -> None:
    """10,000 calls that were begun with a token which is refused need one sign-in more, and few of them a refusal."""
    await world.producer.schemas.image()
    world.watch.clear()
    world.emulator.revoke_tokens()
    answers = await asyncio.gather(*(world.producer.schemas.image() for _ in range(10_000)))
    assert world.watch.sign_ins == 1
    assert all(answer == answers[0] for answer in answers)
    assert [request.status for request in world.emulator.requests].count(401) < 1000


async def test_a_hundred_revocations(world: World) -> None:
    """A hundred revocations, each amid calls on their way, need a hundred sign-ins, and no call fails."""
    await world.producer.schemas.image()
    world.watch.clear()
    for _ in range(100):
        sent = len(world.watch.requests)
        calls = [asyncio.create_task(world.producer.schemas.image()) for _ in range(16)]
        while len(world.watch.requests) == sent:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0)
        world.emulator.revoke_tokens()
        await asyncio.gather(*calls)
        # One that was answered before the revocation has not met it.
        await world.producer.schemas.image()
    assert world.watch.sign_ins == 100


async def test_changes_of_one_image_do_not_overtake_each_other(world: World, client: Client) -> None:
    """Changes of one image go one at a time, because the service loses concurrent ones; all of them land."""
    image = await world.make_image()
    world.emulator.faults.delay(0.01, method="PATCH", times=None)
    await asyncio.gather(*(client.images.update(image.id, {f"p{number}": "x"}) for number in range(10)))
    properties = (await client.images.get(image.id)).properties
    assert {f"p{number}" for number in range(10)} <= properties.keys()
    patches = sorted(
        (request.started, request.finished) for request in world.emulator.requests if request.method == "PATCH"
    )
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(patches))
