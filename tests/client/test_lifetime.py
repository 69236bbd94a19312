"""A client's life: closing, loops, cancellation, and what its errors carry."""

import asyncio
import gc
import pickle
import traceback
import warnings
from collections.abc import Iterator

import aiohttp
import pytest
from clouds import World
from watch import client_tasks

from aioimages import (
    AioImagesError,
    AmbiguousOutcomeError,
    Client,
    ClientClosedError,
    ConcurrencyPolicy,
    NotFoundError,
    RetryPolicy,
    TimeoutPolicy,
    TransportError,
)
from aioimages._call import Reply
from aioimages.emulator import Emulator

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator")]


async def test_closing(world: World) -> None:
    """After `close()` every call is a `ClientClosedError`; closing again does no harm, nor does closing unused."""
    client = world.client(world.credentials(world.site.producer))
    await client.schemas.image()
    await client.close()
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.schemas.image()
    with pytest.raises(ClientClosedError):
        await client.images.list().collect()
    await world.client(world.credentials(world.site.producer)).close()


async def test_closing_during_calls(world: World) -> None:
    """Calls on their way when the client is closed end at once, with an error that says why."""
    client = world.client(world.credentials(world.site.producer))
    await client.schemas.image()
    world.emulator.faults.hang(path="/schemas/", times=None)
    calls = [asyncio.create_task(client.schemas.image()) for _ in range(5)]
    await asyncio.sleep(0.1)
    await client.close()
    outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 2)
    assert {type(outcome) for outcome in outcomes} == {ClientClosedError}


async def test_closing_leaves_no_timer(world: World) -> None:
    """A closed client has nothing more for the loop to do: neither for calls that are over, nor for those that wait."""
    client = world.client(world.credentials(world.site.producer), concurrency=ConcurrencyPolicy(rate=0.1))
    before = _timers()
    calls = [asyncio.create_task(client.schemas.image()) for _ in range(3)]
    while not world.emulator.requests:  # noqa: ASYNC110  # the cloud sets no event
        await asyncio.sleep(0.01)
    assert _timers() - before
    await client.close()
    await asyncio.gather(*calls, return_exceptions=True)
    assert not _timers() - before


def _timers() -> set[asyncio.TimerHandle]:
    """Return what the loop is to call later for the library."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return {timer for timer in scheduled if getattr(timer._callback, "__module__", "").startswith("aioimages._")}


async def test_errors_leave_the_block(world: World) -> None:
    """An error inside `async with` comes out of it as it is, and the client is closed."""

    async def use() -> None:
        async with client:
            await client.images.get("no-such-image")

    client = world.client(world.credentials(world.site.producer))
    with pytest.raises(NotFoundError):
        await use()
    with pytest.raises(ClientClosedError):
        await client.schemas.image()


async def test_nothing_is_left_behind(world: World) -> None:
    """A client that was closed leaves no asyncio task and no open socket."""
    before = client_tasks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with Client(world.credentials(world.site.producer), region=world.site.region) as client:
            await client.images.list().collect()
        del client
        gc.collect()
    assert client_tasks() <= before


async def test_cancelled_call(world: World) -> None:
    """A cancelled call ends at once, frees its place, and the client goes on."""
    client = world.client(world.credentials(world.site.producer), concurrency=1)
    await client.schemas.image()
    world.emulator.faults.hang(path="/schemas/")
    call = asyncio.create_task(client.schemas.image())
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.wait_for(client.schemas.image(), 2)


async def test_deadline_of_the_caller(world: World) -> None:
    """The caller's own time limit holds, and is the caller's own `TimeoutError`."""
    world.emulator.faults.hang(path="/schemas/", times=None)
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0.2):
            await world.producer.schemas.image()
    assert not isinstance(raised.value, AioImagesError)


def test_a_second_loop() -> None:
    """A client belongs to one event loop, and says so in another one."""

    async def use(client: Client) -> None:
        await client.schemas.image()

    async def first() -> Client:
        async with Emulator() as cloud:
            from aioimages import RackspaceApiKey  # noqa: PLC0415

            account = cloud.producer
            client = Client(
                RackspaceApiKey(account.username, account.api_key, auth_url=cloud.rackspace_auth_url), region="DFW"
            )
            await use(client)
            await client.close()
            return client

    client = asyncio.run(first())
    client._lifetime._is_over = False
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use(client))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def test_errors_hold_no_secret(world: World) -> None:
    """No error shows a token or key, whatever the server echoes, and none holds an object of aiohttp's."""
    client = world.client(world.credentials(world.site.producer), retry=RetryPolicy(attempts=1))
    await client.schemas.image()
    token = world.watch.requests[-1].token
    echo = f'{{"message": "the token {token} is not good"}}'.encode()
    world.emulator.faults.status(403, body=echo, path="/schemas/image$")
    world.emulator.faults.drop(path="/schemas/member$")
    world.emulator.faults.body(b"<html>" + token.encode(), path="/schemas/task$")
    for call in (client.schemas.image, client.schemas.member, client.schemas.task):
        with pytest.raises(AioImagesError) as raised:
            await call()
        text = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(vars(raised.value))
        assert token not in text
        assert not [error for error in _chain(raised.value) if isinstance(error, aiohttp.ClientError)]
        copied = pickle.loads(pickle.dumps(raised.value))
        assert (type(copied), str(copied)) == (type(raised.value), str(raised.value))


async def test_nothing_shows_a_secret(world: World) -> None:
    """Neither the client nor its credentials show a secret in their `repr`."""
    person = world.site.producer
    await world.producer.schemas.image()
    token = world.watch.requests[-1].token
    reply = Reply(201, {"x-subject-token": token}, token.encode(), "https://cloud.example/v3/auth/tokens")
    shown = repr(reply) + repr(world.credentials(person)) + repr(world.producer) + repr(vars(world.producer))
    assert not [secret for secret in (person.password, person.api_key, token) if secret in shown]


async def test_errors_survive_pickle(world: World) -> None:
    """Errors with attributes keep them through `pickle`, and so reach other processes whole."""
    with pytest.raises(NotFoundError) as raised:
        await world.producer.images.get("no-such-image")
    copied = pickle.loads(pickle.dumps(raised.value))
    assert vars(copied) == vars(raised.value)
    assert str(copied) == str(raised.value)


async def test_lost_task_names_no_url(world: World) -> None:
    """The error for a task that may exist says what was asked, without the source, which may be a signed URL."""
    person = world.site.producer if world.dialect == "rackspace" else world.site.admin
    importer = world.client(world.credentials(person), timeout=TimeoutPolicy(lost_after=0.2))
    await importer.schemas.image()
    source = world.import_source()
    world.emulator.faults.drop(method="POST", path="/tasks$", times=None)
    with pytest.raises((AmbiguousOutcomeError, TransportError)) as raised:
        await importer.tasks.import_image(source, name="web")
    assert source not in str(raised.value)
