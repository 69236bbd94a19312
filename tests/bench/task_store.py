"""The tasks of the benchmark's server: rendered when they change, kept in order, and moved on when somebody looks."""

import bisect
import heapq
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

__all__ = ["TaskStore"]

_DEFAULT_LIMIT: Final = 25
_EXPIRES: Final = b'"2036-01-02T03:04:05Z"'


def _id(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


class TaskStore:
    """Tasks that take a while, as long in each run: the times are drawn from one seed.

    A task is pending for a quarter of the shortest time, then processing, then it has succeeded. Nothing happens
    between two requests: each one first moves on what is due, so that a moment of success is exact.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self._random = random.Random(5)
        self._seconds = (shortest, longest)
        self._heads: list[bytes] = []
        self._inputs: list[bytes] = []
        self._statuses: list[bytes] = []
        self._entries: list[bytes] = []
        self._numbers: dict[str, list[int]] = {"pending": [], "processing": [], "success": []}
        self._due: list[tuple[float, int, str, str]] = []
        self._ends: list[float] = []

    @property
    def ends(self) -> dict[str, float]:
        """When each task has succeeded or will have, by `time.monotonic`, which is the same in all processes."""
        return {_id(number): end for number, end in enumerate(self._ends)}

    def create(self, body: bytes) -> bytes:
        """Begin a task, and return its document."""
        now, number = time.monotonic(), len(self._heads)
        end = now + self._random.uniform(*self._seconds)
        created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        links = f'"self":"/v2/tasks/{_id(number)}","schema":"/v2/schemas/task"'
        times = f'"created_at":"{created}","updated_at":"{created}"'
        self._heads.append(f'{{"id":"{_id(number)}","type":"import","owner":"tenant",{times},{links}'.encode())
        self._inputs.append(orjson.dumps(orjson.loads(body)["input"]))
        self._statuses.append(b"")
        self._entries.append(b"")
        self._ends.append(end)
        heapq.heappush(self._due, (now + self._seconds[0] / 4, number, "pending", "processing"))
        heapq.heappush(self._due, (end, number, "processing", "success"))
        self._enter(number, "pending")
        return self._document(number)

    def get(self, task_id: str) -> bytes:
        """Return a task's document."""
        self._move_on()
        return self._document(uuid.UUID(task_id).int - 1)

    def page(self, query: Mapping[str, str], most: int) -> bytes:
        """Return a page of entries, the newest first unless the query says otherwise."""
        self._move_on()
        numbers: Sequence[int] = range(len(self._heads)) if "status" not in query else self._numbers[query["status"]]
        if query.get("type", "import") != "import":
            numbers = ()
        limit = min(int(query.get("limit", _DEFAULT_LIMIT)), most)
        marker = uuid.UUID(query["marker"]).int - 1 if "marker" in query else None
        if query.get("sort_dir") == "asc":
            start = 0 if marker is None else bisect.bisect_right(numbers, marker)
            chosen, is_last = numbers[start : start + limit], start + limit >= len(numbers)
        else:
            end = len(numbers) if marker is None else bisect.bisect_left(numbers, marker)
            chosen, is_last = numbers[max(0, end - limit) : end][::-1], end <= limit
        following = "&".join(f"{name}={value}" for name, value in {**query, "limit": limit}.items() if name != "marker")
        link = "" if is_last else f',"next":"/v2/tasks?{following}&marker={_id(chosen[-1])}"'
        entries = b",".join([self._entries[number] for number in chosen])
        return b'{"tasks":[%b],"first":"/v2/tasks","schema":"/v2/schemas/tasks"%b}' % (entries, link.encode())

    def _move_on(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, number, before, after = heapq.heappop(self._due)
            numbers = self._numbers[before]
            del numbers[bisect.bisect_left(numbers, number)]
            self._enter(number, after)

    def _enter(self, number: int, status: str) -> None:
        bisect.insort(self._numbers[status], number)
        self._statuses[number] = status.encode()
        expires = _EXPIRES if status == "success" else b"null"
        self._entries[number] = b'%b,"status":"%b","expires_at":%b}' % (self._heads[number], status.encode(), expires)

    def _document(self, number: int) -> bytes:
        is_over = self._statuses[number] == b"success"
        result = b'{"image_id":"%b"}' % str(uuid.UUID(int=2**64 + number)).encode() if is_over else b"null"
        entry = self._entries[number][:-1]
        return b'%b,"input":%b,"result":%b,"message":""}' % (entry, self._inputs[number], result)
