"""How long to wait and how often to try: numbers, and the retriers made of them. Nothing else knows tenacity."""

import enum
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

__all__ = [
    "UNSET",
    "Clock",
    "ConcurrencyPolicy",
    "PollPolicy",
    "Retrier",
    "RetryPolicy",
    "Sleep",
    "TimeoutPolicy",
    "Unset",
    "count",
    "seconds",
]

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
# Calls a function, with arguments, as often as its policy says.
Retrier = Callable[..., Awaitable[Any]]


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


def _is_positive_or_none(_: object, attribute: "attrs.Attribute[Any]", value: float | None) -> None:
    if value is not None:
        _is_positive(_, attribute, value)


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
        call: For one call with all that it takes: signing in, all attempts, the pauses between them. A wait has a limit
            of its own, and a listing has one for each page.
        crawl: For data that are downloaded to come at less than 1 KiB a second, before the connection is made anew.
        lost_after: For which a task is looked for whose answer was lost, before it is asked for again or given up as an
            `AmbiguousOutcomeError`: longer than the service may take to answer. All of this ends with `call`.
    """

    connect: float | None = attrs.field(default=10.0, validator=_is_seconds_or_none)
    read: float | None = attrs.field(default=60.0, validator=_is_seconds_or_none)
    call: float | None = attrs.field(default=120.0, validator=_is_seconds_or_none)
    crawl: float | None = attrs.field(default=30.0, validator=_is_positive_or_none)
    lost_after: float = attrs.field(default=10.0, validator=_is_seconds)


@attrs.frozen(kw_only=True)
class ConcurrencyPolicy:
    """How many requests a client may have in flight, to all services together.

    Within these bounds the number follows the services: it grows while they answer well, and shrinks when they refuse
    for now (429, 413 or 503) or answer much later than usual. A service that says that requests come too fast gets
    them at the pace that it has accepted, and is tried with a little more now and then.

    Attributes:
        most: The largest number.
        least: The smallest number.
        rate: How many requests a second may go to one service; `None` is as many as it takes.
    """

    most: int = attrs.field(default=64, validator=_is_count)
    least: int = attrs.field(default=1, validator=_is_count)
    rate: float | None = attrs.field(default=None, validator=_is_positive_or_none)

    def __attrs_post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least is not above most: {self.least} > {self.most}")


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
        budget: What a client may spend on repeating, all calls together: each repetition costs 5, which come back when
            it succeeds, and a call that succeeds at once gives 1. When it is spent, errors are raised at once: in an
            outage nothing is sent many times over.
    """

    attempts: int = attrs.field(default=5, validator=_is_count)
    base: float = attrs.field(default=0.2, validator=_is_seconds)
    ceiling: float = attrs.field(default=20.0, validator=_is_seconds)
    retry_after_limit: float = attrs.field(default=60.0, validator=_is_seconds)
    budget: int = attrs.field(default=500, validator=_is_count)

    def delay(self, tries: int) -> float:
        """Return how long to wait after so many tries, jitter included."""
        # The exponent is bounded: a power that overflows would not reach the ceiling.
        return random.uniform(0.0, min(self.ceiling, self.base * 2.0 ** min(tries - 1, 64)))  # noqa: S311

    def retrying(
        self,
        retry_after_of: Callable[[BaseException], float | None],
        *,
        spend: Callable[[BaseException], bool],
        deadline: Clock,
        clock: Clock,
        sleep: Sleep,
        note: Callable[[float], None],
        failed: Exception | None = None,
    ) -> Retrier:
        """Make a retrier for one call, which raises the last error when it gives up.

        Args:
            retry_after_of: Judges an error: `None` when the call must not be repeated, otherwise the seconds that the
                server asked for (0 where it did not).
            spend: Pays for a repetition after an error, or says that there is nothing left to pay with.
            deadline: Tells when to give up on the clock, rather than sleep beyond it.
            clock: Tells the time.
            sleep: Lets time pass.
            note: Is told before each repetition how many seconds there are until then.
            failed: How the first try has failed already, where the call was tried.
        """

        async def perform(attempt: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
            failures = [failed] if failed else []

            async def again() -> Any:
                if failures:
                    raise failures.pop()
                return await attempt(*arguments)

            # Most calls succeed at once: what repeats them is not made before it is needed.
            try:
                return await again()
            except Exception as error:
                if retry_after_of(error) is None:
                    raise
                failures.append(error)
            return await self._repeating(retry_after_of, spend, deadline, clock, sleep, note=note)(again)

        return perform

    def _repeating(
        self,
        retry_after_of: Callable[[BaseException], float | None],
        spend: Callable[[BaseException], bool],
        deadline: Clock,
        clock: Clock,
        sleep: Sleep,
        *,
        note: Callable[[float], None],
    ) -> Retrier:
        import tenacity  # noqa: PLC0415  # it takes long to import, and many programs never need it

        def may_repeat(error: BaseException) -> bool:
            asked = retry_after_of(error)
            return asked is not None and asked <= self.retry_after_limit

        def error_of(state: tenacity.RetryCallState) -> BaseException:
            error = state.outcome.exception() if state.outcome else None
            return error or AssertionError("only what failed is repeated")

        def delay(state: tenacity.RetryCallState) -> float:
            asked = retry_after_of(error_of(state))
            if asked:
                return asked * random.uniform(1.0, 1.2)  # noqa: S311  # spreads callers, guards nothing
            return self.delay(state.attempt_number)

        def may_stop(state: tenacity.RetryCallState) -> bool:
            is_over = state.attempt_number >= self.attempts or clock() + state.upcoming_sleep > deadline()
            return is_over or not spend(error_of(state))

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(may_repeat),
            wait=delay,
            stop=may_stop,
            before_sleep=lambda state: note(state.upcoming_sleep),
            sleep=sleep,
            reraise=True,
        )


@attrs.frozen(kw_only=True)
class PollPolicy:
    """How often the state of work on the server is looked at.

    The first look comes after `first` seconds, each later one after `growth` times as long as before, up to `ceiling`.
    A client looks at everything that it waits for together, where that costs fewer requests; and once it has seen how
    long such work takes here, it looks seldom before that and often about that time, never sooner than after `floor`.

    Attributes:
        first: Seconds before the first look.
        growth: By how much each delay exceeds the one before; 1 looks at a steady pace.
        ceiling: The longest delay, in seconds.
        floor: The shortest delay, in seconds; `None` is `first`, or `ceiling` where that is shorter.
        jitter: The share by which each delay is lengthened or shortened at random, so that many clients do not march in
            step.
        timeout: Seconds until a wait gives up when the call says nothing of its own; `None` is never.
    """

    first: float = attrs.field(default=1.0, validator=_is_positive)
    growth: float = attrs.field(default=1.5, validator=_is_at_least_one)
    ceiling: float = attrs.field(default=30.0, validator=_is_positive)
    floor: float | None = attrs.field(default=None, validator=_is_positive_or_none)
    jitter: float = attrs.field(default=0.1, validator=_is_share)
    timeout: float | None = attrs.field(default=None, validator=_is_seconds_or_none)

    def __attrs_post_init__(self) -> None:
        if self.floor is not None and self.floor > self.ceiling:
            raise ValueError(f"floor is not above ceiling: {self.floor:g} > {self.ceiling:g}")

    @property
    def shortest(self) -> float:
        """The shortest delay, in seconds."""
        return min(self.first, self.ceiling) if self.floor is None else self.floor

    def delay(self, age: float) -> float:
        """Return how long to wait after a look at work that has taken so many seconds."""
        return min(self.ceiling, self.first + (self.growth - 1) * age)

    def polling(
        self,
        is_done: Callable[[Any], bool],
        *,
        deadline: float,
        clock: Clock,
        sleep: Sleep,
    ) -> Retrier:
        """Make a poller that asks at once, and until `is_done`, or until it has asked at the deadline.

        It returns the last answer in either case: what an unfinished one means is the caller's to say.
        """
        import tenacity  # noqa: PLC0415  # as above

        start = clock()
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(lambda answer: not is_done(answer)),
            wait=lambda _: min(self.delay(clock() - start), max(0.0, deadline - clock())),
            stop=lambda _: clock() >= deadline,
            sleep=sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )

    def rounds(self, sleep: Sleep) -> Retrier:
        """Make a runner of rounds without end; each says how many seconds there are until the next."""
        import tenacity  # noqa: PLC0415  # as above

        def seconds_until_next(state: tenacity.RetryCallState) -> float:
            return float(state.outcome.result()) if state.outcome else 0.0

        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(lambda _: True), wait=seconds_until_next, sleep=sleep
        )
