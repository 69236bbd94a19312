"""A call, sent as often as its policy allows, until it has an answer that can be read or an error that is final."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
import attrs

from aioimages._attempts import Teller, Trail
from aioimages._call import Body, Call, NotLandedError, Replay, Reply
from aioimages._errors import (
    AioImagesError,
    AmbiguousOutcomeError,
    ConnectError,
    DecodeError,
    NotFoundError,
    PoolTimeoutError,
    ProxyError,
    RateLimitedError,
    ServerError,
    StatusError,
    TlsError,
    TransportError,
    TransportTimeoutError,
    UnauthorizedError,
)
from aioimages._fault import error_from
from aioimages._http import Http, Stream
from aioimages._lifetime import TimeLimit, TimeLimits
from aioimages._limiter import Limiter, Rank, RetryBudget, Turn
from aioimages._models import Token
from aioimages._policy import Retrier, RetryPolicy, TimeoutPolicy
from aioimages._secrets import echoes

__all__ = ["Exchange", "Trail", "is_passing", "pause_after"]

T = TypeVar("T")

_NEVER_SENT: Final = (ConnectError, PoolTimeoutError, ProxyError, TlsError)
_SERVED_SECONDS: Final = 10.0
_PASSING_STATUSES: Final = frozenset({408, 500, 502, 503, 504})


# Errors after which a call has had no effect, or may have it twice.
_UNDONE: Final = {
    Replay.SAFE: (AioImagesError,),
    Replay.AMBIGUOUS: (ConnectError, PoolTimeoutError, RateLimitedError),
    # A refusal, too, may come when part of the data has been sent.
    Replay.LOOK_FIRST: (ConnectError, PoolTimeoutError),
}


def is_passing(error: BaseException) -> bool:
    """Say whether an error tells of trouble that may be over soon: on the way to the service, or in it."""
    match error:
        case TlsError() | ProxyError():
            return False
        case StatusError():
            return isinstance(error, RateLimitedError) or error.status in _PASSING_STATUSES
    return isinstance(error, TransportError)


def pause_after(error: BaseException) -> float | None:
    """Return the seconds that the server asks to wait after trouble that may pass, and `None` after any other."""
    if not is_passing(error):
        return None
    return (error.retry_after or 0.0) if isinstance(error, StatusError) else 0.0


def _retry_after(call: Call[Any], trail: Trail, error: BaseException) -> float | None:
    """Judge whether a call may be repeated: `None` for no, otherwise the seconds that the server asked for."""
    if isinstance(error, DecodeError):
        # Somebody's page on the way is gone the next time; what the service garbles by itself, it garbles again.
        return 0.0 if call.method == "GET" and trail.garbled == 1 else None
    return pause_after(error) if isinstance(error, _UNDONE[call.replay]) else None


def _is_overloaded(error: AioImagesError | None) -> bool:
    return isinstance(error, StatusError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE


def _may_have_landed(error: AioImagesError) -> bool:
    if isinstance(error, ServerError):
        return error.status != HTTPStatus.NOT_IMPLEMENTED
    return isinstance(error, TransportError) and not isinstance(error, _NEVER_SENT)


def _never() -> float:
    return math.inf


@lru_cache
def _service(base: str) -> str:
    return urlsplit(base).netloc


class Exchange:
    """Performs calls: sends, judges the answer, repeats what may be repeated.

    Every request waits for its turn, however many there are. Data on their way keep no place: they take long, and what
    takes or gives them may itself call the service.
    """

    def __init__(
        self, http: Http, limiter: Limiter, retry: RetryPolicy, timeout: TimeoutPolicy, teller: Teller
    ) -> None:
        self._http = http
        self._limiter = limiter
        self._teller = teller
        self.tell = teller.tell
        self.retry = retry
        self.timeout = timeout
        self._budget = RetryBudget(retry.budget)
        self._limits = TimeLimits(timeout.call)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._http.requests

    def limit(self, call: Call[Any]) -> TimeLimit:
        """Return how long a call may take."""
        # How long data take depends on how much they are: then only the single steps are limited.
        return TimeLimit(self._limits, is_endless=isinstance(call.body, Body))

    async def perform(self, call: Call[T], base: str, token: Token | None = None) -> T:
        """Return what the call's answer says.

        Args:
            call: What to ask.
            base: The URL of the service's versioned root.
            token: The token to show.

        Raises:
            StatusError: The server refused, for the last time.
            TransportError: No answer came, for the last time.
            ProtocolError: The answer breaks the rules.
            AmbiguousOutcomeError: The answer was lost, and the request may not be repeated.
        """
        trail = Trail()
        with self.limit(call) as limit:
            return await self.perform_within(limit, call, base, token, trail)
        error = self.out_of_time(call, trail)
        self.tell(trail)
        raise error

    async def perform_within(
        self,
        limit: TimeLimit,
        call: Call[T],
        base: str,
        token: Token | None,
        trail: Trail,
        *,
        rank: Rank = Rank.AHEAD,
    ) -> T:
        """Return what the call's answer says, as `perform` does, as a part of what has a limit of time.

        Args:
            limit: The limit.
            call: What to ask.
            base: The URL of the service's versioned root.
            token: The token to show.
            trail: What became of the call before, where it was tried with another token.
            rank: Whom it goes ahead of.
        """
        turn = self._limiter.turn(_service(base))

        async def attempt() -> T:
            if not turn.begin_at_once():
                await self._wait(turn, limit, rank)
            return await self._once(call, turn, base, token, trail)

        try:
            return await self._until_final(attempt, call, trail, limit)
        except asyncio.CancelledError:
            if limit.is_cut and turn.has_place:
                trail.note(call, base, turn.seconds)
            raise
        finally:
            turn.end()

    async def open_within(
        self,
        limit: TimeLimit,
        call: Call[Any],
        base: str,
        token: Token | None,
        trail: Trail,
        *,
        rank: Rank = Rank.AHEAD,
    ) -> Stream:
        """Ask once, and return an accepted answer whose body is on its way, with its first piece already here.

        It raises what `perform` does. Whoever reads the body must be able to ask for the rest of it, and so asks again
        by itself, and tells of the attempt. Close what it returns.
        """
        turn = self._limiter.turn(_service(base))
        if not turn.begin_at_once():
            await self._wait(turn, limit, rank)
        try:
            trail.shown = trail.newest(token)
            return await self._begun(call, turn, base, trail)
        except asyncio.CancelledError:
            if limit.is_cut:
                trail.note(call, base, turn.seconds)
            raise
        finally:
            turn.end()

    async def _wait(self, turn: Turn, limit: TimeLimit, rank: Rank) -> None:
        """Wait for a turn. That it is the others' is not the service's fault, and does not count while it answers."""
        with limit.suspended(lambda: turn.silence):
            await turn.begin(rank)

    async def _until_final(
        self, attempt: Callable[[], Awaitable[T]], call: Call[T], trail: Trail, limit: TimeLimit
    ) -> T:
        try:
            result = await attempt()
        except AioImagesError as error:
            first = error
        else:
            self._budget.succeeded(was_repeated=trail.tries > 1)
            if trail.untold is not None:
                self.tell(trail)
            return result
        retrier = self._retrier(partial(_retry_after, call, trail), trail, deadline=lambda: limit.ends_at, failed=first)
        try:
            result = await retrier(attempt)
        except AioImagesError as error:
            if call.replay is not Replay.LOOK_FIRST:
                is_renewed = trail.renews and isinstance(error, UnauthorizedError)
                self.tell(trail, delay_seconds=0.0 if is_renewed else None)
            if call.replay is not Replay.AMBIGUOUS or not _may_have_landed(error):
                raise
            raise _ambiguous(call, error.args[0], trail) from error.__cause__
        self._budget.succeeded(was_repeated=True)
        self.tell(trail)
        return result

    def end(self) -> None:
        """Leave no timer behind, when no call begins any more."""
        self._limits.end()
        self._limiter.end()

    def retrying(self, retry_after_of: Callable[[BaseException], float | None], trail: Trail) -> Retrier:
        """Make a retrier, as `RetryPolicy.retrying` does, that spends what this client may spend on repeating.

        What it calls may leave attempts on the trail that nobody was told of.
        """
        retrier = self._retrier(retry_after_of, trail)

        async def perform(attempt: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
            try:
                result = await retrier(attempt, *arguments)
            except AioImagesError:
                self.tell(trail)
                raise
            self.tell(trail)
            return result

        return perform

    def _retrier(
        self,
        retry_after_of: Callable[[BaseException], float | None],
        trail: Trail,
        *,
        deadline: Callable[[], float] = _never,
        failed: Exception | None = None,
    ) -> Retrier:
        return self.retry.retrying(
            retry_after_of,
            spend=self._spend,
            deadline=deadline,
            clock=anyio.current_time,
            sleep=anyio.sleep,
            note=lambda delay: self.tell(trail, delay_seconds=delay),
            failed=failed,
        )

    def _spend(self, error: BaseException) -> bool:
        """Pay for a repetition. What only came too fast comes slower from now on, and costs nothing."""
        is_served = self._limiter.clock() - self._limiter.answered_at < _SERVED_SECONDS
        return (is_served and isinstance(error, RateLimitedError)) or self._budget.spend()

    async def _begun(self, call: Call[Any], turn: Turn, base: str, trail: Trail) -> Stream:
        self.tell(trail, delay_seconds=0.0)
        trail.tries += 1
        stream: Stream | None = None
        async with AsyncExitStack() as stack:
            try:
                stream = await stack.enter_async_context(await self._http.open(call, base, trail.shown))
                if stream.status not in call.ok:
                    raise error_from(call, _without_secrets(await stream.reply(), call, trail.shown))
                await stream.begin()
            except AioImagesError as error:
                self._note(turn, "open", error)
                trail.note(call, base, turn.seconds, answer=stream, error=error)
                raise
            self._note(turn, "open", None)
            trail.note(call, base, turn.seconds, answer=stream)
            stack.pop_all()
        return stream

    def _note(self, turn: Turn, kind: str | None, error: AioImagesError | None) -> None:
        """Let the limiter know how the service does."""
        is_too_fast = isinstance(error, RateLimitedError)
        if is_too_fast or isinstance(error, TransportTimeoutError) or _is_overloaded(error):
            asked = (error and pause_after(error)) or 0.0
            turn.troubled(asked if asked <= self.retry.retry_after_limit else 0.0, is_too_fast=is_too_fast)
        elif error is None or (isinstance(error, StatusError) and not isinstance(error, ServerError)):
            turn.answered(kind)

    async def _once(self, call: Call[T], turn: Turn, base: str, token: Token | None, trail: Trail) -> T:
        if trail.untold is not None:
            self.tell(trail, delay_seconds=0.0)
        trail.tries += 1
        if trail.began_at is None:
            trail.began_at = turn.began_at
        token = trail.shown = trail.newest(token)
        reply: Reply | None = None
        # How long data take says nothing of the service.
        kind = None if isinstance(call.body, Body) else call.method + "?" * bool(call.query)
        try:
            if isinstance(call.body, Body):
                turn.end()
            reply = await self._http.send(call, base, token)
            if reply.status in call.ok:
                self._note(turn, kind, None)
                turn.end()
                result = call.read(reply)
                if self._teller.tells_all:
                    trail.note(call, base, turn.seconds, answer=reply)
                return result
            if trail.may_have_landed and reply.status in call.landed:
                turn.end()
                # What is not to be found was not made either.
                with suppress(NotLandedError, NotFoundError):
                    landed = await self._landed(call.landed[reply.status], base, token)
                    trail.note(call, base, turn.seconds, answer=reply)
                    return landed
            error = error_from(call, _without_secrets(reply, call, token))
        except AioImagesError as caught:
            error = _alone(caught)
        self._note(turn, kind, error)
        turn.end()
        trail.note(call, base, turn.seconds, answer=reply, error=error)
        trail.may_have_landed |= _may_have_landed(error)
        trail.garbled += isinstance(error, DecodeError)
        raise error

    async def _landed(self, told_by: "Call[T] | T", base: str, token: Token | None) -> T:
        return await self.perform(told_by, base, token) if isinstance(told_by, Call) else told_by

    def out_of_time(self, call: Call[Any], trail: Trail) -> AioImagesError:
        """Return the error of a call whose time is over; if that has cut off an attempt, it is that one's, too."""
        error = TransportTimeoutError(f"no answer within {self._limits.seconds:g} s ({call.method} {call.path})")
        error.__cause__ = TimeoutError()
        error.attempts = trail.tries
        if trail.untold is None:
            return error
        trail.untold = attrs.evolve(trail.untold, error=error)
        return _ambiguous(call, error.args[0], trail) if call.replay is Replay.AMBIGUOUS else error


def _ambiguous(call: Call[Any], what: str, trail: Trail) -> AmbiguousOutcomeError:
    error = AmbiguousOutcomeError(f"{call.method} {call.path} may or may not have been carried out: {what}")
    error.attempts = trail.tries
    return error


def _alone(error: AioImagesError) -> AioImagesError:
    """Return an error without the frames that it came through: they hold what was sent and what came, tokens too."""
    error.__context__ = None
    return error.with_traceback(None)


def _without_secrets(reply: Reply, call: Call[Any], token: Token | None) -> Reply:
    """Blot out what a server may echo into its error page, or into its headers."""
    secret = echoes((*call.secrets, token.value if token else ""))
    if secret is None:
        return reply
    headers: dict[str, str] = {}
    for name, value in reply.headers.items():
        headers.setdefault(name.lower(), secret.sub("***", value))
    body = secret.sub("***", reply.body.decode(errors="surrogateescape"))
    return attrs.evolve(reply, headers=headers, body=body.encode(errors="surrogateescape"))
