"""The workloads by way of python-glanceclient and threads."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Final

__all__ = ["first", "gets", "import_tasks", "listing", "opened", "renames", "warm_up"]

# By name, because the checkers need not have it.
_GLANCE: Final[Any] = import_module("glanceclient.v2.client")
_POLL_SECONDS: Final = 2.0


def opened(url: str, _: int) -> contextlib.AbstractContextManager[Any]:
    """Return a client for the service at a URL."""
    return contextlib.nullcontext(_GLANCE.Client(url, token="token"))


def warm_up(client: Any) -> None:
    """Connect, and read the schema of images."""
    client.images.get("x")


def listing(client: Any, count: int, page_size: int) -> None:
    """List all images."""
    assert sum(1 for _ in client.images.list(page_size=page_size)) == count


def gets(client: Any, count: int, width: int) -> None:
    """Get images."""
    with ThreadPoolExecutor(width) as threads:
        list(threads.map(client.images.get, ["x"] * count))


def renames(client: Any, count: int, width: int) -> None:
    """Rename images."""
    with ThreadPoolExecutor(width) as threads:
        list(threads.map(lambda number: client.images.update(f"x{number}", name="new"), range(count)))


def import_tasks(client: Any, count: int, _: int) -> dict[str, float]:
    """Import disks, each in a thread that asks for its task every 2 s, as openstacksdk does."""

    def import_one(number: int) -> tuple[str, float]:
        disk = {"import_from": f"http://disks.example/{number}.vhd", "image_properties": {"name": f"disk-{number}"}}
        task = client.tasks.create(type="import", input=disk)
        while task.status not in {"success", "failure"}:
            time.sleep(_POLL_SECONDS)
            task = client.tasks.get(task.id)
        return task.id, time.monotonic()

    with ThreadPoolExecutor(count) as threads:
        return dict(threads.map(import_one, range(count)))


def first(url: str) -> float:
    """Sign in and list one image, and return when it was there."""
    identity: Any = import_module("keystoneauth1.identity")
    sessions: Any = import_module("keystoneauth1.session")
    names = {"project_name": "project", "user_domain_name": "Default", "project_domain_name": "Default"}
    auth = identity.Password(f"{url}/v3", username="user", password="password", **names)
    client = _GLANCE.Client(session=sessions.Session(auth=auth), endpoint_override=url)
    assert next(client.images.list(page_size=1, limit=1))
    return time.monotonic()
