"""Import and export tasks (Images v2, "Tasks"; Cloud Images, "Image tasks")."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aioimages import _codec
from aioimages._call import Call, Replay, identifier, path
from aioimages._calls.images import supported
from aioimages._calls.query import sort_parameters
from aioimages._dialect import Dialect, Operation
from aioimages._models import Page, Task, TaskState

__all__ = [
    "Mark",
    "create",
    "export_input",
    "get",
    "import_input",
    "list_page",
    "mark_of",
    "new_request_id",
    "states_page",
]

# What a task is known by.
Mark = tuple[str, ...]

STATUSES: Final = frozenset({"pending", "processing", "success", "failure"})
SORT_KEYS: Final = frozenset({"id", "type", "status", "created_at", "updated_at", "expires_at"})


def list_page(
    dialect: Dialect,
    *,
    type: str | None = None,
    status: str | None = None,
    sort: str | Sequence[str] | None = None,
) -> Call[Page[Task]]:
    """GET /v2/tasks (Images v2, "List tasks")."""
    if status is not None and status not in STATUSES:
        raise ValueError(f"a task's status is {', '.join(sorted(STATUSES))}, not {status!r}")
    given = {"type": type, "status": status}
    query = [(name, identifier(name, value)) for name, value in given.items() if value is not None]
    query += sort_parameters(sort, keys=SORT_KEYS, several=dialect.several_sort_keys, title=dialect.title)
    return Call(method="GET", path="tasks", query=tuple(query), read=_codec.page(Task, "tasks"))


def states_page(dialect: Dialect, *, type: str | None, status: str) -> Call[Page[TaskState]]:
    """GET /v2/tasks (Images v2, "List tasks"), for what each is only."""
    listed = list_page(dialect, type=type, status=status)
    return Call(method="GET", path=listed.path, query=listed.query, read=_codec.page(TaskState, "tasks"))


def get(task_id: str) -> Call[Task]:
    """GET /v2/tasks/{task_id} (Images v2, "Show task details")."""
    return Call(method="GET", path=path("tasks", identifier("task_id", task_id)), read=_codec.one(Task))


def create(dialect: Dialect, type: str, input: Mapping[str, Any], *, request_id: str | None = None) -> Call[Task]:
    """POST /v2/tasks (Images v2, "Create task").

    OpenStack keeps an id that the request is given (`req-…`) as the task's `request_id`, by which it is found again.
    """
    identifier("type", type)
    if not isinstance(input, Mapping):
        raise TypeError(f"a task's input is a mapping, not {type_name(input)}")
    if type == "export":
        supported(dialect, Operation.EXPORT)
    source = input.get("import_from")
    return Call(
        method="POST",
        path="tasks",
        headers={"X-OpenStack-Request-ID": request_id} if request_id else {},
        body=_codec.dump({"type": type, "input": dict(input)}),
        ok=frozenset({201}),
        read=_codec.one(Task),
        replay=Replay.AMBIGUOUS,
        secrets=(source,) if isinstance(source, str) and "://" in source else (),
    )


def new_request_id(dialect: Dialect) -> str | None:
    """Return an id for a request, where the task that it makes keeps it."""
    return f"req-{uuid.uuid4()}" if dialect.tasks_have_request_ids else None


def mark_of(dialect: Dialect, type: str | None, input: object, request_id: str | None) -> Mark:
    """Return what tells a task from others, which is empty where nothing does.

    Where requests have no ids, that is what it is of: equal tasks have the same mark.
    """
    if dialect.tasks_have_request_ids:
        return (request_id,) if request_id else ()
    match type, input:
        case "import", {"import_from": str(source), "image_properties": {"name": str(name)}}:
            return "import", source, name
        case "export", {"image_uuid": str(image_id), "receiving_swift_container": str(container)}:
            return "export", image_id, container
    return ()


def type_name(value: object) -> str:
    """Return what to call a value's type in a message."""
    return value.__class__.__name__


def import_input(
    dialect: Dialect,
    import_from: str,
    *,
    name: str,
    import_from_format: str | None,
    properties: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the input of an import task (Cloud Images, "Task to import image"; Images v2, "Create task")."""
    if not isinstance(import_from, str) or not isinstance(name, str):
        raise TypeError(f"import_from and name are str, not {type_name(import_from)} and {type_name(name)}")
    if not name.strip():
        raise ValueError("name is empty: an imported image needs one")
    image_properties = {**dialect.import_defaults, "name": name, **(properties or {})}
    if dialect.import_properties is not None:
        return _cloud_files_import(dialect, import_from, image_properties, import_from_format)
    if not re.match(r"(?i)https?://[^/]", import_from):
        raise ValueError(f"{dialect.title} imports from an http or https URL")
    return {
        "import_from": import_from,
        "import_from_format": import_from_format or dialect.import_format,
        "image_properties": image_properties,
    }


def _cloud_files_import(
    dialect: Dialect,
    import_from: str,
    image_properties: dict[str, str],
    import_from_format: str | None,
) -> dict[str, Any]:
    container, _, name = import_from.partition("/")
    if not container or not name or "://" in import_from:
        raise ValueError(f"{dialect.title} imports from 'container/object.vhd' in Cloud Files")
    if import_from_format is not None:
        raise ValueError(f"{dialect.title} imports VHD only; it has no import_from_format")
    refused = image_properties.keys() - (dialect.import_properties or frozenset())
    if refused:
        raise ValueError(
            f"{dialect.title} takes only {', '.join(sorted(dialect.import_properties or ()))} with an import, "
            f"not {', '.join(sorted(refused))}; update the image afterwards",
        )
    return {"image_properties": image_properties, "import_from": import_from}


def export_input(dialect: Dialect, image_id: str, container: str) -> dict[str, Any]:
    """Return the input of an export task (Cloud Images, "Task to export image")."""
    supported(dialect, Operation.EXPORT)
    if not isinstance(container, str):
        raise TypeError(f"container is a str, not {type_name(container)}")
    if not container or len(container) > 256 or re.search(r"[/?.\x00-\x1f]", container):  # noqa: PLR2004  # Swift's limit
        raise ValueError(f"a container's name has 1 to 256 characters and none of / ? . among them, not {container!r}")
    return {"image_uuid": identifier("image_id", image_id), "receiving_swift_container": container}
