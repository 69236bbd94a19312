"""What is seen of every request: in the log, and by whoever wants to be told."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import attrs

from aioimages._call import Call
from aioimages._errors import AioImagesError, StatusError
from aioimages._fault import request_id_in
from aioimages._models import Token
from aioimages._secrets import without_secrets
from aioimages._text import one_line

__all__ = ["Attempt", "OnAttempt", "Teller", "Trail"]

_log: Final = logging.getLogger("aioimages.requests")
# A program's own records may have a `request_id` or a `url` already, and logging refuses to set one twice.
_PREFIX: Final = "aioimages_"
_LONGEST: Final = 64


@attrs.frozen(kw_only=True)
class Attempt:
    """One request, and what came of it: `Client(on_attempt=…)` is told of each.

    Attributes:
        method: The request's method.
        url: Its URL without user and query.
        number: Which attempt at the same call it is, from 1 on.
        status: The answer's HTTP status, where there was an answer.
        error: What is wrong with the answer, or why there is none; `None` when all is well.
        delay_seconds: After how many seconds the call is tried again; `None` when it is not.
        request_id: What to quote to the operator's support, where the server said it.
        seconds: How long the answer took; that of image data, until they began to come.
    """

    method: str
    url: str
    number: int
    status: int | None
    error: AioImagesError | None
    delay_seconds: float | None = None
    request_id: str | None
    seconds: float


OnAttempt = Callable[[Attempt], object]


class _Answer(Protocol):
    """What has come, whole or not."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


def _itself(token: Token | None) -> Token | None:
    return token


@attrs.define
class Trail:
    """What the tries of one call have come to so far.

    Attributes:
        tries: How many there were.
        garbled: After how many the answer could not be read.
        may_have_landed: Whether one of those that failed may have been carried out all the same.
        began_at: When the first one began, on the limiter's clock.
        newest: Returns the token that has replaced one, while a turn was waited for.
        shown: The token that was shown last.
        renews: Whether another token is got for one that is refused, and the call is tried once more.
        untold: The last one, which nobody was told of yet, because it is not known whether another follows.
    """

    tries: int = 0
    garbled: int = 0
    may_have_landed: bool = False
    began_at: float | None = None
    newest: Callable[[Token | None], Token | None] = _itself
    shown: Token | None = None
    renews: bool = False
    untold: Attempt | None = None

    def note(
        self,
        call: Call[Any],
        base: str,
        seconds: float,
        *,
        answer: _Answer | None = None,
        error: AioImagesError | None = None,
    ) -> None:
        """Note what came of a try."""
        if error is not None:
            error.attempts = self.tries
        self.untold = Attempt(
            method=call.method,
            url=without_secrets(f"{base}/{call.path}"),
            number=self.tries,
            status=None if answer is None else answer.status,
            error=error,
            request_id=_request_id(answer, error, (*call.secrets, self.shown.value if self.shown else "")),
            seconds=seconds,
        )


def _request_id(answer: _Answer | None, error: AioImagesError | None, secrets: Iterable[str]) -> str | None:
    if isinstance(error, StatusError):
        return error.request_id
    said = None if answer is None else request_id_in(answer.headers)
    # A server may repeat there, too, what it was told.
    return None if said is None or any(secret and secret in said for secret in secrets) else one_line(said, _LONGEST)


class Teller:
    """Tells of attempts: the log `aioimages.requests`, and a function of the user's.

    An attempt that another one follows is told with the level INFO, every other with DEBUG. What the function raises
    leaves the call that the attempt belongs to.
    """

    def __init__(self, on_attempt: OnAttempt | None) -> None:
        if on_attempt is not None and (not callable(on_attempt) or inspect.iscoroutinefunction(on_attempt)):
            raise TypeError(f"on_attempt is a function that is not async, not {on_attempt!r}")
        self._on_attempt = on_attempt

    @property
    def tells_all(self) -> bool:
        """Whether somebody wants to know also of what goes well."""
        return self._on_attempt is not None or _log.isEnabledFor(logging.DEBUG)

    def tell(self, trail: Trail, *, delay_seconds: float | None = None, error: AioImagesError | None = None) -> None:
        """Tell of the last try on a trail, if nobody was told of it yet.

        Args:
            trail: The trail.
            delay_seconds: After how many seconds the next try follows, if one does.
            error: What went wrong since the try was noted.
        """
        if trail.untold is None:
            return
        attempt = attrs.evolve(trail.untold, delay_seconds=delay_seconds, error=trail.untold.error or error)
        trail.untold = None
        level = logging.DEBUG if delay_seconds is None else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(level, "%s %s: %s", attempt.method, attempt.url, _outcome(attempt), extra=_fields(attempt))
        if self._on_attempt is not None:
            self._on_attempt(attempt)


def _outcome(attempt: Attempt) -> str:
    if attempt.error is None:
        request_id = f" ({attempt.request_id})" if attempt.request_id else ""
        outcome = f"{attempt.status} in {attempt.seconds:.3f} s{request_id}"
    else:
        outcome = str(attempt.error)
    return outcome if attempt.delay_seconds is None else f"{outcome}; again in {attempt.delay_seconds:.3f} s"


def _fields(attempt: Attempt) -> dict[str, object]:
    fields = attrs.asdict(attempt, recurse=False)
    fields["reason"] = None if attempt.error is None else str(attempt.error)
    del fields["error"]
    return {f"{_PREFIX}{name}": value for name, value in fields.items()}
