"""`client.tasks`: waiting for one task, for all of many, and for each as it comes."""

import asyncio
import uuid
from datetime import timedelta

import anyio
import pytest
from clouds import World
from watch import client_tasks

from aioimages import (
    NotFoundError,
    PollPolicy,
    TaskFailedError,
    TaskFailureCode,
    TaskTimeoutError,
)

pytestmark = pytest.mark.anyio

emulator = pytest.mark.clouds("emulator")
rackspace = pytest.mark.dialects("rackspace")
never_done = pytest.mark.emulator(task_seconds=(600, 600))


async def test_wait(world: World) -> None:
    """Waiting for a task returns it when it has succeeded."""
    task = await world.import_disk()
    done = await world.importer.tasks.wait(task.id, timeout=30)
    assert (task.id, "success") == (done.id, done.status)


async def test_wait_for_what_is_done(world: World) -> None:
    """A task that is done already is returned, again and again."""
    task = await world.import_disk()
    first = await world.importer.tasks.wait(task.id, timeout=30)
    assert first == await world.importer.tasks.wait(task.id, timeout=30)


async def test_wait_for_a_failure(world: World) -> None:
    """A task that fails is an error that carries it, with the service's reason in its message."""
    task = await world.import_disk(good=False)
    with pytest.raises(TaskFailedError) as caught:
        await world.importer.tasks.wait(task.id, timeout=30)
    error = caught.value
    assert error.task is not None
    assert (task.id, "failure") == (error.task.id, error.task.status)
    assert error.reason
    assert error.reason in str(error)
    assert task.id in str(error)
    expected = TaskFailureCode.NOT_A_VHD if world.dialect == "rackspace" else None
    assert expected is error.code


async def test_wait_for_an_unknown_task(world: World) -> None:
    """A task that is not there cannot be waited for."""
    with pytest.raises(NotFoundError):
        await world.importer.tasks.wait(str(uuid.uuid4()), timeout=5)


async def test_wait_too_short(world: World) -> None:
    """A wait that ends before the task does is a `TimeoutError` that carries the task, which goes on."""
    task = await world.import_disk()
    with pytest.raises(TaskTimeoutError, match=rf"task {task.id} is still \w+ after 0 s") as caught:
        await world.importer.tasks.wait(task.id, timeout=0)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.task is not None
    assert task.id == caught.value.task.id
    assert (await world.importer.tasks.wait(task.id, timeout=30)).status == "success"


@emulator
@never_done
async def test_wait_ends_on_time(world: World) -> None:
    """A wait takes as long as it may, and not much longer."""
    task = await world.import_disk()
    start = anyio.current_time()
    with pytest.raises(TaskTimeoutError):
        await world.importer.tasks.wait(task.id, timeout=0.5)
    assert 0.45 <= anyio.current_time() - start < 1.5


@emulator
@never_done
async def test_wait_for_a_server_that_hangs(world: World) -> None:
    """A request that is never answered does not keep a wait from ending."""
    task = await world.import_disk()
    world.emulator.faults.hang(path="/tasks/", times=None)
    start = anyio.current_time()
    with pytest.raises(TaskTimeoutError, match="still not answered for"):
        await world.importer.tasks.wait(task.id, timeout=0.2)
    assert anyio.current_time() - start < 3


@emulator
@never_done
async def test_time_out_of_the_policy(world: World) -> None:
    """Where a wait says nothing of its own, the client's policy says how long it may take."""
    task = await world.import_disk()
    client = world.client(
        world.credentials(world.site.producer if world.importer is world.producer else world.site.admin),
        poll=PollPolicy(first=0.05, ceiling=0.1, timeout=0.2),
    )
    with pytest.raises(TaskTimeoutError, match=r"after 0\.2 s"):
        await client.tasks.wait(task.id)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
async def test_impossible_timeout(world: World, timeout: float) -> None:
    """A time-out that cannot be is refused before any request, by every kind of wait."""
    with pytest.raises(ValueError, match="timeout"):
        await world.importer.tasks.wait("some-id", timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        await world.importer.tasks.wait_all(["some-id"], timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        world.importer.tasks.as_completed(["some-id"], timeout=timeout)
    assert world.watch.requests == []


async def test_wait_all(world: World) -> None:
    """Many tasks have their outcomes in the order in which they were asked for, repeated ones too, and none raises."""
    good = await world.import_disk("a")
    bad = await world.import_disk("b", good=False)
    other = await world.import_disk("c")
    missing = str(uuid.uuid4())
    wanted = [other.id, bad.id, good.id, missing, other.id]
    outcomes = await world.importer.tasks.wait_all(wanted, timeout=30)
    assert wanted == [outcome.key for outcome in outcomes]
    assert [outcome.ok for outcome in outcomes] == [True, False, True, False, True]
    assert isinstance(outcomes[1].error, TaskFailedError)
    assert isinstance(outcomes[3].error, NotFoundError)
    assert {"success"} == {outcome.unwrap().status for outcome in outcomes if outcome.ok}
    with pytest.raises(TaskFailedError):
        outcomes[1].unwrap()


async def test_wait_all_of_none(world: World) -> None:
    """Waiting for no task is done at once."""
    assert await world.importer.tasks.wait_all([], timeout=5) == []
    assert world.watch.requests == []


@emulator
async def test_wait_all_too_short(world: World) -> None:
    """In many tasks, the one that takes too long is an outcome too."""
    world.emulator.script_task(seconds=600, status="success")
    slow = await world.import_disk("slow")
    quick = await world.import_disk("quick")
    outcomes = await world.importer.tasks.wait_all([slow.id, quick.id], timeout=1.5)
    assert isinstance(outcomes[0].error, TaskTimeoutError)
    assert outcomes[1].unwrap().status == "success"


async def test_one_id_is_not_several(world: World) -> None:
    """One id where several are due is refused before any request."""
    with pytest.raises(TypeError, match="several ids"):
        await world.importer.tasks.wait_all("some-id")
    with pytest.raises(TypeError, match="several ids"):
        world.importer.tasks.as_completed("some-id")
    assert world.watch.requests == []


async def test_as_completed(world: World) -> None:
    """Each of many tasks comes once, with its value or its error, however often it was named."""
    good = [(await world.import_disk(f"good {number}")).id for number in range(4)]
    bad = [(await world.import_disk(f"bad {number}", good=False)).id for number in range(2)]
    seen = []
    async with world.importer.tasks.as_completed([*good, *bad, *good], timeout=60) as outcomes:
        async for outcome in outcomes:
            seen.append(outcome.key)
            assert (outcome.key in good) is outcome.ok
            assert (outcome.key in bad) is isinstance(outcome.error, TaskFailedError)
    assert sorted([*good, *bad]) == sorted(seen)


@emulator
async def test_as_completed_in_the_order_of_their_ends(world: World) -> None:
    """The task that ends first comes first."""
    world.emulator.script_task(seconds=1.0, status="success")
    slow = (await world.import_disk("slow")).id
    world.emulator.script_task(seconds=0.1, status="success")
    quick = (await world.import_disk("quick")).id
    async with world.importer.tasks.as_completed([slow, quick], timeout=30) as outcomes:
        assert [quick, slow] == [outcome.key async for outcome in outcomes]


async def test_leaving_as_completed_early(world: World) -> None:
    """Leaving the block ends the waiting: no asyncio task and no request stays behind."""
    ids = [(await world.import_disk(str(number))).id for number in range(3)]
    before = client_tasks()
    async with world.importer.tasks.as_completed(ids) as outcomes:
        async for _ in outcomes:
            break
    assert client_tasks() <= before
    sent = len(world.watch.requests)
    await asyncio.sleep(0.3)
    assert sent == len(world.watch.requests)


async def test_error_inside_as_completed(world: World) -> None:
    """An error inside the block comes out as it is, in no group."""
    task = await world.import_disk()
    with pytest.raises(KeyError, match="mine"):
        async with world.importer.tasks.as_completed([task.id]):
            raise KeyError("mine")


async def test_cancelled_wait(world: World) -> None:
    """A cancelled wait leaves neither an asyncio task nor a request behind, and the task goes on."""
    task = await world.import_disk()
    before = client_tasks()
    waiting = asyncio.create_task(world.importer.tasks.wait(task.id))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client_tasks() <= before
    sent = len(world.watch.requests)
    await asyncio.sleep(0.3)
    assert sent == len(world.watch.requests)
    assert (await world.importer.tasks.wait(task.id, timeout=30)).status == "success"


async def test_cancelled_wait_for_many(world: World) -> None:
    """A cancelled wait for many leaves nothing behind either."""
    ids = [(await world.import_disk(str(number))).id for number in range(3)]
    before = client_tasks()
    waiting = asyncio.create_task(world.importer.tasks.wait_all(ids))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client_tasks() <= before
    assert all(outcome.ok for outcome in await world.importer.tasks.wait_all(ids, timeout=30))


async def test_users_own_deadline(world: World) -> None:
    """A deadline around a wait is the caller's `TimeoutError`, and the client goes on working."""
    ids = [(await world.import_disk(str(number))).id for number in range(2)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await world.importer.tasks.wait_all(ids)
    assert all(outcome.ok for outcome in await world.importer.tasks.wait_all(ids, timeout=30))


@emulator
async def test_task_that_has_expired(world: World) -> None:
    """A task that was forgotten before anybody looked is not found."""
    task = await world.import_disk()
    await world.importer.tasks.wait(task.id, timeout=30)
    world.emulator.advance(timedelta(hours=49).total_seconds())
    with pytest.raises(NotFoundError):
        await world.importer.tasks.wait(task.id, timeout=5)


@emulator
@rackspace
@pytest.mark.parametrize("code", TaskFailureCode, ids=lambda code: code.name)
async def test_codes(world: World, code: TaskFailureCode) -> None:
    """Each code of the service's is told apart, with its explanation in the message."""
    world.emulator.script_task(seconds=0.05, status="failure", message=f"{code.value}: something is wrong")
    task = await world.import_disk()
    with pytest.raises(TaskFailedError) as caught:
        await world.producer.tasks.wait(task.id, timeout=5)
    assert code is caught.value.code
    assert code.explanation in str(caught.value)


@emulator
@pytest.mark.parametrize("message", ["", "None", "Something new: 999", "404 Not Found"])
async def test_failure_without_a_code(world: World, message: str) -> None:
    """A failure without a code that is known is a failure all the same."""
    world.emulator.script_task(seconds=0.05, status="failure", message=message)
    task = await world.import_disk()
    with pytest.raises(TaskFailedError) as caught:
        await world.importer.tasks.wait(task.id, timeout=5)
    assert caught.value.code is None
    assert (message if message not in {"", "None"} else None) == caught.value.reason
