"""What came of an item, as the journal keeps it: JSON without secrets."""

from typing import TypeVar

import attrs

from aioimages import _codec
from aioimages._bulk.records import Record
from aioimages._call import Reply
from aioimages._errors import DecodeError, JournalError
from aioimages._models import WIRE, Download, Task
from aioimages._outcomes import RunEndedError
from aioimages._secrets import cleaned, without_secrets

__all__ = ["download", "keep_download", "keep_task", "shown", "task"]

T = TypeVar("T")


def shown(task: Task) -> Task:
    """Return a task as a person may see it."""
    return attrs.evolve(task, message=without_secrets(task.message)) if task.message else task


def keep_task(task: Task, record: Record) -> None:
    """Note the task that is over."""
    said = attrs.asdict(attrs.evolve(task, input=None))
    wires = {field.name: field.metadata.get(WIRE, field.name) for field in attrs.fields(Task)}
    facts = {wires[name]: value for name, value in said.items() if value is not None}
    record.task_id, record.image_id = task.id, task.image_id
    record.result = _codec.dump(cleaned(facts)).decode()


def task(record: Record) -> Task:
    """Return the task that was noted; it has no `input`."""
    return _read(Task, record)


def keep_download(download: Download, record: Record) -> None:
    """Note a download."""
    record.size_bytes = download.size_bytes
    record.result = _codec.dump(attrs.asdict(download)).decode()


def download(record: Record) -> Download:
    """Return the download that was noted."""
    return _read(Download, record)


def _read(kind: type[T], record: Record) -> T:
    reply = Reply(200, {}, (record.result or "").encode(), f"item {record.position}")
    try:
        return _codec.one(kind)(reply)
    except DecodeError as error:
        problem = f"the journal is damaged: the result of its item {record.position} cannot be read: {error}"
    raise RunEndedError(JournalError(problem))
