"""Retries and polling under a clock of the test's own."""

from typing import Any

import pytest

from aioimages import PollPolicy, RetryPolicy, TimeoutPolicy
from aioimages._policy import seconds

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, delay: float) -> None:
        """Go on at once."""
        self.slept.append(delay)
        self.now += delay


@pytest.mark.parametrize(("value", "expected"), [(None, None), (0, 0.0), (1.5, 1.5), (float("inf"), float("inf"))])
def test_seconds(value: float | None, expected: float | None) -> None:
    """A duration is none or not negative."""
    assert seconds("timeout", value) == expected


@pytest.mark.parametrize(
    ("value", "kind"), [(-1, ValueError), (float("nan"), ValueError), ("5", TypeError), (True, TypeError)]
)
def test_what_is_no_duration(value: Any, kind: type[Exception]) -> None:
    """What is no duration is refused, by name."""
    with pytest.raises(kind, match="timeout"):
        seconds("timeout", value)


@pytest.mark.parametrize(("value", "kind"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)])
def test_crawl(value: Any, kind: type[Exception]) -> None:
    """How long data may crawl is more than no time, or for ever."""
    assert TimeoutPolicy(crawl=None).crawl is None
    with pytest.raises(kind, match="crawl"):
        TimeoutPolicy(crawl=value)


async def _delays(policy: RetryPolicy, asked: float | None, *, deadline: float = float("inf")) -> list[float]:
    clock = Clock()
    told: list[float] = []

    async def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await policy.retrying(
            lambda _: asked,
            spend=lambda _: True,
            deadline=lambda: deadline,
            clock=clock,
            sleep=clock.sleep,
            note=told.append,
        )(fail)
    assert told == clock.slept
    return clock.slept


async def test_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays are drawn evenly below bounds that double up to the ceiling."""
    policy = RetryPolicy(attempts=8, base=1.0, ceiling=10.0)
    monkeypatch.setattr("random.uniform", lambda _, high: high)
    assert await _delays(policy, 0.0) == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


async def test_delays_that_the_server_asks_for() -> None:
    """A server that names a time is given it, and up to a fifth more: callers come back spread over that."""
    delays = await _delays(RetryPolicy(attempts=10_001), 5.0)
    assert len(delays) == 10_000
    assert 5.0 <= min(delays) < 5.1
    assert 5.9 < max(delays) <= 6.0


async def test_what_is_not_repeated() -> None:
    """An error that is final, and a wait that would be too long, end at once."""
    assert await _delays(RetryPolicy(), None) == []
    assert await _delays(RetryPolicy(retry_after_limit=4), 5.0) == []
    assert await _delays(RetryPolicy(attempts=1), 0.0) == []
    assert await _delays(RetryPolicy(), 10.0, deadline=105.0) == []


@pytest.mark.parametrize("field", ["attempts", "base", "ceiling", "retry_after_limit"])
def test_what_is_no_policy(field: str) -> None:
    """A policy says by name what cannot be: `None` where a number is due, a boolean, a share of an attempt."""
    given: Any
    for given in (None, "1", True):
        with pytest.raises(TypeError, match=field):
            RetryPolicy(**{field: given})
    with pytest.raises(TypeError, match="attempts"):
        RetryPolicy(attempts=1.5)  # type: ignore[arg-type]


def test_poll_delays() -> None:
    """Looks come after `first`, and then ever less often up to `ceiling`."""
    policy = PollPolicy(first=1, growth=2, ceiling=10)
    ages = [0.0]
    while len(ages) < 6:
        ages.append(ages[-1] + policy.delay(ages[-1]))
    assert ages == [0, 1, 3, 7, 15, 25]
    assert policy.delay(10**6) == 10


async def test_polling_until_it_is_done() -> None:
    """A poller asks until it is told that it is done."""
    clock = Clock()
    answers = iter([1, 2, 3, 4])

    async def look() -> int:
        return next(answers)

    policy = PollPolicy(first=1, growth=2, jitter=0)
    poller = policy.polling(lambda answer: answer == 3, deadline=float("inf"), clock=clock, sleep=clock.sleep)
    assert await poller(look) == 3
    assert clock.slept == [1, 2]


async def test_polling_until_the_deadline() -> None:
    """A poller asks for the last time at the deadline, and returns what it was told then."""
    clock = Clock()
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        clock.now += 0.5
        return looks

    policy = PollPolicy(first=1, growth=1, jitter=0)
    poller = policy.polling(lambda _: False, deadline=104.0, clock=clock, sleep=clock.sleep)
    assert await poller(look) == looks
    assert 104.0 <= clock.now <= 104.6
    assert clock.slept[-1] <= 1.0


async def test_errors_leave_a_poller() -> None:
    """An error of a look is not a reason to look again."""

    async def look() -> int:
        raise OSError("no")

    clock = Clock()
    poller = PollPolicy().polling(bool, deadline=200.0, clock=clock, sleep=clock.sleep)
    with pytest.raises(OSError, match="no"):
        await poller(look)
    assert clock.slept == []
