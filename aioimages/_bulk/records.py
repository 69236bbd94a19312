"""What a journal knows of each item of a run, and what it must not know."""

import enum
import hashlib
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from aioimages._secrets import without_secrets

__all__ = ["FORMAT", "Keys", "Record", "Run", "Step", "now"]

FORMAT: Final = 1


class Step(enum.StrEnum):
    """How far an item is. The step is in the journal before what it names is begun."""

    NEW = "new"  # nothing was begun, or what was begun is known to have had no effect
    ASKING = "asking"  # the task is being asked for: it may exist
    AWAITING = "awaiting"  # the task exists, and works
    RENAMING = "renaming"  # the task has succeeded, its image is being given its own name
    WORKING = "working"  # a download or a function is at it
    DONE = "done"
    FAILED = "failed"  # the task failed; nothing else is final

    @property
    def is_final(self) -> bool:
        """Whether a run that is started again leaves the item alone."""
        return self in {Step.DONE, Step.FAILED}


@attrs.define
class Record:
    """One item, as the journal has it. Its fields are the columns of the table `item`.

    Attributes:
        position: Its number among the items, from 1.
        key: What it is found again by: the SHA-256 of its request, and a number where several are equal.
        name: What to call it before a person.
        step: How far it is.
        request_id: The id of the request for its task (OpenStack).
        asked_name: The name that its task was asked for under, where that is not its own.
        task_id: Its task.
        image_id: Its image.
        result: What came of it, as JSON: its task without `input`, or its download.
        error: The class of the last error that it met.
        message: What that error said.
        started_at: When it was begun, by this machine's clock.
        finished_at: When it was finished.
        size_bytes: How many bytes its data have, once they were fetched.
    """

    position: int
    key: str
    name: str
    step: Step = Step.NEW
    request_id: str | None = None
    asked_name: str | None = None
    task_id: str | None = None
    image_id: str | None = None
    result: str | None = None
    error: str | None = None
    message: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    size_bytes: int | None = None

    def go_to(self, step: Step) -> None:
        """Note how far it is, and when."""
        self.step = step
        self.started_at = self.started_at or now()
        if step.is_final:
            self.finished_at = now()

    def meet(self, error: Exception | None) -> None:
        """Note the error that it has met, or that all is well."""
        self.error = type(error).__name__ if error else None
        self.message = without_secrets(str(error)) if error else None


@attrs.frozen(kw_only=True)
class Run:
    """What a journal is of. Its fields are the columns of the table `run`, whose only row it is.

    Attributes:
        kind: `import`, `export`, `download` or `map`.
        target: Where it runs: the service and the project, and for `map` the function before them.
        started_at: When it began, by this machine's clock.
        service_time: When it began, by the service's clock, where that is told.
        version: The version of the journal's format.
    """

    kind: str
    target: str
    started_at: str
    service_time: str | None
    version: int = FORMAT


def now() -> str:
    """Return this machine's time, as the journal writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Keys:
    """Makes what items are found again by, of what there is to say of each in JSON. Equal items are numbered."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    @staticmethod
    def digest(content: Any) -> str:
        """Return the SHA-256 of JSON, in which the order of keys does not matter."""
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def of(self, content: Any) -> str:
        """Return the key of the next item."""
        digest = self.digest(content)
        self._seen[digest] += 1
        return digest if self._seen[digest] == 1 else f"{digest}#{self._seen[digest]}"
