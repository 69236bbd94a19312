"""Data out of a source to a service: a try at a time, digested on their way."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import anyio
import attrs
from anyio.streams.memory import MemoryObjectSendStream

from aioimages._attempts import Trail
from aioimages._call import Body, Call
from aioimages._errors import AioImagesError, SourceChangedError, UnauthorizedError, UnreplayableBodyError
from aioimages._exchange import pause_after
from aioimages._groups import task_group
from aioimages._progress import Meter, Progress
from aioimages._session import Session
from aioimages._transfer.digest import Digest
from aioimages._transfer.pump import Batch, batches, in_thread, one_by_one, pump
from aioimages._transfer.source import Source

__all__ = ["Sender", "digest_of"]

T = TypeVar("T")


def _ignore(_: bytes) -> None:
    """Nobody wants to see the first bytes."""


async def digest_of(source: Source, algorithm: str) -> str:
    """Return the digest of a source's data, in hexadecimal."""
    digest = Digest(algorithm)
    await pump(batches(source.pieces()), in_thread(digest.update))
    return digest.value


@attrs.define(kw_only=True)
class Sender:
    """Sends a source, as often as it is told to, each time from its start.

    Attributes:
        session: What to send it through.
        source: The data.
        phase: What that is called in progress and errors.
        key: What tells these data from others.
        progress: Who wants to know how far it is.
        meter: Tells how far it is; whoever ends the sending ends it.
        see_first: Who wants to see the first piece.
        digest: The digest of what was sent in the last try.
        sent_bytes: How many bytes were.
        is_whole: Whether they were all.
        is_begun: Whether the source was read in any try.
        tries: How many tries there were.
        trail: What the requests have come to.
    """

    session: Session
    source: Source
    phase: str
    key: str
    progress: Progress | None
    digest: Digest
    meter: Meter = attrs.field(init=False)
    see_first: Callable[[bytes], None] = _ignore
    sent_bytes: int = attrs.field(init=False, default=0)
    is_whole: bool = attrs.field(init=False, default=False)
    is_begun: bool = attrs.field(init=False, default=False)
    tries: int = attrs.field(init=False, default=0)
    trail: Trail = attrs.field(init=False, factory=Trail)
    _refusals: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Make one meter for all tries: it goes back when the source is sent anew."""
        self.meter = Meter(self.progress, self.phase, self.key, self.source.size_bytes)

    async def send(self, call: Callable[[Body], Call[T]]) -> T:
        """Send the source once, as the body of a call, and return what is answered.

        Raises:
            SourceChangedError: The source changed while it was read.
            AioImagesError: Whatever went wrong on the way.
        """
        self.tries += 1
        self._begin_anew(self.digest.algorithm)
        give, take = anyio.create_memory_object_stream[Batch](1)
        opened = anyio.Event()
        results: list[T] = []
        problem: AioImagesError | None = None

        async def body() -> AsyncGenerator[bytes, None]:
            opened.set()
            async for batch in take:
                piece = batch[0] if len(batch) == 1 else b"".join(batch)
                self.sent_bytes += len(piece)
                # Whoever sends a known number of bytes asks for no more.
                self.is_whole = self.sent_bytes == self.source.size_bytes
                yield piece
            self.is_whole = True

        try:
            async with task_group() as group:
                group.start_soon(self._feed, opened, give)
                try:
                    results.append(await self.session.run(call(Body(body, self.source.size_bytes)), self.trail))
                except AioImagesError as error:
                    problem = error
                if not self.is_whole:
                    group.cancel_scope.cancel()
        finally:
            give.close()
            take.close()
        self._refusals = self._refusals + 1 if isinstance(problem, UnauthorizedError) else 0
        if problem is not None:
            raise problem
        return results[0]

    async def send_until_final(self, call: Callable[[Body], Call[T]]) -> T:
        """Send the source as often as that takes, where to do so twice is to do it once."""

        async def attempt() -> T:
            try:
                return await self.send(call)
            except AioImagesError as error:
                if self.pause_after(error) is not None:
                    self.refuse_to_repeat(error, "")
                raise

        retrier = self.session.retrying(self.pause_after, self.trail)
        try:
            result: T = await retrier(attempt)
        finally:
            self.meter.end()
        return result

    def pause_after(self, error: BaseException) -> float | None:
        """Return how many seconds to wait before another try, or `None` where there should be none."""
        if isinstance(error, UnauthorizedError):
            # The session has another token by now; it was refused too if this is the second time.
            return 0.0 if self.session.renewable and self._refusals == 1 else None
        return pause_after(error)

    def refuse_to_repeat(self, error: AioImagesError, state: str) -> None:
        """Raise when the source was read, is needed again, and cannot be read again."""
        if self.is_begun and not self.source.is_replayable:
            raise UnreplayableBodyError(
                f"the {self.phase} of {self.key} broke off after {self.sent_bytes} bytes; {state}the source cannot be "
                f"read again: {error}"
            ) from error

    async def read_again(self, algorithm: str) -> None:
        """Digest the source once more, as if it were sent."""
        self._begin_anew(algorithm)

        async def count(batch: Batch) -> None:
            self.sent_bytes += sum(map(len, batch))

        await pump(self._batches(), in_thread(self.digest.update), one_by_one(count))
        self.is_whole = True

    def _begin_anew(self, algorithm: str) -> None:
        self.digest, self.sent_bytes, self.is_whole = Digest(algorithm), 0, False

    async def _feed(self, opened: anyio.Event, give: MemoryObjectSendStream[Batch]) -> None:
        """Read the source, once there is a connection, for the body and for the digest at the same time.

        Where that fails, the body must not end as if it were whole: it is cut off with the connection.
        """
        await opened.wait()
        self.is_begun = True
        self.meter.reach(0)

        async def give_and_tell(batch: Batch) -> None:
            await give.send(batch)
            self.meter.advance(sum(map(len, batch)))

        await pump(self._batches(), in_thread(self.digest.update), one_by_one(give_and_tell))
        give.close()

    async def _batches(self) -> AsyncGenerator[Batch, None]:
        """Read the source. The last batch is held back until it is known that it is the last, and all is well."""
        held: Batch = []
        total, size = 0, self.source.size_bytes
        is_too_long = False
        async with aclosing(batches(self.source.pieces())) as source:
            async for batch in source:
                if held:
                    yield held
                else:
                    self.see_first(b"".join(batch))
                held = batch
                total += sum(map(len, batch))
                is_too_long = size is not None and total > size
                if is_too_long:
                    break
        if not total:
            raise ValueError("the source is empty: there is nothing to upload")
        if size not in {None, total}:
            raise SourceChangedError(
                f"the source should give {size} bytes, and gives {'more' if is_too_long else total}"
            )
        yield held
