"""How many requests are in flight and how many a second go out, under a clock of the test's own."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable

import pytest

from aioimages import ConcurrencyPolicy
from aioimages._limiter import Limiter, Pace, Rank, RetryBudget, Turn

pytestmark = pytest.mark.anyio

Service = Callable[[float], bool]
ANSWER_SECONDS = 0.002


def bucket(rate: float, burst: float) -> Service:
    """Return a service with a bucket that fills at a rate."""
    level, filled_at = burst, 0.0

    def takes(now: float) -> bool:
        nonlocal level, filled_at
        level, filled_at = min(burst, level + (now - filled_at) * rate), now
        if level < 1:
            return False
        level -= 1
        return True

    return takes


def window(rate: int) -> Service:
    """Return a service that counts within each second of the clock."""
    taken = {-1: 0}

    def takes(now: float) -> bool:
        second = int(now)
        taken[second] = taken.get(second, 0) + 1
        return taken[second] <= rate

    return takes


def sliding(rate: int) -> Service:
    """Return a service that counts within the last second."""
    taken: deque[float] = deque(maxlen=rate)

    def takes(now: float) -> bool:
        if len(taken) == rate and taken[0] > now - 1:
            return False
        taken.append(now)
        return True

    return takes


class Run:
    """Many requests to a service with a limit, as fast as the pace lets them go, each repeated until it is accepted."""

    def __init__(self, service: Service, count: int, *, retry_after: float, in_flight: int = 16) -> None:
        self.pace = Pace(None)
        self.chance = random.Random(7)
        self.start = self.now = 1000.0
        self.refused = self.refused_late = self.most_tries = 0
        waiting = [(self.start, number, 0) for number in range(count)]
        under_way: list[tuple[float, int, int, float]] = []
        while waiting or under_way:
            while (
                waiting and waiting[0][0] <= self.now and len(under_way) < in_flight and self.pace.delay(self.now) <= 0
            ):
                _, number, tries = heapq.heappop(waiting)
                self.pace.sent(self.now)
                heapq.heappush(under_way, (self.now + ANSWER_SECONDS, number, tries, self.now))
            upcoming = [under_way[0][0]] if under_way else []
            if waiting and len(under_way) < in_flight:
                upcoming.append(max(waiting[0][0], self.now + self.pace.delay(self.now)))
            self.now = max(min(upcoming), self.now + 1e-6)
            while under_way and under_way[0][0] <= self.now:
                _, number, tries, sent_at = heapq.heappop(under_way)
                if service(self.now):
                    self.pace.accepted(self.now)
                    continue
                self._note_refusal(sent_at, tries + 1, retry_after)
                delay = retry_after * self.chance.uniform(1, 1.2) or self.chance.uniform(0, 0.2 * 2**tries)
                heapq.heappush(waiting, (self.now + delay, number, tries + 1))

    def _note_refusal(self, sent_at: float, tries: int, retry_after: float) -> None:
        self.refused += 1
        self.refused_late += sent_at > self.start + 1
        self.most_tries = max(self.most_tries, tries)
        self.pace.pause(self.now + retry_after)
        self.pace.refused(self.now, sent_at)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.now - self.start


@pytest.mark.parametrize("in_flight", [16, 64])
@pytest.mark.parametrize("retry_after", [0, 1])
@pytest.mark.parametrize("service", ["bucket", "window", "sliding"])
def test_service_of_twenty_a_second(service: str, retry_after: int, in_flight: int) -> None:
    """2,000 requests at 20 a second take hardly more than 100 s, and at most 2 % of them are refused.

    A service that asks for a second of peace with each refusal loses that second itself.
    """
    services = {"bucket": bucket(20, 20), "window": window(20), "sliding": sliding(20)}
    run = Run(services[service], 2000, retry_after=retry_after, in_flight=in_flight)
    assert run.seconds <= (112 if retry_after else 103)
    assert run.refused_late <= 40
    assert run.most_tries <= 3


def test_service_without_a_burst() -> None:
    """A service that takes no two requests at once is found out, too."""
    run = Run(bucket(20, 1), 2000, retry_after=0)
    assert run.seconds <= 115
    assert run.refused_late <= 40


def test_service_that_takes_more_than_it_did() -> None:
    """A pace that was learned is not kept for ever: after a bad minute the service is used again as it can be."""
    bad, good = sliding(10), sliding(500)
    run = Run(lambda now: bad(now) if now < 1060 else good(now), 40_000, retry_after=0)
    assert run.seconds <= 60 + 40_000 / 500 + 120


def test_pace_without_refusals() -> None:
    """A service that refuses nothing is not slowed down."""
    run = Run(lambda _: True, 10_000, retry_after=0)
    assert run.pace.rate(run.now) is None
    assert run.seconds <= 10_000 / 16 * ANSWER_SECONDS * 1.1


def test_pace_of_the_user() -> None:
    """What the user allows is never exceeded."""
    pace = Pace(10.0)
    now = 0.0
    for _ in range(50):
        now += max(0.0, pace.delay(now))
        pace.sent(now)
        pace.accepted(now)
    assert now == pytest.approx(4.9, rel=0.01)


def test_pause() -> None:
    """While a service asks for peace nothing goes out."""
    pace = Pace(None)
    pace.pause(105.0)
    assert pace.delay(100.0) == 5
    assert pace.delay(105.5) <= 0


def test_service_that_refuses_everything() -> None:
    """Refusals without end slow the client down, to one request a second, and no further."""
    pace = Pace(None)
    now, sent = 0.0, 0
    while now < 600:
        now += max(0.0, pace.delay(now))
        pace.sent(now)
        sent += 1
        pace.refused(now + 0.001, now)
        now += 0.001
    assert 550 < sent < 700


def test_budget() -> None:
    """Repetitions cost five, which come back when they succeed; at once successful calls give one each."""
    budget = RetryBudget(12)
    assert [budget.spend(), budget.spend(), budget.spend()] == [True, True, False]
    budget.succeeded(was_repeated=True)
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(3):
        budget.succeeded(was_repeated=False)
    assert budget.spend()


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


async def _begun(limiter: Limiter, service: str = "a", rank: Rank = Rank.IN_TURN) -> Turn:
    turn = limiter.turn(service)
    await turn.begin(rank)
    return turn


async def test_places_grow_while_all_is_well() -> None:
    """The number of requests in flight grows to the user's bound, one for each good answer, where it is used up."""
    limiter = Limiter(ConcurrencyPolicy(most=40))
    assert limiter.places == 16
    for _ in range(100):
        turns = [await _begun(limiter) for _ in range(int(limiter.places))]
        turns[0].answered("GET")
        for turn in turns:
            turn.end()
    assert (limiter.places, limiter.in_flight) == (40, 0)
    turn = await _begun(limiter)
    turn.answered("GET")
    assert limiter.places == 40


async def test_places_shrink_with_trouble() -> None:
    """Trouble makes the number smaller once for all that was under way, down to the user's bound, and it recovers."""
    clock = Clock()
    limiter = Limiter(ConcurrencyPolicy(most=10, least=2), clock=clock)
    turns = [await _begun(limiter) for _ in range(10)]
    clock.now += 1
    for turn in turns:
        turn.troubled(0.0, is_too_fast=False)
        turn.end()
    assert limiter.places == pytest.approx(7)
    for _ in range(20):
        turn = await _begun(limiter)
        clock.now += 1
        turn.troubled(0.0, is_too_fast=False)
        turn.end()
    assert limiter.places == 2
    for _ in range(20):
        turns = [await _begun(limiter) for _ in range(int(limiter.places))]
        for turn in turns:
            turn.answered("GET")
            turn.end()
    assert 5 < limiter.places < 10


async def test_late_answers_are_trouble() -> None:
    """Answers that take much longer than is usual for their kind make the number of places smaller."""
    clock = Clock()
    limiter = Limiter(ConcurrencyPolicy(most=10), clock=clock)
    for kind, seconds, places in [("GET", 0.1, 10), ("GET?", 2.0, 10), ("GET", 0.4, 10), ("GET", 2.0, 7)]:
        turn = await _begun(limiter)
        clock.now += seconds
        turn.answered(kind)
        turn.end()
        assert int(limiter.places) == places


async def test_order() -> None:
    """Turns come in the order in which they were asked for, and those of a higher rank go ahead."""
    limiter = Limiter(ConcurrencyPolicy(most=1))
    first = await _begun(limiter)
    order: list[str] = []

    async def work(name: str, rank: Rank = Rank.IN_TURN) -> None:
        turn = await _begun(limiter, rank=rank)
        order.append(name)
        turn.end()

    async with asyncio.TaskGroup() as group:
        group.create_task(work("a"))
        group.create_task(work("b"))
        await asyncio.sleep(0)
        group.create_task(work("soon", Rank.SOON))
        group.create_task(work("ahead", Rank.AHEAD))
        await asyncio.sleep(0)
        first.end()
    assert order == ["ahead", "soon", "a", "b"]
    assert limiter.in_flight == 0


async def test_cancelled_turns() -> None:
    """Whoever gives up waiting, also just when the turn comes, takes no place with it."""
    limiter = Limiter(ConcurrencyPolicy(most=1))
    first = await _begun(limiter)
    waiting = [asyncio.create_task(_begun(limiter)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    first.end()
    waiting[1].cancel()
    turn = await waiting[2]
    assert limiter.in_flight == 1
    turn.end()
    turn.end()
    assert limiter.in_flight == 0
    assert (await asyncio.gather(*waiting[:2], return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_services_have_a_pace_each() -> None:
    """A service that asks for peace does not hold up another."""
    limiter = Limiter(ConcurrencyPolicy())
    turn = await _begun(limiter, "a")
    turn.troubled(60.0, is_too_fast=True)
    turn.end()
    async with asyncio.timeout(1):
        (await _begun(limiter, "b")).end()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await _begun(limiter, "a")
    assert limiter.in_flight == 0


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"most": 0}, ValueError),
        ({"most": 2, "least": 3}, ValueError),
        ({"least": 0}, ValueError),
        ({"most": "1"}, TypeError),
        ({"rate": 0}, ValueError),
        ({"rate": -1.0}, ValueError),
        ({"rate": "fast"}, TypeError),
    ],
)
def test_what_is_no_policy(options: dict[str, object], kind: type[Exception]) -> None:
    """Bounds that cannot be are refused."""
    with pytest.raises(kind, match=r"most|least|rate"):
        ConcurrencyPolicy(**options)  # type: ignore[arg-type]


async def _served(waits: list[tuple[str, Rank, str]]) -> list[str]:
    """Return in which order those who wait for one place get it: who asks, with which rank, and which service."""
    limiter = Limiter(ConcurrencyPolicy(most=1))
    before = await _begun(limiter)
    served: list[str] = []

    async def ask(name: str, rank: Rank, service: str) -> None:
        turn = limiter.turn(service)
        await turn.begin(rank)
        served.append(name)
        turn.end()

    asking = [asyncio.create_task(ask(*wait)) for wait in waits]
    await asyncio.sleep(0)
    before.end()
    await asyncio.gather(*asking)
    return served


async def test_crowd_before_another_service() -> None:
    """A crowd that waits for one service does not keep those waiting who go ahead of it, on whatever service."""
    crowd = [("one of many", Rank.IN_TURN, "images")] * 40
    assert (await _served([*crowd, ("urgent", Rank.AHEAD, "identity")]))[0] == "urgent"


async def test_crowd_of_a_higher_rank() -> None:
    """Whoever waits for longest has a turn now and then, however many there are who go ahead."""
    crowd = [("look", Rank.SOON, "images")] * 40
    served = await _served([("first", Rank.IN_TURN, "images"), *crowd, ("last", Rank.IN_TURN, "images")])
    assert served.index("first") < 4
    assert served[-1] == "last"
