"""What a worker does, and what it can be asked to do."""

import asyncio
import os
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs
from distributed import Worker, WorkerPlugin
from distributed.comm.core import Comm
from distributed.protocol.pickle import dumps, loads

from aioimages._call import Call, Reply
from aioimages._client import Client
from aioimages._groups import task_group
from aioimages._limiter import Rank
from aioimages._models import Download
from aioimages._version import __version__
from aioimages.distributed._line import Line, Message

__all__ = ["VERSION", "Ask", "Desk", "Fetch", "WhoseProject", "Work", "as_it_came"]

VERSION: Final = __version__

T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """What a worker can be asked to do. It is pickled, and so is what comes of it."""

    async def do(self, client: Client) -> T_co:
        """Do it with the worker's client."""
        ...


def as_it_came(reply: Reply) -> Reply:
    """Leave an answer to be read by the submitter."""
    return attrs.evolve(reply, headers={name.lower(): value for name, value in reply.headers.items()})


@attrs.frozen
class Ask(Generic[T_co]):
    """One call to the image service."""

    call: Call[T_co]
    rank: Rank

    async def do(self, client: Client) -> T_co:
        """Return the answer."""
        return await client._session.ranked(self.rank).run(self.call)  # noqa: SLF001  # calls are below the public face


@attrs.frozen
class WhoseProject:
    """The question whose the images are."""

    async def do(self, client: Client) -> str | None:
        """Return the project's id."""
        return await client.project_id()


@attrs.frozen
class Fetch:
    """An image's data, to a file that the worker can write."""

    image_id: str
    path: str | os.PathLike[str]

    async def do(self, client: Client) -> Download:
        """Fetch them, or what is missing of them."""
        return await client.images.download(self.image_id, self.path, resume=True)


class Desk(WorkerPlugin):
    """Where a worker takes the orders of one run.

    It opens one client for a submitter, which lives as long as the connection: whoever is cut off from the submitter
    begins nothing more.

    Args:
        name: What the run is called.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._serving: set[asyncio.Task[None]] = set()

    def setup(self, worker: Worker) -> None:
        """Open it."""
        worker.handlers[self.name] = self.serve

    async def teardown(self, worker: Worker) -> None:
        """Close it, and end what is under way."""
        worker.handlers.pop(self.name, None)
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def serve(self, comm: Comm) -> None:
        """Take orders from a submitter until the connection ends."""
        task = asyncio.create_task(_serve(Line(comm)))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        await asyncio.wait({task})
        comm.abort()
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, OSError):
            raise error


async def _serve(line: Line) -> None:
    # What opens the client is read here, not by Dask's dispatcher, which may write what it reads into a log.
    await line.write(VERSION)
    try:
        credentials, options = loads(await line.read())
        client = Client(credentials, **options)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, the submitter is told
        await line.write(f"{type(error).__name__}: {error}")
        return
    async with client:
        await line.write(None)
        async with task_group() as group:
            group.start_soon(line.keep_sending)
            while True:
                for message in await line.receive():
                    group.start_soon(_perform, client, line, message)


async def _perform(client: Client, line: Line, message: Message) -> None:
    number, order, _ = message
    try:
        work: Work[Any] = loads(order)
        answer = dumps((await work.do(client), None))
    except Exception as error:  # noqa: BLE001  # whatever it is, it belongs to this order
        answer = _told(error)
    line.send((number, answer, client._session.requests))  # noqa: SLF001  # counted for the report


def _told(error: Exception) -> bytes:
    try:
        answer: bytes = dumps((None, error))
        loads(answer)
    except Exception:  # noqa: BLE001  # errors of other libraries need not survive
        answer = dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer
