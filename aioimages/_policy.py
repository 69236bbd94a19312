"""How long to wait and how often to try: numbers, and the retriers made of them. Nothing else knows tenacity."""

import enum
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, retry_if_result

__all__ = ["UNSET", "Clock", "PollPolicy", "RetryPolicy", "Sleep", "TimeoutPolicy", "Unset", "count", "seconds"]

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Unset(enum.Enum):
    """What stands for an argument that was not given, where `None` has a meaning of its own."""

    UNSET = "not given"


UNSET: Final = Unset.UNSET


def seconds(name: str, value: float | None) -> float | None:
    """Return a duration that is `None` (for ever) or not negative; otherwise raise, naming it."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds or None, not {type(value).__name__}")
    if not value >= 0:
        raise ValueError(f"{name} cannot be negative or NaN: {value}")
    return float(value)


def count(name: str, value: int, *, least: int) -> int:
    """Return a number that is large enough; otherwise raise, naming it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} is at least {least}, not {value}")
    return value


def _is_seconds_or_none(_: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
    seconds(attribute.name, value)


def _is_seconds(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if seconds(attribute.name, value) is None:
        raise TypeError(f"{attribute.name} is a number of seconds, not None")


def _is_positive(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not seconds(attribute.name, value):
        raise ValueError(f"{attribute.name} is a number of seconds above 0, not {value}")


def _is_count(_: object, attribute: "attrs.Attribute[Any]", value: int) -> None:
    count(attribute.name, value, least=1)


def _is_at_least_one(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{attribute.name} is a number, not {type(value).__name__}")
    if not value >= 1:
        raise ValueError(f"{attribute.name} is at least 1, not {value}")


def _is_share(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{attribute.name} is at least 0 and below 1, not {value}")


@attrs.frozen(kw_only=True)
class TimeoutPolicy:
    """How long a request may take, in seconds; `None` is for ever.

    Attributes:
        connect: To make one connection.
        read: Between two pieces of an answer.
        call: For one request with all its attempts. A wait has a limit of its own, and a listing has one for each page.
    """

    connect: float | None = attrs.field(default=10.0, validator=_is_seconds_or_none)
    read: float | None = attrs.field(default=60.0, validator=_is_seconds_or_none)
    call: float | None = attrs.field(default=120.0, validator=_is_seconds_or_none)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, and after how long, a call that may be repeated is tried again.

    The delay after try n is drawn evenly between 0 and `base` x 2^(n-1) ("full jitter"), never over `ceiling`. A server
    that names a time (`Retry-After`) is given it, and up to a fifth more; when it names more than `retry_after_limit`,
    the error is raised at once.

    Attributes:
        attempts: Tries in all; 1 never repeats.
        base: The first delay's upper bound, in seconds.
        ceiling: The longest delay, in seconds.
        retry_after_limit: The longest `Retry-After` that is waited for, in seconds.
    """

    attempts: int = attrs.field(default=5, validator=_is_count)
    base: float = attrs.field(default=0.2, validator=_is_seconds)
    ceiling: float = attrs.field(default=20.0, validator=_is_seconds)
    retry_after_limit: float = attrs.field(default=60.0, validator=_is_seconds)

    def delay(self, tries: int) -> float:
        """Return how long to wait after so many tries, jitter included."""
        # The exponent is bounded: a power that overflows would not reach the ceiling.
        return random.uniform(0.0, min(self.ceiling, self.base * 2.0 ** min(tries - 1, 64)))  # noqa: S311

    def retrying(
        self,
        retry_after_of: Callable[[BaseException], float | None],
        *,
        deadline: float,
        clock: Clock,
        sleep: Sleep,
    ) -> AsyncRetrying:
        """Make a retrier for one call, which raises the last error when it gives up.

        Args:
            retry_after_of: Judges an error: `None` when the call must not be repeated, otherwise the seconds that the
                server asked for (0 where it did not).
            deadline: When to give up on the clock, rather than sleep beyond it.
            clock: Tells the time.
            sleep: Lets time pass.
        """

        def may_repeat(error: BaseException) -> bool:
            asked = retry_after_of(error)
            return asked is not None and asked <= self.retry_after_limit

        def delay(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = retry_after_of(error) if error else None
            if asked:
                return asked * random.uniform(1.0, 1.2)  # noqa: S311  # spreads callers, guards nothing
            return self.delay(state.attempt_number)

        return AsyncRetrying(
            retry=retry_if_exception(may_repeat),
            wait=delay,
            stop=lambda state: state.attempt_number >= self.attempts or clock() + state.upcoming_sleep > deadline,
            sleep=sleep,
            reraise=True,
        )


@attrs.frozen(kw_only=True)
class PollPolicy:
    """How often the state of work on the server is looked at.

    The first look comes after `first` seconds, each later one after `growth` times as long as before, up to `ceiling`.

    Attributes:
        first: Seconds before the first look.
        growth: By how much each delay exceeds the one before; 1 looks at a steady pace.
        ceiling: The longest delay, in seconds.
        jitter: The share by which each delay is lengthened or shortened at random, so that many waits do not march in
            step.
        timeout: Seconds until a wait gives up when the call says nothing of its own; `None` is never.
    """

    first: float = attrs.field(default=1.0, validator=_is_positive)
    growth: float = attrs.field(default=1.5, validator=_is_at_least_one)
    ceiling: float = attrs.field(default=30.0, validator=_is_positive)
    jitter: float = attrs.field(default=0.1, validator=_is_share)
    timeout: float | None = attrs.field(default=None, validator=_is_seconds_or_none)

    def delay(self, looks: int) -> float:
        """Return how long to wait after so many looks, jitter included."""
        # The exponent is bounded because a wait of days would overflow the power long after the ceiling was reached.
        steady = min(self.ceiling, self.first * self.growth ** min(looks, 64))
        return steady * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311

    def polling(
        self,
        is_done: Callable[[Any], bool],
        *,
        deadline: float,
        clock: Clock,
        sleep: Sleep,
    ) -> AsyncRetrying:
        """Make a poller that asks until `is_done`, or until it has asked at the deadline.

        It returns the last answer in either case: what an unfinished one means is the caller's to say.
        """
        return AsyncRetrying(
            retry=retry_if_result(lambda answer: not is_done(answer)),
            wait=lambda state: min(self.delay(state.attempt_number), max(0.0, deadline - clock())),
            stop=lambda _: clock() >= deadline,
            sleep=sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
