"""The workers of a run: orders go out to whoever has a place free, and what comes of them comes back."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any, Final, TypeVar

import anyio
import attrs
import distributed
from distributed.comm.core import connect
from distributed.protocol.pickle import dumps, loads

from aioimages._errors import AioImagesError, ConfigurationError, ConnectError
from aioimages._groups import task_group
from aioimages._limiter import Rank
from aioimages.distributed._line import Line
from aioimages.distributed._work import VERSION, Desk, Work

__all__ = ["Crew", "WorkerLostError"]

T = TypeVar("T")

_TRIES: Final = 4
_LOOK_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 30.0


class WorkerLostError(Exception):
    """The worker that had an order is gone: it may have been carried out."""


@attrs.frozen(eq=False)
class _Order:
    work: bytes
    result: asyncio.Future[Any]

    def end(self, value: Any, error: Exception | None) -> None:
        if self.result.done():
            return
        if error is None:
            self.result.set_result(value)
        else:
            self.result.set_exception(error)


class Crew:
    """The workers of a cluster, at work for one run.

    As many as there are when the run begins share what one client may do; later ones come in for those that are lost.

    Args:
        address: The scheduler's address.
        security: The certificates of the cluster, where it has TLS.
        opening: Returns, for a number of workers, what each opens its client with, and how many orders it has at once.
        most: How many workers there may be.
    """

    def __init__(
        self,
        address: str,
        security: distributed.Security | None,
        opening: Callable[[int], tuple[bytes, int]],
        *,
        most: int,
    ) -> None:
        self._address = address
        self._security = security
        self._opening = opening
        self._most = most
        self._orders: asyncio.PriorityQueue[tuple[Rank, int, _Order]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._name = f"aioimages-{token_hex(8)}"
        self._at_work: set[str] = set()
        self._unfit: set[str] = set()
        self._requests: dict[Line, int] = {}
        self._over: AioImagesError | None = None
        self._hello, self._places = b"", 1

    @property
    def requests(self) -> int:
        """How many requests the workers have sent."""
        return sum(self._requests.values())

    async def do(self, work: Work[T], *, rank: Rank = Rank.IN_TURN, may_repeat: bool = True) -> T:
        """Have something done by some worker, and return what comes of it, or raise its error.

        Args:
            work: What.
            rank: Whom it goes ahead of.
            may_repeat: Whether it is harmless to do it again, should the worker be lost.

        Raises:
            WorkerLostError: It may have been done, and must not be repeated.
            ConnectError: There are no workers, or it has cost several of them.
        """
        pickled = dumps(work)
        for _ in range(_TRIES if may_repeat else 1):
            if self._over is not None:
                raise copy.copy(self._over)
            order = _Order(pickled, asyncio.get_running_loop().create_future())
            self._orders.put_nowait((rank, next(self._numbers), order))
            try:
                result: T = await order.result
            except WorkerLostError:
                if not may_repeat:
                    raise
            else:
                return result
        raise ConnectError(f"{_TRIES} workers were lost, one after the other, while they were at it")

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Have them work until the end of the block; nothing of the run is left on the cluster then."""
        async with self._connected() as dask:
            desk = Desk(self._name)
            try:
                await _open(dask, desk)
                async with task_group() as group:
                    lines = await self._first(dask)
                    for address, line in lines.items():
                        group.start_soon(self._work_with, address, line)
                    group.start_soon(self._replace, dask, len(lines), group.start_soon)
                    yield
                    group.cancel_scope.cancel()
            finally:
                with anyio.move_on_after(_PATIENCE_SECONDS, shield=True), suppress(Exception):
                    # Workers that are gone, or were never there, have nothing to clear away.
                    await dask.unregister_worker_plugin(self._name)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[distributed.Client]:
        client: Any = distributed.Client(
            self._address, security=self._security, asynchronous=True, set_as_default=False, name="aioimages"
        )
        try:
            try:
                await client
                await client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
            except (OSError, TypeError) as error:
                # A `TimeoutError` is one, too; and a lack of certificates is a `TypeError` of Dask's.
                problem = ConnectError(f"no Dask cluster with workers is at {self._address}: {error}")
            else:
                yield client
                return
            raise problem
        finally:
            with anyio.CancelScope(shield=True):
                await client.close()

    async def _first(self, dask: distributed.Client) -> dict[str, Line]:
        """Open the lines to the workers that the run begins with."""
        addresses = list(await dask.nthreads())[: self._most]
        self._hello, self._places = self._opening(len(addresses))
        lines: dict[str, Line] = {}

        async def hire(address: str) -> None:
            with suppress(OSError):
                lines[address] = await self._line(dask, address)

        async with task_group() as group:
            for address in addresses:
                group.start_soon(hire, address)
        return lines

    async def _line(self, dask: distributed.Client, address: str) -> Line:
        """Open a line to a worker, and a client at its other end."""
        line = Line(await connect(address, **dask.connection_args))
        problem: str | None = f"it did not answer within {_PATIENCE_SECONDS:g} s"
        try:
            with anyio.move_on_after(_PATIENCE_SECONDS):
                problem = await self._introduce(line)
        except BaseException:
            line.cut()
            raise
        if problem is not None:
            line.cut()
            raise ConfigurationError(f"the worker {address} cannot open a client: {problem}")
        self._at_work.add(address)
        self._requests[line] = 0
        return line

    async def _introduce(self, line: Line) -> str | None:
        """Have a client opened at the other end of a line, and return what hindered that."""
        await line.write({"op": self._name, "reply": False})
        # The desk speaks first: where there is none, Dask would write what comes next into its log.
        version = await line.read()
        if version != VERSION:
            return f"it has aioimages {version}, and the submitter {VERSION}"
        await line.write(self._hello)
        problem: str | None = await line.read()
        return problem

    async def _replace(self, dask: distributed.Client, most: int, start: Callable[..., object]) -> None:
        """Take in workers that have come for those that are gone; end the run when there is none for a while."""
        seen_at = anyio.current_time()
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            with suppress(OSError):
                for address in (await dask.nthreads()).keys() - self._at_work - self._unfit:
                    if len(self._at_work) < max(most, 1):
                        await self._take_in(dask, address, start)
            if self._at_work:
                seen_at = anyio.current_time()
            elif anyio.current_time() - seen_at > _PATIENCE_SECONDS:
                self._end(ConnectError(f"the cluster at {self._address} has no worker left"))
                return

    async def _take_in(self, dask: distributed.Client, address: str, start: Callable[..., object]) -> None:
        try:
            start(self._work_with, address, await self._line(dask, address))
        except ConfigurationError:
            self._unfit.add(address)

    def _end(self, problem: AioImagesError) -> None:
        self._over = problem
        while not self._orders.empty():
            self._orders.get_nowait()[2].end(None, copy.copy(problem))

    async def _work_with(self, address: str, line: Line) -> None:
        """Hand out orders to a worker until it is gone."""
        given: dict[int, _Order] = {}
        places = anyio.Semaphore(self._places)
        try:
            async with task_group() as group:
                group.start_soon(line.keep_sending)
                group.start_soon(self._hand_out, line, given, places)
                await self._take_back(line, given, places)
        except OSError:
            pass
        finally:
            line.cut()
            self._at_work.discard(address)
            for order in given.values():
                order.end(None, WorkerLostError(f"the worker {address} is gone"))

    async def _hand_out(self, line: Line, given: dict[int, _Order], places: anyio.Semaphore) -> None:
        while True:
            await places.acquire()
            order = await self._next()
            number = next(self._numbers)
            given[number] = order
            line.send((number, order.work, 0))

    async def _next(self) -> _Order:
        while True:
            _, _, order = await self._orders.get()
            if not order.result.done():
                return order

    async def _take_back(self, line: Line, given: dict[int, _Order], places: anyio.Semaphore) -> None:
        while True:
            for number, answer, requests in await line.receive():
                self._requests[line] = requests
                given.pop(number).end(*loads(answer))
                places.release()


async def _open(dask: distributed.Client, desk: Desk) -> None:
    """Let each worker take orders."""
    try:
        await dask.register_plugin(desk, name=desk.name)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # on its way through the scheduler it loses its class
        problem = ConfigurationError(f"a worker cannot take part: {error}. Is aioimages[dask] installed there?")
    else:
        return
    raise problem
