"""Which methods of the client's resources the tests have called."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from aioimages._resources.discovery import Info, Stores
from aioimages._resources.images import Images
from aioimages._resources.members import Members
from aioimages._resources.objects import Objects
from aioimages._resources.schemas import Schemas
from aioimages._resources.servers import Servers
from aioimages._resources.tasks import Tasks

__all__ = ["Recorder"]

RESOURCES: dict[str, type] = {
    "images": Images,
    "info": Info,
    "members": Members,
    "objects": Objects,
    "schemas": Schemas,
    "servers": Servers,
    "stores": Stores,
    "tasks": Tasks,
}


def _methods(resource: type) -> Iterable[tuple[str, Callable[..., Any]]]:
    return [
        (name, method) for name, method in inspect.getmembers(resource, inspect.isfunction) if not name.startswith("_")
    ]


class Recorder:
    """Notes each public method that a test calls with success; calls that the client makes by itself do not count."""

    def __init__(self) -> None:
        self.offered = {f"{name}.{method}" for name, resource in RESOURCES.items() for method, _ in _methods(resource)}
        self.called: set[str] = set()

    def _noting(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def note() -> None:
            caller = str(sys._getframe(2).f_globals.get("__name__"))
            if not caller.startswith("aioimages."):
                self.called.add(name)

        @wraps(method)
        def noted(*args: Any, **options: Any) -> Any:
            returned = method(*args, **options)
            note()
            return returned

        @wraps(method)
        async def noted_when_done(*args: Any, **options: Any) -> Any:
            returned = await method(*args, **options)
            note()
            return returned

        return noted_when_done if inspect.iscoroutinefunction(method) else noted

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note calls until the end of the block."""
        originals = [(kind, name, method) for kind in RESOURCES.values() for name, method in _methods(kind)]
        names = {kind: name for name, kind in RESOURCES.items()}
        try:
            for kind, name, method in originals:
                setattr(kind, name, self._noting(f"{names[kind]}.{name}", method))
            yield
        finally:
            for kind, name, method in originals:
                setattr(kind, name, method)
