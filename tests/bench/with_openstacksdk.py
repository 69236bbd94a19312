"""The workloads by way of openstacksdk and threads."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Final

__all__ = ["first", "gets", "import_tasks", "listing", "opened", "renames", "warm_up"]

# By name, because the checkers need not have it.
_CONNECTION: Final[Any] = import_module("openstack.connection")


@contextlib.contextmanager
def opened(url: str, _: int) -> Iterator[Any]:
    """Give a connection for the service at a URL."""
    with _CONNECTION.Connection(auth_type="none", endpoint=url, image_endpoint_override=f"{url}/v2") as connection:
        yield connection.image


def warm_up(image: Any) -> None:
    """Connect."""
    image.get_image("x")


def listing(image: Any, count: int, page_size: int) -> None:
    """List all images."""
    assert sum(1 for _ in image.images(limit=page_size)) == count


def gets(image: Any, count: int, width: int) -> None:
    """Get images."""
    with ThreadPoolExecutor(width) as threads:
        list(threads.map(image.get_image, ["x"] * count))


def renames(image: Any, count: int, width: int) -> None:
    """Rename images."""
    with ThreadPoolExecutor(width) as threads:
        list(threads.map(lambda number: image.update_image(f"x{number}", name="new"), range(count)))


def import_tasks(image: Any, count: int, _: int) -> dict[str, float]:
    """Import disks, each in a thread that waits for its task."""

    def import_one(number: int) -> tuple[str, float]:
        disk = {"import_from": f"http://disks.example/{number}.vhd", "image_properties": {"name": f"disk-{number}"}}
        task = image.wait_for_task(image.create_task(type="import", input=disk), wait=600)
        return task.id, time.monotonic()

    with ThreadPoolExecutor(count) as threads:
        return dict(threads.map(import_one, range(count)))


def first(url: str) -> float:
    """Sign in and list one image, and return when it was there."""
    names = {"project_name": "project", "user_domain_name": "Default", "project_domain_name": "Default"}
    auth = {"auth_url": f"{url}/v3", "username": "user", "password": "password", **names}
    assert next(_CONNECTION.Connection(auth=auth).image.images(limit=1))
    return time.monotonic()
