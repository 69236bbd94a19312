"""How often and how late things are tried again, and what becomes of many."""

import asyncio
from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages import PollPolicy, RetryPolicy
from aioimages._outcomes import fan_out
from properties.running import run

RETRIES = some.builds(
    RetryPolicy,
    attempts=some.integers(1, 8),
    base=some.floats(0, 10),
    ceiling=some.floats(0, 60),
    retry_after_limit=some.floats(0, 100),
    budget=some.integers(1, 100),
)


class PassingError(Exception):
    """Trouble that may pass, after so many seconds where the service says so."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class FinalError(Exception):
    """Trouble that does not pass."""


Failure = PassingError | FinalError | None
FAILURES = some.lists(
    some.builds(PassingError, some.just(0.0) | some.floats(0, 200)) | some.just(FinalError()), max_size=8
)


@attrs.define
class Attempts:
    """What was tried, and how long was slept before each further try."""

    failures: list[PassingError | FinalError]
    slept: list[float] = attrs.field(factory=list)
    noted: list[float] = attrs.field(factory=list)
    tries: int = 0
    spent: int = 0

    async def attempt(self) -> str:
        """Fail as often as it must."""
        self.tries += 1
        if self.tries <= len(self.failures):
            raise self.failures[self.tries - 1]
        return "done"


@given(RETRIES, FAILURES, some.none() | some.floats(0, 300), some.integers(0, 8))
def test_retries(
    policy: RetryPolicy, failures: list[PassingError | FinalError], limit: float | None, purse: int
) -> None:
    """Only what passes is tried again, not too often, not too soon, not beyond the deadline, and not without means."""
    attempts = Attempts(failures)

    def spend(_: BaseException) -> bool:
        attempts.spent += attempts.spent < purse + 1
        return attempts.spent <= purse

    async def scenario() -> tuple[str | None, Exception | None, float]:
        clock = asyncio.get_running_loop().time
        deadline = float("inf") if limit is None else clock() + limit

        async def sleep(seconds: float) -> None:
            attempts.slept.append(seconds)
            await asyncio.sleep(seconds)

        retrier = policy.retrying(
            lambda error: error.seconds if isinstance(error, PassingError) else None,
            spend=spend,
            deadline=lambda: deadline,
            clock=clock,
            sleep=sleep,
            note=attempts.noted.append,
        )
        try:
            return await retrier(attempts.attempt), None, deadline - clock()
        except (PassingError, FinalError) as error:
            return None, error, deadline - clock()

    result, error, left = run(scenario())
    assert left >= -1e-3
    assert attempts.tries == len(attempts.slept) + 1 <= policy.attempts
    assert len(attempts.slept) <= purse
    assert attempts.noted == attempts.slept
    for failure, slept in zip(failures, attempts.slept, strict=False):
        assert isinstance(failure, PassingError)
        assert failure.seconds <= policy.retry_after_limit
        if failure.seconds:
            assert failure.seconds <= slept <= failure.seconds * 1.2
        else:
            assert 0 <= slept <= policy.ceiling
    if error is None:
        assert result == "done"
        assert attempts.tries == len(failures) + 1
    else:
        assert error is failures[attempts.tries - 1]


@given(
    some.builds(
        PollPolicy,
        first=some.floats(0.001, 10),
        growth=some.floats(1, 5),
        ceiling=some.floats(0.001, 100),
        jitter=some.floats(0, 1, exclude_max=True),
    ),
    some.lists(some.floats(0, 1e6), min_size=2, max_size=2).map(sorted),
)
def test_poll_delays(policy: PollPolicy, ages: list[float]) -> None:
    """Looks become rarer with time, and never rarer than the ceiling says."""
    earlier, later = (policy.delay(age) for age in ages)
    assert 0 < earlier <= later <= policy.ceiling


@given(
    some.lists(some.tuples(some.integers(0, 9), some.floats(0, 5), some.booleans()), max_size=30), some.integers(1, 8)
)
def test_outcomes(items: list[tuple[int, float, bool]], workers: int) -> None:
    """Each key has one outcome, its own value or its own error, so many at a time, whatever fails and however late."""
    at_once = 0

    async def work(item: tuple[int, float, bool]) -> int:
        nonlocal at_once
        number, seconds, is_good = item
        at_once += 1
        assert at_once <= workers
        try:
            await asyncio.sleep(seconds)
        finally:
            at_once -= 1
        if not is_good:
            raise KeyError(number)
        return number

    async def scenario() -> Counter[tuple[int, float, bool]]:
        found: Counter[tuple[int, float, bool]] = Counter()
        async with fan_out(work, items, workers=workers) as outcomes:
            async for outcome in outcomes:
                found[outcome.key] += 1
                assert outcome.ok is outcome.key[2]
                if outcome.ok:
                    assert outcome.unwrap() == outcome.key[0]
                else:
                    with pytest.raises(KeyError, match=str(outcome.key[0])):
                        outcome.unwrap()
        report = outcomes.report
        assert (report.done, report.failed, report.open) == (
            sum(item[2] for item in items),
            sum(not item[2] for item in items),
            0,
        )
        return found

    assert run(scenario()) == Counter(items)
