"""`client.bulk`."""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Collection, Iterable, Sized
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any, TypeVar

from aioimages._asking import Asker
from aioimages._bulk import results
from aioimages._bulk.jobs import FunctionJob, Job, TaskJob
from aioimages._bulk.journal import Journal, JournalPath, checked_path
from aioimages._bulk.records import Keys, Record
from aioimages._bulk.run import run
from aioimages._call import identifier
from aioimages._calls import tasks as calls
from aioimages._calls.images import supported
from aioimages._calls.place import place
from aioimages._dialect import Operation
from aioimages._models import Download, DownloadRequest, ExportRequest, ImportRequest, Task
from aioimages._outcomes import AsyncOutcomes, Tally, one_by_one
from aioimages._policy import UNSET, Unset, count, seconds
from aioimages._progress import Meter, Progress
from aioimages._resources.images import Images
from aioimages._secrets import without_secrets, without_user
from aioimages._session import Session
from aioimages._waiting import Waiter

__all__ = ["Bulk"]

K = TypeVar("K")
V = TypeVar("V")


class Bulk:
    """One operation over many items, concurrently. One bad item does not stop the others.

    A run with a `journal` survives the end of its program: started again with the same items and the same journal, it
    goes on where it was.
    """

    def __init__(self, session: Session, waiter: Waiter, asker: Asker, images: Images) -> None:
        self._session = session
        self._waiter = waiter
        self._asker = asker
        self._images = images

    def map(
        self,
        function: Callable[[K], Awaitable[V]],
        keys: Iterable[K] | AsyncIterable[K],
        *,
        concurrency: int | None = None,
        journal: JournalPath | None = None,
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
            journal: The path of the run's journal; keys must be `str` then. It keeps that a key is done, not its value:
                the outcome of one that an earlier run has done has the value `None`. A key that was being worked on
                when the program ended is done again, as is one that failed. Keys may be added and left out.
            progress: Who wants to know how many are done.

        Raises:
            JournalError: The journal cannot be used, or is one of another function, cloud or project.
        """
        if not callable(function):
            raise TypeError(f"function is an async function, not {type(function).__name__}")
        if isinstance(keys, str) or not isinstance(keys, Iterable | AsyncIterable):
            raise TypeError(f"keys are several, not one {type(keys).__name__}")
        workers = self._session.concurrency if concurrency is None else count("concurrency", concurrency, least=1)
        workers = min(workers, max(1, len(keys))) if isinstance(keys, Sized) else workers
        path = checked_path(journal)
        if path is not None and isinstance(keys, Collection):
            for key in keys:
                _text(key)

        async def items(notes: Journal) -> AsyncGenerator[tuple[K, Record], None]:
            made = Keys()
            async with aclosing(one_by_one(keys)) as taken:
                async for key in taken:
                    text = _text(key) if notes.is_kept else ""
                    yield key, notes.record(made.of(text) if notes.is_kept else "", without_secrets(text))

        async def where() -> tuple[str, str | None]:
            target, service_time = await self._place()
            return f"{getattr(function, '__qualname__', type(function).__name__)} on {target}", service_time

        return run(
            "map",
            items,
            lambda notes: FunctionJob(notes, function, _keep_nothing, _recall_nothing),
            journal=path,
            place=where,
            known=None,
            workers=workers,
            tally=self._tally(progress, keys),
        )

    def import_images(
        self,
        requests: Iterable[ImportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        journal: JournalPath | None = None,
        unique_names: bool = False,
        lost_after: float | Unset = UNSET,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ImportRequest, Task]]:
        """Import disks, each as `client.tasks.import_image` and `client.tasks.wait` do. The outcomes hold the tasks.

        All are asked for and awaited at the same time. The client bounds the requests in flight, the service the work.

        Args:
            requests: The disks.
            timeout: Seconds to wait for each task.
            journal: The path of the run's journal. With it, each disk is imported exactly once, whatever happens to the
                program or to the answers of the service. Outcomes of an earlier run are given again, first; its tasks
                come without `input`. A disk whose task failed has failed for good; any other error is tried again.
            unique_names: Whether to import each disk under a name of its own, which a journal finds it again by, and to
                rename its image afterwards. Rackspace needs this where two requests are equal.
            lost_after: Seconds to look for a task whose answer was lost, before it is asked for again. They should
                exceed the time that the service may take to answer. Otherwise `TimeoutPolicy.lost_after` holds.
            progress: Who wants to know how many are done.

        Raises:
            ValueError: The service is known to refuse one of these, or two are equal and could not be told apart.
            JournalError: The journal cannot be used, or is one of other work.
        """
        if unique_names and journal is None:
            raise ValueError("unique_names are what a journal finds imports again by: give a journal, too")

        def input_of(request: ImportRequest, name: str | None) -> dict[str, Any]:
            if unique_names and "name" in (request.properties or {}):
                raise ValueError("with unique_names, the name of an image is no property")
            return calls.import_input(
                self._session.dialect,
                request.import_from,
                name=request.name if name is None else name,
                import_from_format=request.import_from_format,
                properties=request.properties,
            )

        def described(request: ImportRequest) -> tuple[Any, str]:
            content = [
                without_user(request.import_from),
                request.name,
                dict(request.properties or {}),
                request.import_from_format,
            ]
            return content, request.name

        return self._tasks_of(
            "import",
            _checked(requests, ImportRequest),
            input_of,
            described,
            timeout=timeout,
            journal=journal,
            unique_names=unique_names,
            lost_after=lost_after,
            progress=progress,
        )

    def export_images(
        self,
        requests: Iterable[ExportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        journal: JournalPath | None = None,
        lost_after: float | Unset = UNSET,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ExportRequest, Task]]:
        """Export images, each as `client.tasks.export_image` and `client.tasks.wait` do. The outcomes hold the tasks.

        Args:
            requests: The images, and where they go.
            timeout: Seconds to wait for each task.
            journal: The path of the run's journal, as in `import_images`.
            lost_after: Seconds to look for a task whose answer was lost, as in `import_images`.
            progress: Who wants to know how many are done.

        Raises:
            UnsupportedOperationError: The cloud has no export.
            ValueError: The service is known to refuse one of these, or with a journal two are equal.
            JournalError: The journal cannot be used, or is one of other work.
        """
        dialect = self._session.dialect
        return self._tasks_of(
            "export",
            _checked(requests, ExportRequest),
            lambda request, _: calls.export_input(dialect, request.image_id, request.container),
            lambda request: ([request.image_id, request.container], f"{request.image_id} to {request.container}"),
            timeout=timeout,
            journal=journal,
            unique_names=False,
            lost_after=lost_after,
            progress=progress,
        )

    def download_images(
        self,
        requests: Iterable[DownloadRequest],
        *,
        concurrency: int = 8,
        journal: JournalPath | None = None,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[DownloadRequest, Download]]:
        """Fetch images' data, each as `client.images.download` does with `resume=True`.

        Args:
            requests: The images, and the files that they go to.
            concurrency: How many to fetch at a time.
            journal: The path of the run's journal. With it, what an earlier run has fetched is not fetched again, also
                where the file was moved since. A file that is not whole is gone on with, with a journal or without.
            progress: Who wants to know how many are done.

        Raises:
            UnsupportedOperationError: The cloud gives no image data.
            ValueError: Two images would go to the same file.
            JournalError: The journal cannot be used, or is one of other work.
        """
        supported(self._session.dialect, Operation.DATA)
        workers = count("concurrency", concurrency, least=1)
        wanted = _checked(requests, DownloadRequest)
        for request in wanted:
            identifier("image_id", request.image_id)
        _refuse_equal(map(_target, wanted), "two downloads to the same file")
        tally = self._tally(progress, wanted)

        async def fetch(request: DownloadRequest) -> Download:
            done = await self._images.download(request.image_id, request.path, resume=True)
            tally.transferred_bytes += done.size_bytes - done.resumed_bytes
            return done

        return self._listed(
            "download",
            wanted,
            lambda request: ([request.image_id, _target(request)], f"{request.image_id} to {_target(request)}"),
            lambda notes: FunctionJob(notes, fetch, results.keep_download, results.download),
            journal=checked_path(journal),
            workers=min(workers, len(wanted)),
            tally=tally,
        )

    def _tasks_of(
        self,
        type: str,
        requests: list[K],
        input_of: Callable[[K, str | None], dict[str, Any]],
        described: Callable[[K], tuple[Any, str]],
        *,
        timeout: float | Unset | None,
        journal: JournalPath | None,
        unique_names: bool,
        lost_after: float | Unset,
        progress: Progress | None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[K, Task]]:
        path, dialect = checked_path(journal), self._session.dialect
        patience = None if lost_after is UNSET else seconds("lost_after", lost_after)
        if patience is None and lost_after is not UNSET:
            raise TypeError("lost_after is a number of seconds, not None")
        self._waiter.timeout(timeout)
        inputs = [input_of(request, None) for request in requests]
        for details in inputs:
            calls.create(dialect, type, details)
        if path is not None and not unique_names and not dialect.tasks_have_request_ids:
            _refuse_equal(map(Keys.digest, inputs), f"{dialect.title} could not tell two equal {type}s apart")

        def job(notes: Journal) -> TaskJob[K]:
            return TaskJob(
                self._session,
                self._waiter,
                self._asker,
                self._images,
                notes,
                type=type,
                input_of=input_of,
                timeout=self._waiter.timeout(timeout),
                patience=patience,
                unique_names=unique_names,
            )

        return self._listed(
            type, requests, described, job, journal=path, workers=len(requests), tally=self._tally(progress, requests)
        )

    def _listed(
        self,
        kind: str,
        requests: list[K],
        described: Callable[[K], tuple[Any, str]],
        job: Callable[[Journal], Job[K, V]],
        *,
        journal: Path | None,
        workers: int,
        tally: Tally,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[K, V]]:
        """Run a job for requests that are all known; those that an earlier run has finished come first."""
        keys = Keys()
        known = [(keys.of(content), name) for content, name in map(described, requests)]

        def items(notes: Journal) -> list[tuple[K, Record]]:
            pairs = [(request, notes.record(*item)) for request, item in zip(requests, known, strict=True)]
            return sorted(pairs, key=lambda pair: not pair[1].step.is_final)

        return run(kind, items, job, journal=journal, place=self._place, known=known, workers=workers, tally=tally)

    async def _place(self) -> tuple[str, str | None]:
        here = await self._session.run(place())
        project = await self._session.project_id()
        target = f"{here.url} (project {project})" if project else here.url
        return target, here.time.isoformat() if here.time else None

    def _tally(self, progress: Progress | None, items: object) -> Tally:
        return Tally(
            self._session, len(items) if isinstance(items, Sized) else None, Meter.of_items(progress, "bulk", items)
        )


def _checked(requests: Iterable[K], kind: type[K]) -> list[K]:
    wanted = list(requests)
    for request in wanted:
        if not isinstance(request, kind):
            raise TypeError(f"requests are {kind.__name__}s, not {type(request).__name__}")
    return wanted


def _refuse_equal(what: Iterable[str], problem: str) -> None:
    first: dict[str, int] = {}
    for position, one in enumerate(what, 1):
        if one in first:
            raise ValueError(f"{problem}: items {first[one]} and {position}")
        first[one] = position


def _target(request: DownloadRequest) -> str:
    path = os.fspath(request.path) if isinstance(request.path, str | os.PathLike) else None
    if not isinstance(path, str):
        raise TypeError(f"path is the path of a file, a str or a Path, not {type(request.path).__name__}")
    return os.path.abspath(path)  # noqa: PTH100  # links are followed when it is written


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"with a journal, keys are str, not {type(key).__name__}")
    return key


def _keep_nothing(_: object, __: Record) -> None:
    """Leave the journal as it is: that a key is done is all that it keeps."""


def _recall_nothing(_: Record) -> Any:
    return None
