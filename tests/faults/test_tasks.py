"""Faults 52 to 58: tasks that are not found, do not end, or end oddly, and waits in trouble."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

from aioimages import (
    Client,
    ImportRequest,
    NotFoundError,
    PollPolicy,
    ProtocolError,
    Task,
    TaskExpiredError,
    TaskFailedError,
    TaskFailureCode,
    TaskTimeoutError,
    _waiting,
)
from faults.conftest import Stage, until

pytestmark = pytest.mark.anyio

TASK = r"/tasks/[^/]+$"
TASKS = r"/tasks$"
never_done = pytest.mark.emulator(task_seconds=(600, 600))
emulator = pytest.mark.clouds("emulator")


def importer(stage: Stage, **options: Any) -> Client:
    """Make a client behind the proxy that may ask for tasks."""
    return stage.client(stage.importer, **options)


async def begin(stage: Stage, client: Client, name: str = "web") -> Task:
    """Let the service begin an import."""
    return await client.tasks.import_image(stage.world.import_source(), name=name)


async def begin_many(stage: Stage, client: Client, count: int) -> list[str]:
    """Let the service begin many imports."""
    begun = await asyncio.gather(*(begin(stage, client, f"web-{number}") for number in range(count)))
    return [task.id for task in begun]


def edit_tasks(stage: Stage, edit: Callable[[dict[str, Any]], object], **which: Any) -> None:
    """Let the service say something else of single tasks."""

    def edited(body: bytes) -> bytes:
        task = json.loads(body)
        edit(task)
        return json.dumps(task).encode()

    stage.faults.change(body=edited, method="GET", path=TASK, **which)


def say(stage: Stage, times: int | None = None, **what: Any) -> None:
    """Let the service say this of single tasks."""
    edit_tasks(stage, lambda task: task.update(what), times=times)


def requests(stage: Stage) -> list[str]:
    """Return the methods of all requests but sign-ins."""
    return [one.method for one in stage.proxy.requests if not one.path.endswith("/tokens")]


@pytest.mark.fault(52)
async def test_task_is_not_found_yet(stage: Stage) -> None:
    """A task that the client has just made, and that is not found yet, is waited for like any other."""
    client = importer(stage)
    task = await begin(stage, client)
    fault = stage.faults.status(404, method="GET", path=TASK, times=3)
    done = await client.tasks.wait(task.id, timeout=15)
    assert (done.id, done.status, fault.hits) == (task.id, "success", 3)


@pytest.mark.fault(52)
async def test_tasks_of_a_run_are_not_found_yet(stage: Stage) -> None:
    """In a bulk run, too, tasks that are not found at once are waited for, and none is asked for twice."""
    client = importer(stage)
    stage.faults.status(404, method="GET", path=TASK, times=5)
    wanted = [ImportRequest(stage.world.import_source(), f"web-{number}") for number in range(4)]
    async with client.bulk.import_images(wanted, timeout=15) as outcomes:
        assert all([outcome.ok async for outcome in outcomes])
    assert requests(stage).count("POST") == 4


@pytest.mark.fault(52)
async def test_task_is_never_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is not found for longer than it can take to be seen everywhere is gone, and so says the error."""
    monkeypatch.setattr(_waiting, "_FRESH_SECONDS", 0.5)
    client = importer(stage)
    task = await begin(stage, client)
    stage.faults.status(404, method="GET", path=TASK, times=None)
    begun_at = anyio.current_time()
    with pytest.raises(TaskExpiredError, match="deleted while it was pending") as raised:
        await client.tasks.wait(task.id)
    assert anyio.current_time() - begun_at < 5
    assert raised.value.task == task


@pytest.mark.fault(52)
async def test_task_of_others_is_not_found(stage: Stage) -> None:
    """A task that the client did not make, and that is not found, is a `NotFoundError` at once."""
    task = await begin(stage, stage.world.importer)
    fault = stage.faults.status(404, method="GET", path=TASK, times=None)
    with pytest.raises(NotFoundError):
        await importer(stage).tasks.wait(task.id)
    assert fault.hits == 1


@pytest.mark.fault(53)
@pytest.mark.parametrize("is_own", [True, False])
async def test_task_expires(stage: Stage, *, is_own: bool) -> None:
    """A task that goes while it is waited for is a `TaskExpiredError` with its state, and is not asked for again."""
    client = importer(stage)
    task = await begin(stage, client if is_own else stage.world.importer)
    say(stage, status="processing", times=2)
    headers = {"X-OpenStack-Request-ID": "req-1"}
    fault = stage.faults.status(404, headers=headers, method="GET", path=TASK, times=None)
    with pytest.raises(TaskExpiredError, match=f"{task.id} was deleted while it was processing") as raised:
        await client.tasks.wait(task.id, timeout=15)
    assert raised.value.task is not None
    assert (raised.value.task.id, raised.value.task.status) == (task.id, "processing")
    assert fault.hits == 1
    assert requests(stage).count("POST") == int(is_own)


@pytest.mark.fault(53)
@emulator
@never_done
async def test_tasks_expire(stage: Stage) -> None:
    """Of many tasks that expire while they are waited for, each is a `TaskExpiredError` of its own."""
    client = importer(stage)
    task_ids = await begin_many(stage, stage.world.importer, 20)
    waiting = asyncio.create_task(client.tasks.wait_all(task_ids, timeout=15))
    await until(lambda: len(stage.proxy.to("/tasks", "GET")) >= 4)
    stage.world.emulator.advance(timedelta(hours=49).total_seconds())
    stage.injected += 1
    outcomes = await waiting
    assert [outcome.key for outcome in outcomes] == task_ids
    assert {type(outcome.error) for outcome in outcomes} == {TaskExpiredError}


@pytest.mark.fault(54)
async def test_task_never_ends(stage: Stage) -> None:
    """A wait ends on time, as a `TaskTimeoutError` with the last state; it changes nothing, and another one goes on."""
    client = importer(stage)
    task = await begin(stage, client)
    before = len(stage.proxy.requests)
    say(stage, status="processing")
    begun_at = anyio.current_time()
    with pytest.raises(TaskTimeoutError, match=f"task {task.id} is still processing after 0.5 s") as raised:
        await client.tasks.wait(task.id, timeout=0.5)
    assert 0.5 <= anyio.current_time() - begun_at < 0.5 + 1 + 1
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.task is not None
    assert (raised.value.task.id, raised.value.task.status) == (task.id, "processing")
    assert {one.method for one in stage.proxy.requests[before:]} == {"GET"}
    stage.faults.clear()
    assert (await client.tasks.wait(task.id, timeout=15)).status == "success"
    assert requests(stage).count("POST") == 1


@pytest.mark.fault(54)
@emulator
@never_done
async def test_tasks_never_end(stage: Stage) -> None:
    """Of many tasks that never end, each times out with what it was last, all of them on time."""
    client = importer(stage)
    task_ids = await begin_many(stage, stage.world.importer, 30)
    stage.injected += 1
    begun_at = anyio.current_time()
    outcomes = await client.tasks.wait_all(task_ids, timeout=0.5)
    assert 0.5 <= anyio.current_time() - begun_at < 0.5 + 1 + 1
    assert {type(outcome.error) for outcome in outcomes} == {TaskTimeoutError}
    assert set(requests(stage)) == {"GET"}


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log was warned of."""
    found = [record for record in caplog.records if record.name == "aioimages" and record.levelno == logging.WARNING]
    return [record.getMessage() for record in found]


@pytest.mark.fault(55)
@pytest.mark.parametrize("status", ["canceling", "SUCCESS", "Failure", "suspended until\nfurther notice"])
async def test_unknown_status_of_a_task(stage: Stage, caplog: pytest.LogCaptureFixture, status: str) -> None:
    """A status that nobody knows is kept as it is, and waited on until it is another; the log is warned of it once."""
    client = importer(stage)
    task = await begin(stage, client)
    say(stage, status=status, times=6)
    assert (await client.tasks.get(task.id)).status == status
    done = await client.tasks.wait(task.id, timeout=15)
    assert (done.id, done.status) == (task.id, "success")
    (warning,) = warnings_in(caplog)
    assert warning == f"task {task.id} is {' '.join(status.split())}, a status that is not known here; the wait goes on"


@pytest.mark.fault(55)
@pytest.mark.clouds("emulator")
async def test_unknown_status_that_stays(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks whose status is unknown to the end are `TaskTimeoutError` on time; there is one warning for all of them."""
    client = importer(stage)
    task_ids = await begin_many(stage, client, 3)
    say(stage, status="canceling")
    outcomes = await client.tasks.wait_all(task_ids, timeout=0.5)
    errors = [outcome.error for outcome in outcomes]
    assert all(isinstance(error, TaskTimeoutError) and "still canceling" in str(error) for error in errors)
    assert len(warnings_in(caplog)) == 1


@pytest.mark.fault(55)
async def test_unknown_status_of_an_image(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """An image's status that nobody knows is kept as it is, waited on until it is another, and warned of once."""
    image = await stage.world.make_image(data=b"data")
    client = stage.client()

    def edited(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), "status": "canceling"}).encode()

    stage.faults.change(body=edited, method="GET", path=f"/images/{image.id}$", times=4)
    assert (await client.images.get(image.id)).status == "canceling"
    assert (await client.images.wait(image.id, timeout=15)).status == "active"
    assert len(warnings_in(caplog)) == 1


@pytest.mark.fault(56)
@pytest.mark.parametrize("result", [..., None, {}, {"image_id": None}], ids=str)
async def test_success_without_an_image(stage: Stage, result: object) -> None:
    """An import that has succeeded and names no image is a `ProtocolError`: nobody goes on with nothing."""

    def edit(task: dict[str, Any]) -> None:
        task.pop("result", None)
        if result is not ...:
            task["result"] = result

    client = importer(stage)
    task = await begin(stage, client)
    edit_tasks(stage, edit, times=None)
    with pytest.raises(ProtocolError, match=rf"task {task.id} \(import\) has succeeded, and does not say"):
        await client.tasks.wait(task.id, timeout=15)
    (outcome,) = await client.tasks.wait_all([task.id], timeout=15)
    assert type(outcome.error) is ProtocolError


@pytest.mark.fault(56)
@pytest.mark.dialects("rackspace")
async def test_success_without_a_place(stage: Stage) -> None:
    """An export that has succeeded and does not say where its disk is, is a `ProtocolError`, too."""
    image = await stage.world.make_image(data=b"a disk")
    stage.world.emulator.create_container(stage.world.emulator.producer, "exports")
    client = importer(stage)
    task = await client.tasks.export_image(image.id, container="exports")
    say(stage, result=None)
    with pytest.raises(ProtocolError, match=rf"task {task.id} \(export\) has succeeded, and does not say"):
        await client.tasks.wait(task.id, timeout=15)


@pytest.mark.fault(56)
@pytest.mark.parametrize(
    ("message", "reason", "code"),
    [
        (..., None, None),
        (None, None, None),
        ("", None, None),
        ("None", None, None),
        (396, "396", TaskFailureCode.NOT_A_VHD),
        (0, "0", None),
        (False, "false", None),
        ({"code": 396}, '{"code":396}', None),
        ("Error code: '523'", "Error code: '523'", TaskFailureCode.UNSUPPORTED_DISK_TYPE),
        ("two\nlines \x1b[31m", "two\nlines \x1b[31m", None),
        ("x" * 2**20, "x" * 2**20, None),
    ],
    ids=["missing", "null", "empty", "None", "code", "0", "false", "object", "text", "unprintable", "1 MB"],
)
async def test_odd_message(stage: Stage, message: object, reason: str | None, code: TaskFailureCode | None) -> None:
    """A task that fails is a `TaskFailedError` whatever its message is, and shows it in one line, cut short."""

    def edit(task: dict[str, Any]) -> None:
        task["status"] = "failure"
        task.pop("message", None)
        if message is not ...:
            task["message"] = message

    client = importer(stage)
    task = await begin(stage, client)
    edit_tasks(stage, edit, times=None)
    with pytest.raises(TaskFailedError) as raised:
        await client.tasks.wait(task.id, timeout=15)
    error = raised.value
    assert (error.reason, error.code) == (reason, code)
    assert error.task is not None
    assert (error.task.id, error.task.message) == (task.id, reason)
    assert str(error).isprintable()
    assert len(str(error)) < 500


@pytest.mark.fault(57)
async def test_polls_in_trouble(stage: Stage) -> None:
    """A wait goes on through refusals, cut connections and a refused token, and returns the task when it is done."""
    client = importer(stage)
    task = await begin(stage, client)
    stage.faults.status(503, method="GET", path=TASK)
    stage.faults.drop(method="GET", path=TASK, after=2)
    stage.faults.drop_reply(method="GET", path=TASK, after=4)
    stage.faults.status(401, method="GET", path=TASK, after=2)
    stage.faults.raw(b"HTTP/1.1 200 OK\r\nContent-Le", method="GET", path=TASK, after=3)
    say(stage, status="processing", times=8)
    done = await client.tasks.wait(task.id, timeout=15)
    assert (done.id, done.status) == (task.id, "success")
    assert stage.proxy.sign_ins == 2
    assert requests(stage).count("POST") == 1


@pytest.mark.fault(57)
async def test_polls_without_an_answer(stage: Stage) -> None:
    """When no poll is answered well any more, the wait ends on time all the same, and knows what the task was last."""
    client = importer(stage, poll=PollPolicy(first=0.05, growth=1.0, ceiling=0.05))
    task = await begin(stage, client)
    say(stage, status="processing", times=1)
    stage.faults.status(503, method="GET", path=TASK, times=None)
    begun_at = anyio.current_time()
    with pytest.raises(TaskTimeoutError, match=r"still processing after 1\.5 s"):
        await client.tasks.wait(task.id, timeout=1.5)
    assert 1.5 <= anyio.current_time() - begun_at < 1.5 + 1 + 1


@pytest.mark.fault(57, within=40)
@emulator
@pytest.mark.emulator(task_seconds=(0.2, 1.5), seed=7)
async def test_polls_of_many_in_trouble(stage: Stage) -> None:
    """A crowd's common looks and single ones go on through trouble in one of ten, and every task has its outcome."""
    client = importer(stage)
    task_ids = await begin_many(stage, stage.world.importer, 60)
    for _ in range(2):
        stage.faults.drop(method="GET", path=TASK, after=9)
        stage.faults.drop_reply(method="GET", path=TASK, after=9)
        stage.faults.status(503, method="GET", path=TASK, after=9)
    stage.faults.status(401, method="GET", path=TASK, after=9)
    stage.faults.status(503, method="GET", path=TASKS)
    stage.faults.drop(method="GET", path=TASKS, after=1)
    stage.faults.status(401, method="GET", path=TASKS, after=1)
    outcomes = await client.tasks.wait_all(task_ids, timeout=30)
    assert [outcome.key for outcome in outcomes] == task_ids
    assert all(outcome.ok for outcome in outcomes)
    assert "POST" not in requests(stage)


@pytest.mark.fault(58, within=120)
@pytest.mark.dialects("rackspace")
@pytest.mark.emulator(task_seconds=(1.0, 2.0), seed=3)
async def test_poll_storm(stage: Stage) -> None:
    """A thousand tasks are looked at together in listings, and each by itself only once, when it is done."""
    task_ids = await begin_many(stage, stage.world.importer, 1000)
    client = importer(stage, poll=PollPolicy(first=0.5, ceiling=2.0))
    stage.injected += 1
    outcomes = await client.tasks.wait_all(task_ids, timeout=100)
    assert [outcome.key for outcome in outcomes] == task_ids
    assert all(outcome.ok for outcome in outcomes)
    singles = [one for one in stage.proxy.requests if "/tasks/" in one.path]
    assert len(singles) <= 1050
    assert len(stage.proxy.to("/tasks", "GET")) <= 150
