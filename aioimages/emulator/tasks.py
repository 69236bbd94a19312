"""Images v2: tasks. What state one is in follows from the clock, so that thousands cost nothing until they end."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import attrs
from aiohttp import web

from aioimages.emulator.clock import moment
from aioimages.emulator.context import CONTEXT, Context, json_answer, json_object
from aioimages.emulator.documents import with_times
from aioimages.emulator.query import Order, page_link, page_size
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.scripts import Script, Scripts
from aioimages.emulator.state import Region, World
from aioimages.emulator.storage import Storage
from aioimages.emulator.work import Failure, check_input, export_image, import_url, import_vhd

__all__ = ["TaskBoard", "routes"]

_STATUSES: Final = ("pending", "processing", "success", "failure")
_SORT_KEYS: Final = ("id", "type", "status", "created_at", "updated_at", "expires_at")


@attrs.define(eq=False)
class _Task:
    id: str
    kind: str
    details: dict[str, Any]
    owner: str
    user_id: str
    request_id: str
    created_at: float
    begins_at: float
    ends_at: float
    script: Script
    run: Callable[[], Coroutine[Any, Any, dict[str, Any]]]
    outcome: str | None = None
    message: str | None = None
    result: dict[str, Any] | None = None

    def status(self, now: float) -> str:
        """Return its status at a time."""
        if self.outcome is not None:
            return self.outcome
        return "pending" if now < self.begins_at else "processing"


class TaskBoard:
    """The tasks of all regions."""

    def __init__(self, world: World, storage: Storage) -> None:
        self._world = world
        self._storage = storage
        self.scripts = Scripts()

    async def _end(self, task: _Task) -> None:
        """Do what a task is for, unless it is to fail."""
        if task.script.status == "failure":
            task.outcome, task.message = "failure", task.script.message
            return
        try:
            task.result = await task.run()
            task.outcome = "success"
        except Failure as failure:
            task.outcome, task.message = "failure", str(failure)

    def begin(self, context: Context, kind: str, details: dict[str, Any]) -> dict[str, Any]:
        """Take on a task, and return its document."""
        now, script = self._world.clock.now(), self.scripts.next()
        begins_at, ends_at = script.times(now, self._world.chance.uniform(*self._world.settings.task_seconds))
        task = _Task(
            id=self._world.new_id(),
            kind=kind,
            details=details,
            owner=context.account.tenant_id,
            user_id=context.account.user_id,
            request_id=context.request_id,
            created_at=now,
            begins_at=begins_at,
            ends_at=ends_at,
            script=script,
            run=self._work(context, kind, details),
        )
        context.region.tasks[task.id] = task
        self._world.agenda.at(ends_at, partial(self._end, task))
        return self.document(context.region, task)

    def _work(
        self, context: Context, kind: str, details: dict[str, Any]
    ) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
        region, account = context.region, context.account
        if kind == "export":
            return partial(export_image, self._storage, region, account, details)
        if region.is_rackspace:
            return partial(import_vhd, self._world, self._storage, region, account, details)
        return partial(import_url, self._world, region, details)

    def find(self, context: Context, task_id: str) -> _Task:
        """Return a task that an account may see, and that has not expired."""
        task = context.region.tasks.get(task_id)
        if task is None or self._is_gone(task) or not self._may_see(context, task):
            raise Refusal(404, f"Task with the given id {task_id} was not found")
        found: _Task = task
        return found

    def all(self, context: Context) -> list[dict[str, Any]]:
        """Return the documents of all tasks that an account may see, as they were made."""
        tasks = context.region.tasks.values()
        return [
            self.document(context.region, task)
            for task in tasks
            if self._may_see(context, task) and not self._is_gone(task)
        ]

    def _may_see(self, context: Context, task: _Task) -> bool:
        return context.account.is_admin or task.owner == context.account.tenant_id

    def _is_gone(self, task: _Task) -> bool:
        return task.outcome is not None and self._world.clock.now() > self._expiry(task)

    def _expiry(self, task: _Task) -> float:
        return task.ends_at + self._world.settings.task_lifetime_seconds

    def document(self, region: Region, task: _Task) -> dict[str, Any]:
        """Return a task as its service shows it, its times as such."""
        now = self._world.clock.now()
        status = task.status(now)
        changed = {"pending": task.created_at, "processing": task.begins_at}.get(status, task.ends_at)
        document = {
            "id": task.id,
            "type": task.kind,
            "status": status,
            "owner": task.owner,
            "created_at": moment(task.created_at),
            "updated_at": moment(changed),
            "self": f"/v2/tasks/{task.id}",
            "schema": "/v2/schemas/task",
            "input": task.details,
            "message": task.message or ("None" if region.is_rackspace else ""),
        }
        if task.outcome is not None:
            document["expires_at"] = moment(self._expiry(task))
        if not region.is_rackspace:
            return {**document, "result": task.result, "request_id": task.request_id, "user_id": task.user_id}
        return {**document, "result": task.result} if task.result is not None else document

    # The handlers.

    def _check_role(self, context: Context) -> None:
        if not context.region.is_rackspace and not context.account.is_admin:
            raise Refusal(403, "You are not authorized to complete tasks_api_access action.")

    async def post(self, request: web.Request) -> web.Response:
        """POST /v2/tasks."""
        context = request[CONTEXT]
        self._check_role(context)
        body = await json_object(request)
        kind, details = body.get("type"), body.get("input")
        check_input(context.region, kind, details)
        document = self.begin(context, str(kind), details if isinstance(details, dict) else {})
        return json_answer(with_times(document), 201, Location=f"/v2/tasks/{document['id']}")

    async def get(self, request: web.Request) -> web.Response:
        """GET /v2/tasks/{task_id}."""
        context = request[CONTEXT]
        self._check_role(context)
        return json_answer(with_times(self.document(context.region, self.find(context, request.match_info["task_id"]))))

    async def list(self, request: web.Request) -> web.Response:
        """GET /v2/tasks."""
        context = request[CONTEXT]
        self._check_role(context)
        query = request.query
        filters = {name: query.getall(name)[-1] for name in ("type", "status") if name in query}
        if filters.get("status", "pending") not in _STATUSES:
            raise Refusal(400, f"Invalid status value: {filters['status']}")
        if filters.get("type", "import") not in {"import", "export"}:
            raise Refusal(400, f"Invalid type value: {filters['type']}")
        size = page_size(query, context.world.settings, is_rackspace=context.region.is_rackspace)
        found = Order(query, keys=_SORT_KEYS).sorted(self.all(context))
        marker = query.getall("marker", [None])[-1]
        if marker is not None:
            self.find(context, marker)
            found = found[[task["id"] for task in found].index(marker) + 1 :]
        page = [task for task in found if all(task[name] == value for name, value in filters.items())][:size]
        hidden = {"input", "result", "message", "request_id", "user_id"}
        entries = [with_times({name: value for name, value in task.items() if name not in hidden}) for task in page]
        answer = {"tasks": entries, "first": page_link("/v2/tasks", query), "schema": "/v2/schemas/tasks"}
        if page and len(page) == size:
            answer["next"] = page_link("/v2/tasks", query, page[-1]["id"])
        return json_answer(answer)


_BOTH: Final = ("rackspace", "openstack")


def routes(board: TaskBoard) -> tuple[tuple[str, str, Any, tuple[str, ...]], ...]:
    """Return what a board answers to."""
    return (
        ("POST", "/tasks", board.post, _BOTH),
        ("GET", "/tasks", board.list, _BOTH),
        ("GET", "/tasks/{task_id}", board.get, _BOTH),
    )
