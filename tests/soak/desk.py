"""Where one worker of the soak works: its clients, its chance, and the way in which every operation goes."""

import asyncio
import random
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from book import Book
from cloud import ADMIN, CONSUMER, PRODUCER, Cloud
from tallies import Tallies, Ticker

from aioimages import AioImagesError, AmbiguousOutcomeError, Client, Outcome, TaskFailedError

__all__ = ["Clients", "Desk", "GivenUpError", "Kept", "digest"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_CANCELLED_SHARE: Final = 0.01
_LATEST_CANCELLATION_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 1.0
# Keeps what a worker leaves in the cloud within bounds.
_MOST_KEPT: Final = 12


class GivenUpError(Exception):
    """An operation was not done, and the round that it belongs to is over.

    Attributes:
        error: What it has ended with.
        may_be_left: Whether something may be there that nobody has taken away again.
    """

    def __init__(self, kind: str, error: BaseException, notes: list[str]) -> None:
        super().__init__(f"{kind}: {error!r}")
        self.error = error
        self.may_be_left = isinstance(error, AmbiguousOutcomeError) or any("left behind" in note for note in notes)


@dataclass(frozen=True)
class Kept:
    """An image that is there."""

    id: str
    name: str
    data: bytes | None


class Clients:
    """The clients of one dialect, which are closed and made anew now and then."""

    def __init__(self, cloud: Cloud, dialect: str, tallies: Tallies, ticker: Ticker) -> None:
        self._cloud = cloud
        self._ticker = ticker
        self.dialect = dialect
        self._tallies = tallies
        importer = PRODUCER if dialect == "rackspace" else ADMIN
        self._accounts = {
            "producer": PRODUCER,
            "second producer": PRODUCER,
            "importer": importer,
            "second importer": importer,
            "consumer": CONSUMER,
        }
        self._clients = {role: cloud.client(dialect, account) for role, account in self._accounts.items()}
        self.renewed = 0

    def __getitem__(self, role: str) -> Client:
        return self._clients[role]

    def all(self) -> list[Client]:
        """Return all clients that are in use."""
        return list(self._clients.values())

    async def renew(self, chance: random.Random) -> None:
        """Close one of the clients, in the midst of what it does, and put a new one in its place."""
        role = chance.choice(sorted(self._clients))
        before, self._clients[role] = self._clients[role], self._cloud.client(self.dialect, self._accounts[role])
        self.renewed += 1
        await self._close(before)

    async def close(self) -> None:
        """Close all clients."""
        for client in self.all():
            await self._close(client)

    async def _close(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.close()
        took = loop.time() - began
        if took - self._ticker.stood_still(began) > _CLOSING_SECONDS:
            self._tallies.breach("late", f"closing a client took {took:.1f} s")


@dataclass
class Desk:
    """Where one worker works."""

    seed: int
    number: int
    clients: Clients
    files: str
    folder: Path
    book: Book
    tallies: Tallies
    ticker: Ticker
    kept: list[Kept] = field(default_factory=list)
    chance: random.Random = field(init=False)
    rounds: int = 0
    _names: int = 0

    def __post_init__(self) -> None:
        self.region = "DFW" if self.clients.dialect == "rackspace" else "RegionOne"
        self.title = f"{self.clients.dialect[0]}{self.number}"
        self._producer = "second producer" if self.number % 2 else "producer"
        self.importer = "second importer" if self.number % 2 else "importer"
        self.begin_round()

    def begin_round(self) -> None:
        """Draw the chance of the next round: the plan does not depend on how long the rounds before took."""
        self.rounds += 1
        self.chance = random.Random(f"{self.seed} {self.title} {self.rounds}")
        self._names = 0

    @property
    def tag(self) -> str:
        """A tag that this worker's images have."""
        return f"of-{self.title}"

    def name(self) -> str:
        """Return a name that nothing else has."""
        self._names += 1
        return f"soak.{self.title}.{self.rounds}.{self._names}"

    def key(self, kind: str, name: str) -> str:
        """Return what the book calls a thing."""
        return f"{self.region} {kind} {name}"

    @property
    def is_full(self) -> bool:
        """Whether there are enough images."""
        return len(self.kept) >= _MOST_KEPT

    async def call(
        self,
        kind: str,
        make: Callable[[Client], Awaitable[T]],
        *,
        role: str | None = None,
        within: float = 30.0,
        cleaning: float = 0.0,
        is_limited: bool = False,
    ) -> T:
        """Do something with a client, and count what becomes of it. By chance it is cancelled.

        Args:
            kind: What it is counted as.
            make: What to do.
            role: Whose client to do it with; otherwise one of the producer's.
            within: Seconds after which the caller has had enough.
            cleaning: Seconds that it may take to undo what it has begun, then or when it is cancelled.
            is_limited: Whether the library itself is to end within that time.

        Raises:
            GivenUpError: It was not done.
        """
        loop = asyncio.get_running_loop()
        is_doomed, delay = self.chance.random() < _CANCELLED_SHARE, self.chance.random() * _LATEST_CANCELLATION_SECONDS
        notes: list[str] = []
        ends_at = loop.time() + within
        began = loop.time()

        async def work() -> T:
            async with asyncio.timeout(within + _GRACE_SECONDS if is_limited else within):
                with _noting(notes):
                    return await make(self.clients[role or self._producer])

        task = asyncio.ensure_future(work())
        if is_doomed:
            ends_at = min(ends_at, began + delay)
            loop.call_later(delay, task.cancel)
        await asyncio.wait([task])
        self.tallies.longest[kind] = max(self.tallies.longest[kind], loop.time() - began)
        self._check_time(kind, ends_at, cleaning + (_GRACE_SECONDS if is_limited else 0.0), notes)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self.tallies.done[kind] += 1
            return task.result()
        if isinstance(error, asyncio.CancelledError) and not is_doomed:
            self.tallies.breach("foreign", f"{kind} was cancelled by nobody")
        is_overdue = isinstance(error, TimeoutError) and is_limited and not isinstance(error, AioImagesError)
        if is_overdue and self.ticker.stood_still(ends_at) < _GRACE_SECONDS / 2:
            self.tallies.breach("late", f"{kind} did not end within its {within:g} s")
        self._note(kind, error)
        raise GivenUpError(kind, error, notes)

    def _note(self, kind: str, error: BaseException | None) -> None:
        """Count the error that an operation has ended with."""
        if isinstance(error, AioImagesError):
            self.tallies.fail(kind, error)
        elif isinstance(error, TimeoutError | asyncio.CancelledError):
            self.tallies.cancelled[kind] += 1
        elif error is not None:
            self.tallies.breach("foreign", f"{kind}: {''.join(traceback.format_exception(error))}")

    def _check_time(self, kind: str, ends_at: float, cleaning: float, notes: list[str]) -> None:
        late = asyncio.get_running_loop().time() - ends_at - cleaning
        if late > _GRACE_SECONDS and late - self.ticker.stood_still(ends_at) > _GRACE_SECONDS:
            self.tallies.breach("late", f"{kind} ended {late:.1f} s after its time, {notes}")

    async def outcomes(
        self, kind: str, outcomes: AsyncIterable[Outcome[K, V]], over: set[K] | None = None
    ) -> AsyncGenerator[Outcome[K, V], None]:
        """Count the outcomes of a bulk run as they come, and yield them; those of what was over before do not count."""
        async for outcome in outcomes:
            if outcome.key in (over or ()):
                pass
            elif outcome.ok:
                self.tallies.done[kind] += 1
            else:
                self._note(kind, outcome.error)
            if over is not None and (outcome.ok or isinstance(outcome.error, TaskFailedError)):
                over.add(outcome.key)
            yield outcome

    def wrong(self, what: str) -> None:
        """Note that an answer is not what it must be."""
        self.tallies.breach("wrong answer", what)

    def check_folder(self, folder: Path, *, may_be_left: bool = False) -> None:
        """See that a folder holds nothing but whole files, and empty it."""
        for path in folder.iterdir():
            if path.suffix == ".part" and not may_be_left:
                self.tallies.breach("leaked", f"the file {path.name} was left")
            with suppress(FileNotFoundError):
                path.unlink()


@contextmanager
def _noting(notes: list[str]) -> Iterator[None]:
    """Take an error's notes down: who awaits a task that was cancelled gets another error, without them."""
    try:
        yield
    except BaseException as error:
        notes.extend(getattr(error, "__notes__", ()))
        raise


def digest(data: bytes) -> str:
    """Return the digest by which the judge knows data."""
    return sha256(data).hexdigest()
