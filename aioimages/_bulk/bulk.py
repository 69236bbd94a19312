"""`client.bulk`."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from aioimages._models import ExportRequest, ImportRequest, Task
from aioimages._outcomes import AsyncOutcomes, fan_out
from aioimages._policy import UNSET, Unset, count
from aioimages._progress import Meter, Progress
from aioimages._resources.tasks import Tasks
from aioimages._session import Session

__all__ = ["Bulk"]

K = TypeVar("K")
V = TypeVar("V")


class Bulk:
    """One operation over many items, concurrently. One bad item does not stop the others."""

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session = session
        self._tasks = tasks

    def map(
        self,
        function: Callable[[K], Awaitable[V]],
        keys: Iterable[K] | AsyncIterable[K],
        *,
        concurrency: int | None = None,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[K, V]]:
        """Apply an async function to keys, and iterate over the outcomes as they come.

            async with client.bulk.map(client.images.delete, old_ids) as outcomes:
                async for outcome in outcomes:
                    ...

        Args:
            function: What to do with a key.
            keys: What to do it with; they are taken as they are needed, so a listing will do.
            concurrency: How many to work on at a time; otherwise as many as the client has requests in flight.
            progress: Who wants to know how many are done.
        """
        if not callable(function):
            raise TypeError(f"function is an async function, not {type(function).__name__}")
        if isinstance(keys, str) or not isinstance(keys, Iterable | AsyncIterable):
            raise TypeError(f"keys are several, not one {type(keys).__name__}")
        workers = self._session.concurrency if concurrency is None else count("concurrency", concurrency, least=1)
        return fan_out(function, keys, workers=workers, meter=Meter.of_items(progress, "bulk", keys))

    def import_images(
        self,
        requests: Iterable[ImportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ImportRequest, Task]]:
        """Import disks, each as `client.tasks.import_image` and `client.tasks.wait` do. The outcomes hold the tasks.

        All are asked for and awaited at the same time. The client bounds the requests in flight, the service the work.

        Args:
            requests: The disks.
            timeout: Seconds to wait for each task.
            progress: Who wants to know how many are done.
        """

        async def import_one(request: ImportRequest) -> Task:
            task = await self._tasks.import_image(
                request.import_from,
                name=request.name,
                properties=request.properties,
                import_from_format=request.import_from_format,
            )
            return await self._tasks.wait(task.id, timeout=timeout)

        return self._all(import_one, requests, ImportRequest, progress)

    def export_images(
        self,
        requests: Iterable[ExportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ExportRequest, Task]]:
        """Export images, each as `client.tasks.export_image` and `client.tasks.wait` do. The outcomes hold the tasks.

        Args:
            requests: The images, and where they go.
            timeout: Seconds to wait for each task.
            progress: Who wants to know how many are done.
        """

        async def export_one(request: ExportRequest) -> Task:
            task = await self._tasks.export_image(request.image_id, container=request.container)
            return await self._tasks.wait(task.id, timeout=timeout)

        return self._all(export_one, requests, ExportRequest, progress)

    def _all(
        self,
        function: Callable[[K], Awaitable[V]],
        requests: Iterable[K],
        kind: type[K],
        progress: Progress | None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[K, V]]:
        wanted = list(requests)
        for request in wanted:
            if not isinstance(request, kind):
                raise TypeError(f"requests are {kind.__name__}s, not {type(request).__name__}")
        meter = Meter.of_items(progress, "bulk", wanted)
        return fan_out(function, wanted, workers=len(wanted), meter=meter)
