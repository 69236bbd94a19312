"""The public face: `client.bulk`, on a cluster."""

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import attrs
import distributed
from distributed.deploy.cluster import Cluster as DaskCluster
from distributed.protocol.pickle import dumps

from aioimages._asking import Asker
from aioimages._attempts import Trail
from aioimages._auth.credentials import Credentials
from aioimages._bulk import Bulk
from aioimages._call import Call, Replay
from aioimages._client import Client
from aioimages._dialect import Dialect, dialect_named
from aioimages._errors import AmbiguousOutcomeError
from aioimages._lifetime import Lifetime
from aioimages._limiter import Rank
from aioimages._models import Download, DownloadRequest, ExportRequest, ImportRequest, Task
from aioimages._outcomes import AsyncOutcomes
from aioimages._policy import UNSET, ConcurrencyPolicy, PollPolicy, TimeoutPolicy, Unset, count
from aioimages._progress import Progress
from aioimages._resources.images import Images
from aioimages._session import Session
from aioimages._waiting import Waiter
from aioimages.distributed._crew import Crew, WorkerLostError
from aioimages.distributed._work import Ask, Fetch, WhoseProject, as_it_came

__all__ = ["Cluster"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

JournalPath = str | os.PathLike[str]

# Dask's connections notice after 30 seconds that nobody is at the other end; the service takes its time, too.
_LOST_AFTER_SECONDS: Final = 45.0
_OF_ONE_PROCESS: Final = ("session", "ssl", "trace_configs", "on_attempt")


class _RemoteSession(Session):
    """What a run knows as its session: workers run the calls, and their answers are read here."""

    def __init__(self, crew: Crew, dialect: Dialect, concurrency: int, rank: Rank = Rank.IN_TURN) -> None:
        self.dialect = dialect
        self.concurrency = concurrency
        self.lifetime = Lifetime()
        self._crew = crew
        self._rank = rank

    def ranked(self, rank: Rank) -> Session:
        return _RemoteSession(self._crew, self.dialect, self.concurrency, rank)

    @property
    def requests(self) -> int:
        return self._crew.requests

    async def project_id(self) -> str | None:
        return await self._crew.do(WhoseProject())

    async def run(self, call: Call[T], trail: Trail | None = None) -> T:  # noqa: ARG002  # the worker has its own
        work = Ask(attrs.evolve(cast("Call[Any]", call), read=as_it_came), self._rank)
        try:
            reply = await self._crew.do(work, rank=self._rank, may_repeat=call.replay is Replay.SAFE)
        except WorkerLostError as error:
            problem = f"{call.method} {call.path} may or may not have been carried out: {error}"
        else:
            return call.read(reply)
        raise AmbiguousOutcomeError(problem)


class _RemoteImages(Images):
    """Images whose data workers fetch."""

    def __init__(self, session: Session, waiter: Waiter, asker: Asker, crew: Crew) -> None:
        super().__init__(session, waiter, asker)
        self._crew = crew

    async def download(  # type: ignore[override]  # as runs use it
        self, image_id: str, destination: str | os.PathLike[str], *, resume: bool
    ) -> Download:
        assert resume  # noqa: S101  # a worker goes on with what another one has left
        return await self._crew.do(Fetch(image_id, destination))


class Cluster:
    """Bulk runs on the workers of a Dask cluster, each with a client of its own.

    It is used as `client.bulk` is::

        cluster = Cluster("tcp://scheduler:8786", credentials, region="DFW")
        async with cluster.import_images(requests, journal="run.db") as outcomes:
            async for outcome in outcomes:
                ...

    Requests, outcomes, journals and reports are the same: a run that was begun on one machine can be gone on with on a
    cluster, and the other way round. What one client may do, `concurrency` says for the whole
    cluster: each worker gets an equal share of the requests in flight and of the requests a second.

    The workers must have the same version of aioimages, and be reachable from here. The credentials are sent to them:
    in clear text, unless the cluster has TLS (`security`).

    Args:
        scheduler: The scheduler's address, or a Dask client or cluster of yours, which is left alone.
        credentials: Who signs in. Each worker does so by itself.
        security: Dask's certificates, where the scheduler is an address and the configuration of Dask has none.
        client_options: Options of `Client`, but those that belong to one process: `session`, `ssl`, `trace_configs`,
            `on_attempt`.

    Raises:
        TypeError: An argument of the wrong type.
        ValueError: An argument that cannot be.
    """

    def __init__(
        self,
        scheduler: str | distributed.Client | DaskCluster,
        credentials: Credentials,
        *,
        security: distributed.Security | None = None,
        **client_options: Any,
    ) -> None:
        for name in _OF_ONE_PROCESS:
            if name in client_options:
                raise ValueError(f"{name} belongs to one process, and cannot go to the workers of a cluster")
        # It checks what it is given, and sends nothing.
        self._dialect = dialect_named(Client(credentials, **client_options).dialect)
        self._address, self._security = _reached(scheduler, security)
        self._credentials = credentials
        self._options = client_options
        self._opening(1, None)

    def import_images(
        self,
        requests: Iterable[ImportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        journal: JournalPath | None = None,
        unique_names: bool = False,
        lost_after: float = _LOST_AFTER_SECONDS,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ImportRequest, Task]]:
        """Import disks, as `client.bulk.import_images` does.

        With a journal each disk is imported exactly once, whatever happens to workers or to this program.

        Args:
            requests: The disks.
            timeout: Seconds to wait for each task.
            journal: The path of the run's journal, here.
            unique_names: Whether to import each disk under a name of its own first.
            lost_after: Seconds to look for a task whose worker or answer was lost, before it is asked for again. They
                should exceed the time in which a worker that is cut off notices that: some 30 seconds in Dask.
            progress: Who wants to know how many are done.

        Raises:
            ConnectError: There is no such cluster, or it has no workers.
            ConfigurationError: A worker has no aioimages, or another version.
            ValueError: The service is known to refuse one of these, or two are equal and could not be told apart.
            JournalError: The journal cannot be used, or is one of other work.
        """
        crew, bulk = self._crew()
        run = bulk.import_images(
            requests,
            timeout=timeout,
            journal=journal,
            unique_names=unique_names,
            lost_after=lost_after,
            progress=progress,
        )
        return _running(crew, run)

    def export_images(
        self,
        requests: Iterable[ExportRequest],
        *,
        timeout: float | Unset | None = UNSET,
        journal: JournalPath | None = None,
        lost_after: float = _LOST_AFTER_SECONDS,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[ExportRequest, Task]]:
        """Export images, as `client.bulk.export_images` does; arguments and errors are those of `import_images`."""
        crew, bulk = self._crew()
        run = bulk.export_images(requests, timeout=timeout, journal=journal, lost_after=lost_after, progress=progress)
        return _running(crew, run)

    def download_images(
        self,
        requests: Iterable[DownloadRequest],
        *,
        concurrency: int = 8,
        journal: JournalPath | None = None,
        progress: Progress | None = None,
    ) -> AbstractAsyncContextManager[AsyncOutcomes[DownloadRequest, Download]]:
        """Fetch images' data, as `client.bulk.download_images` does, to files of the workers.

        What a lost worker has not finished is done by another one: from where it was, if they share the file system.

        Args:
            requests: The images, and the files that they go to: paths from the root, in folders that every worker has.
            concurrency: How many each worker fetches at a time.
            journal: The path of the run's journal, here.
            progress: Who wants to know how many are done.

        Raises:
            ConnectError: There is no such cluster, or it has no workers.
            ConfigurationError: A worker has no aioimages, or another version.
            UnsupportedOperationError: The cloud gives no image data.
            ValueError: Two images would go to the same file, or a path begins nowhere.
            JournalError: The journal cannot be used, or is one of other work.
        """
        wanted = list(requests)
        for request in wanted:
            # Where a relative path leads, is another matter in each process.
            if isinstance(request, DownloadRequest) and not Path(request.path).is_absolute():
                raise ValueError(f"on a cluster, the path of a download begins at the root, unlike {request.path}")
        crew, bulk = self._crew(count("concurrency", concurrency, least=1))
        run = bulk.download_images(wanted, concurrency=max(1, len(wanted)), journal=journal, progress=progress)
        return _running(crew, run)

    def _crew(self, places: int | None = None) -> tuple[Crew, Bulk]:
        """Return workers who have so many orders at once, or as many as requests in flight; and what runs on them."""
        most = self._concurrency().most
        crew = Crew(self._address, self._security, lambda workers: self._opening(workers, places), most=most)
        session = _RemoteSession(crew, self._dialect, most)
        waiter = Waiter(session, self._options.get("poll") or PollPolicy())
        asker = Asker(session, self._options.get("timeout") or TimeoutPolicy())
        return crew, Bulk(session, waiter, asker, _RemoteImages(session, waiter, asker, crew))

    def _opening(self, workers: int, places: int | None) -> tuple[bytes, int]:
        """Return what each of so many workers opens its client with, and how many orders it has at once."""
        share = _share(self._concurrency(), workers)
        return dumps((self._credentials, {**self._options, "concurrency": share})), places or share.most

    def _concurrency(self) -> ConcurrencyPolicy:
        given = self._options.get("concurrency", ConcurrencyPolicy())
        return given if isinstance(given, ConcurrencyPolicy) else ConcurrencyPolicy(most=given)


def _share(whole: ConcurrencyPolicy, workers: int) -> ConcurrencyPolicy:
    most = max(1, whole.most // workers)
    rate = None if whole.rate is None else whole.rate / workers
    return attrs.evolve(whole, most=most, least=min(whole.least, most), rate=rate)


def _reached(scheduler: Any, security: distributed.Security | None) -> tuple[str, distributed.Security | None]:
    """Return a scheduler's address, and the certificates that it takes."""
    if isinstance(scheduler, str):
        return scheduler, security
    if isinstance(scheduler, distributed.Client):
        return str(getattr(scheduler.scheduler, "address", "")), scheduler.security
    if isinstance(scheduler, DaskCluster):
        return str(scheduler.scheduler_address), getattr(scheduler, "security", None)
    raise TypeError(f"scheduler is an address, a Dask client or cluster, not {type(scheduler).__name__}")


@asynccontextmanager
async def _running(
    crew: Crew, run: AbstractAsyncContextManager[AsyncOutcomes[K, V]]
) -> AsyncIterator[AsyncOutcomes[K, V]]:
    async with crew.at_work(), run as outcomes:
        yield outcomes
