"""Turns at services, whoever is cancelled, refused or late."""

import asyncio
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as some

from aioimages import ConcurrencyPolicy
from aioimages._limiter import Limiter, Pace, Rank, RetryBudget
from properties.running import run


@attrs.frozen
class Job:
    """One who asks a service: when, how urgently, how well and how soon it answers, and how long that is waited for."""

    starts_at: float
    service: str
    rank: Rank
    answer: str
    seconds: float
    given_up_after: float | None


SHORT = some.floats(0, 2)
JOBS = some.builds(
    Job,
    SHORT,
    some.sampled_from(["images", "files"]),
    some.sampled_from(Rank),
    some.sampled_from(["well", "well", "well", "trouble", "too fast", "nothing"]),
    some.sampled_from([0.0, 0.01, 0.5, 30.0]),
    some.none() | SHORT,
)
POLICIES = some.tuples(some.integers(1, 5), some.integers(0, 20), some.none() | some.floats(0.5, 100)).map(
    lambda drawn: ConcurrencyPolicy(least=drawn[0], most=drawn[0] + drawn[1], rate=drawn[2])
)


class Crowd:
    """Everybody who asks, and what is seen of the limiter meanwhile."""

    def __init__(self, policy: ConcurrencyPolicy) -> None:
        self.policy = policy
        self.had_turns = 0
        self.at_once = 0

    async def ask(self, limiter: Limiter, job: Job) -> None:
        """Wait for a turn, have it, and say how it was."""
        await asyncio.sleep(job.starts_at)
        turn = limiter.turn(job.service)
        try:
            await turn.begin(job.rank)
            self.had_turns += 1
            self.at_once += 1
            assert self.at_once <= self.policy.most
            try:
                await asyncio.sleep(job.seconds)
            finally:
                self.at_once -= 1
            match job.answer:
                case "well":
                    turn.answered("GET")
                case "trouble":
                    turn.troubled(0.5, is_too_fast=False)
                case "too fast":
                    turn.troubled(0.1, is_too_fast=True)
        finally:
            turn.end()
            assert self.policy.least <= limiter.places <= self.policy.most
            assert limiter.in_flight >= 0

    async def all(self, jobs: list[Job]) -> Limiter:
        """Let all ask."""
        limiter = Limiter(self.policy, clock=asyncio.get_running_loop().time)

        async def one(job: Job) -> None:
            async with asyncio.timeout(None if job.given_up_after is None else job.starts_at + job.given_up_after):
                await self.ask(limiter, job)

        results = await asyncio.gather(*map(one, jobs), return_exceptions=True)
        for job, result in zip(jobs, results, strict=True):
            assert result is None or (isinstance(result, TimeoutError) and job.given_up_after is not None), result
        return limiter


@given(POLICIES, some.lists(JOBS, max_size=40))
def test_turns(policy: ConcurrencyPolicy, jobs: list[Job]) -> None:
    """Everybody who does not give up has a turn, no place is lost, and never are more in flight than may be."""

    async def scenario() -> None:
        crowd = Crowd(policy)
        limiter = await crowd.all(jobs)
        assert crowd.had_turns >= sum(job.given_up_after is None for job in jobs)
        assert limiter.in_flight == 0
        # All places are still there to be had, and nothing is left that would go off later.
        places = int(limiter.places)
        turns = [limiter.turn(str(number)) for number in range(places)]
        for turn in turns:
            await asyncio.wait_for(turn.begin(Rank.IN_TURN), 1000)
        assert limiter.in_flight == places
        for turn in turns:
            turn.end()
        assert limiter.in_flight == 0

    run(scenario())


@given(some.integers(1, 200), some.lists(some.sampled_from(["spend", "first", "again"]), max_size=200))
def test_budget(most: int, steps: list[str]) -> None:
    """However calls go, no more is spent than there was, and what comes back is never more than was spent or earned."""
    budget = RetryBudget(most)
    left = most
    for step in steps:
        if step == "spend":
            assert budget.spend() is (left >= 5)
            left -= 5 if left >= 5 else 0
        else:
            budget.succeeded(was_repeated=step == "again")
            left = min(most, left + (5 if step == "again" else 1))


PACE_STEPS = some.lists(some.tuples(some.sampled_from(["sent", "accepted", "refused", "pause"]), some.floats(0, 50)))


@given(some.none() | some.floats(0.1, 1000), PACE_STEPS)
def test_pace(most: float | None, steps: list[tuple[str, float]]) -> None:
    """However a service answers, the pace is above nothing, never above the user's, and waits are finite."""
    pace, now = Pace(most), 1000.0
    for step, seconds in steps:
        now += seconds
        actions: dict[str, Any] = {
            "sent": lambda: pace.sent(now),  # noqa: B023  # called at once
            "accepted": lambda: pace.accepted(now),  # noqa: B023
            "refused": lambda: pace.refused(now, now - 0.1),  # noqa: B023
            "pause": lambda: pace.pause(now + 1),  # noqa: B023
        }
        actions[step]()
        rate = pace.rate(now)
        assert rate is None or 0 < rate <= (most or float("inf"))
        assert pace.delay(now) < 1000
