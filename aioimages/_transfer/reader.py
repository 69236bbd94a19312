"""Data from a place on, in order, through as many connections as it takes."""

import math
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import anyio

from aioimages._attempts import Trail
from aioimages._call import Call
from aioimages._errors import (
    AioImagesError,
    BadRequestError,
    ChecksumMismatchError,
    ConnectError,
    ForbiddenError,
    GoneError,
    NoImageDataError,
    NotFoundError,
    ProtocolError,
    SourceChangedError,
    StatusError,
    TransferInterruptedError,
    TransportError,
    TransportTimeoutError,
)
from aioimages._exchange import pause_after
from aioimages._http import Stream
from aioimages._session import Session
from aioimages._transfer.remote import Remote

__all__ = ["NoPartsError", "Reader"]

# So many connections in a row that bring nothing worth the name end it.
_CUTS: Final = 10
_WORTH_BYTES: Final = 2**16
_LEAST_BYTES_PER_SECOND: Final = 1024
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class _Crawl:
    """Notices data that come, but hardly. How long others take with what came does not count."""

    def __init__(self, patience: float | None) -> None:
        self._patience = math.inf if patience is None else patience
        self._waited = 0.0
        self._bytes = 0

    def note(self, size_bytes: int, waited: float) -> None:
        """Note what came, and how long it was waited for."""
        self._waited += waited
        self._bytes += size_bytes

    def check(self) -> None:
        """Raise `TransportTimeoutError` where hardly anything came for so long."""
        if self._waited < self._patience:
            return
        if self._bytes < self._waited * _LEAST_BYTES_PER_SECOND:
            raise TransportTimeoutError(f"only {self._bytes} bytes came in {self._waited:.0f} s")
        self._waited, self._bytes = 0.0, 0


class NoPartsError(Exception):
    """A store that was thought to give parts does not; it stays in here."""


class Reader:
    """Reads data, or a part of them.

    A connection that breaks is made again from where it broke: with `Range` where the store of the data knows that,
    otherwise from the start, passing over what was read already.

    Attributes:
        total: How many bytes the data have, where that is known; it is at the latest when the last one came.
        content_md5: Their MD5 where the service told it with them.
    """

    def __init__(
        self,
        session: Session,
        remote: Remote,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        self.total = remote.size
        self.content_md5: str | None = None
        self._session = session
        self._remote = remote
        self._trail = Trail()
        self._place = start
        self._stop = stop
        self._has_ranges = True
        # What a part is of was there a moment ago.
        self._has_begun = stop is not None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the data in pieces as they come.

        Raises:
            NoImageDataError: There are none yet.
            TransferInterruptedError: The connection broke, again and again.
            ChecksumMismatchError: They end before they should, though the connection did not break.
            SourceChangedError: They were deleted, or are withheld, meanwhile.
            NoPartsError: A part was asked for, and the store gives none.
            ProtocolError: There are more of them than there should be.
        """
        cuts, retry = 0, self._session.retry
        limit = _CUTS if retry.attempts > 1 else 1
        while True:
            before, pause = self._place, 0.0
            try:
                async with aclosing(self._one_connection()) as pieces:
                    async for piece in pieces:
                        yield piece
                if self._place == self._end:
                    self._session.tell(self._trail)
                    return
                problem: AioImagesError = TransferInterruptedError("the data ended early")
            except AioImagesError as error:
                asked = pause_after(error)
                if asked is None or asked > retry.retry_after_limit:
                    self._session.tell(self._trail, error=error)
                    raise
                if before < self._place == self._end:
                    return
                problem, pause = error, asked
            # Where the data begin anew with each connection, none of them is for free.
            is_worth_it = self._has_ranges and self._place - before >= _WORTH_BYTES
            cuts = 0 if is_worth_it else cuts + 1
            if cuts >= limit:
                break
            delay = max(pause, retry.delay(cuts + 1))
            self._session.tell(self._trail, delay_seconds=delay, error=problem)
            await anyio.sleep(delay)
        self._session.tell(self._trail, error=problem)
        if isinstance(problem, StatusError | ConnectError):
            raise problem
        raise TransferInterruptedError(
            f"the connection broke {cuts} times in a row, after {self._place} of {self.total} bytes: {problem}"
        ) from problem

    @property
    def _end(self) -> int | None:
        return self.total if self._stop is None else self._stop

    async def _one_connection(self) -> AsyncGenerator[bytes, None]:
        crawl = _Crawl(self._session.timeout.crawl)
        async with await self._connect() as stream:
            self._has_begun = True
            passed_over = await self._find_place(stream)
            while piece := await self._read(stream, crawl):
                if passed_over:
                    passed_over, piece = max(0, passed_over - len(piece)), piece[passed_over:]
                    if not piece:
                        continue
                self._place += len(piece)
                if self._end is not None and self._place > self._end:
                    raise ProtocolError(
                        f"{self._remote.name} should have {self._end} bytes of data, and there are more"
                    )
                yield piece
        if self._remote.size is None and not self._place:
            raise NoImageDataError(f"{self._remote.name} has no data")
        if self.total is None:
            self.total = self._place
        elif self._place < self.total and stream.status == HTTPStatus.OK and "content-length" in stream.headers:
            raise ChecksumMismatchError(
                f"{self._remote.name} should have {self.total} bytes of data, and has {self._place}",
                expected=str(self.total),
                actual=str(self._place),
            )

    async def _read(self, stream: Stream, crawl: "_Crawl") -> bytes:
        crawl.check()
        asked_at = anyio.current_time()
        with self._session.lifetime.span():
            piece = await stream.read()
        crawl.note(len(piece), anyio.current_time() - asked_at)
        return piece

    async def _connect(self) -> Stream:
        try:
            return await self._session.open(self._call(), self._trail)
        except StatusError as error:
            refused = isinstance(error, BadRequestError) or error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            gone = isinstance(error, ForbiddenError | GoneError | NotFoundError)
            if (self._has_begun and gone) or error.status == HTTPStatus.PRECONDITION_FAILED:
                raise SourceChangedError(f"{self._remote.name} changed while it was read: {error}") from error
            if not (refused and "Range" in self._call().headers):
                raise
        self._give_up_ranges()
        return await self._session.open(self._call(), self._trail)

    def _call(self) -> Call[Any]:
        return self._remote.part(self._place if self._has_ranges else 0, self._stop)

    def _give_up_ranges(self) -> None:
        self._has_ranges = False
        if self._stop is not None:
            raise NoPartsError

    async def _find_place(self, stream: Stream) -> int:
        """Return how many bytes of an answer come before the place."""
        if stream.status == HTTPStatus.NO_CONTENT:
            raise NoImageDataError(f"{self._remote.name} has no data yet")
        if stream.status == HTTPStatus.PARTIAL_CONTENT:
            said = _CONTENT_RANGE.fullmatch(stream.headers.get("content-range", ""))
            if said and int(said[1]) == self._place and (self.total is None or said[3] in {"*", str(self.total)}):
                self.total = int(said[3]) if self.total is None and said[3] != "*" else self.total
                return 0
            self._give_up_ranges()
            raise TransportError("another part of the data came than was asked for")
        if self._stop is not None:
            self._give_up_ranges()
        self.content_md5 = stream.headers.get("content-md5")
        length = stream.headers.get("content-length", "")
        if self.total is None and re.fullmatch(r"[0-9]{1,18}", length):
            self.total = int(length)
        return self._place
