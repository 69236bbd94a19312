"""How many requests are in flight, and how many a second go out: as many as the services answer well."""

import asyncio
import enum
import itertools
import time
from collections import deque
from typing import Final

import attrs

from aioimages._policy import Clock, ConcurrencyPolicy

__all__ = ["Limiter", "Pace", "Rank", "RetryBudget", "Turn"]

_RETRY_COST: Final = 5
_FIRST_SUCCESS_GIVES: Final = 1


class RetryBudget:
    """What a client may spend on repeating: an outage of the service must not multiply what is asked of it.

    A repetition costs five, which come back when it succeeds; a success at the first try gives one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most

    def spend(self) -> bool:
        """Take the cost of one repetition, or say that there is not enough left."""
        if self._left < _RETRY_COST:
            return False
        self._left -= _RETRY_COST
        return True

    def succeeded(self, *, was_repeated: bool) -> None:
        """Note a call that succeeded."""
        self._left = min(self._most, self._left + (_RETRY_COST if was_repeated else _FIRST_SUCCESS_GIVES))


_FIRST_RATE: Final = 20.0
_SLOWEST: Final = 1.0
_MARGIN: Final = 0.015
_FALL: Final = 0.7
_STEADY: Final = 0.1
_LENGTHENING: Final = 4
_FIRST_SPAN: Final = 0.5
_SPAN: Final = 4.0
_LONGEST_SPAN: Final = 24.0
_CATCHING_UP: Final = 0.1
_BOLD: Final = 2
_BOLDEST: Final = 20


class Pace:
    """How many requests a second one service takes, learned from what it refuses.

    Until it refuses something there is no limit but the user's. After a refusal requests go out a little slower than
    the service has just accepted them, come back to that after a span of seconds, and then probe beyond it, faster and
    faster (a cubic curve, as in TCP's). The more often the same pace was found, the longer the span, so that a steady
    service refuses hardly anything.
    """

    def __init__(self, most: float | None) -> None:
        self._most = most
        self._known: float | None = None
        self._span = _FIRST_SPAN
        self._slowed_at = float("-inf")
        self._next_at = float("-inf")
        self._accepted: deque[float] = deque()

    def rate(self, now: float) -> float | None:
        """Return how many requests a second may go out; `None` is as many as there are."""
        if self._known is None:
            return self._most
        spans = (now - self._slowed_at) / self._span - 1
        beyond = spans if spans <= _BOLD else 2 ** min(_BOLDEST, 2 * spans - _BOLD - 1)
        probing = self._known * (1 - _MARGIN + _MARGIN * beyond**3)
        return probing if self._most is None else min(probing, self._most)

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may go out."""
        return self._next_at - now

    def sent(self, now: float) -> None:
        """Note that a request goes out."""
        rate = self.rate(now)
        if rate is not None:
            # One that goes out late does not make all that follow late.
            self._next_at = max(self._next_at, now - _CATCHING_UP / rate) + 1 / rate

    def accepted(self, now: float) -> None:
        """Note that a request was answered well."""
        self._accepted.append(now)
        while self._accepted[0] <= now - 1:
            self._accepted.popleft()

    def pause(self, until: float) -> None:
        """Send nothing for a while."""
        self._next_at = max(self._next_at, until)

    def refused(self, now: float, sent_at: float) -> None:
        """Note that a request came too fast for the service."""
        if sent_at <= self._slowed_at:
            # It was on its way already when another one was refused.
            return
        lately = sum(at > now - 1 for at in self._accepted)
        if self._known is None:
            known, self._span = max(lately, _FIRST_RATE), _FIRST_SPAN
        else:
            believed = max(self._known, self.rate(now) or 0.0)
            # What came right after a slower pace was set says little.
            least = _FALL if now - self._slowed_at < 1 else _FALL / 2
            known = min(believed, max(lately, believed * least))
            if abs(known - self._known) > _STEADY * self._known:
                self._span = _SPAN
            elif now - self._slowed_at > self._span:
                self._span = min(_LONGEST_SPAN, self._span * _LENGTHENING)
        self._known = max(_SLOWEST, known)
        # A pause that the service asked for is no time in which it has shown what it takes.
        self._slowed_at = max(now, self._next_at)


_FIRST_PLACES: Final = 16
_SHRINKING: Final = 0.7
_SHRINKING_SECONDS: Final = 0.2
_SLOW_SECONDS: Final = 0.5
_SLOW_TIMES: Final = 4.0
_LEARNING: Final = 0.05
_BY_AGE: Final = 4


class Rank(enum.IntEnum):
    """Who goes first, where several wait for their turn."""

    AHEAD = 0  # what many others wait for
    SOON = 1  # what ends a wait
    IN_TURN = 2


@attrs.frozen(order=False, eq=False)
class _Waiting:
    """Somebody who waits for a turn; numbers go up as they come."""

    rank: Rank
    number: int
    lane: "Lane"
    turn: asyncio.Future[None]


class Lane:
    """The way to one service: its pace, how fast it usually answers, and who waits to ask it.

    Attributes:
        pace: Its pace.
        queues: Who waits.
        silent_since: When the first request went out after the last one that was answered well.
    """

    def __init__(self, rate: float | None) -> None:
        self.pace = Pace(rate)
        self.queues: dict[Rank, deque[_Waiting]] = {rank: deque() for rank in Rank}
        self.silent_since: float | None = None
        self._usual_seconds: dict[str, float] = {}

    def is_slow(self, kind: str, seconds: float) -> bool:
        """Note how long an answer took, and say whether that is much more than is usual for its kind."""
        usual = self._usual_seconds.setdefault(kind, seconds)
        self._usual_seconds[kind] = usual + _LEARNING * (seconds - usual)
        return seconds > max(_SLOW_TIMES * usual, usual + _SLOW_SECONDS)

    def first(self) -> list[_Waiting]:
        """Return who has waited for longest in each rank, those left out who have had their turn or gave up."""
        for queue in self.queues.values():
            while queue and queue[0].turn.done():
                queue.popleft()
        return [queue[0] for queue in self.queues.values() if queue]


class Turn:
    """A request's turn, which it may have several times. Leave it when the answer is there, or when none will be.

    Attributes:
        began_at: When the present turn came.
        has_place: Whether there is a present turn.
    """

    def __init__(self, limiter: "Limiter", lane: Lane) -> None:
        self.began_at = float("-inf")
        self._limiter = limiter
        self._lane = lane
        self.has_place = False

    @property
    def seconds(self) -> float:
        """How long ago the present turn came, or the last one."""
        return self._limiter.clock() - self.began_at

    @property
    def silence(self) -> float:
        """For how many seconds the service has answered nothing well that it was asked."""
        since = self._lane.silent_since
        return 0.0 if since is None else self._limiter.clock() - since

    def begin_at_once(self) -> bool:
        """Begin a turn if nobody must be waited for, and say whether there is one."""
        if self.has_place:
            return True
        began_at = self._limiter.enter_at_once(self._lane)
        if began_at is None:
            return False
        self.began_at = began_at
        self.has_place = True
        return True

    async def begin(self, rank: Rank) -> None:
        """Wait for a turn, if this is none already."""
        if not self.begin_at_once():
            self.began_at = await self._limiter.enter(self._lane, rank)
            self.has_place = True

    def end(self) -> None:
        """Give the place to the next."""
        if self.has_place:
            self.has_place = False
            self._limiter.leave()

    def answered(self, kind: str | None) -> None:
        """Note that the request was answered well, and how soon for one of its kind, where that tells something."""
        self._limiter.answered(self._lane, kind, self.began_at)

    def troubled(self, retry_after: float, *, is_too_fast: bool) -> None:
        """Note that the service cannot answer now, because there are too many requests or because it is in trouble."""
        self._limiter.troubled(self._lane, self.began_at, retry_after, is_too_fast=is_too_fast)


class Limiter:
    """Bounds the requests of one client, however many coroutines ask.

    The number in flight grows by one with each answer until the first trouble, and from then on by one with each round;
    a refusal, or an answer that is much later than usual, makes it less by a third. A service that refuses gets no more
    requests a second than it has accepted, and none while it asks for peace.

    Attributes:
        places: How many requests may be in flight.
        in_flight: How many are.
        answered_at: When a request was answered well last.
        clock: Tells the time.
    """

    def __init__(self, policy: ConcurrencyPolicy, *, clock: Clock = time.monotonic) -> None:
        self.places = float(max(policy.least, min(policy.most, _FIRST_PLACES)))
        self.in_flight = 0
        self.answered_at = float("-inf")
        self.clock = clock
        self._policy = policy
        self._lanes: dict[str, Lane] = {}
        self._waiting = 0
        self._numbers = itertools.count()
        self._admitted = 0
        self._has_had_trouble = False
        self._shrunk_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def turn(self, service: str) -> Turn:
        """Return a turn, not begun yet, to ask a service."""
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = Lane(self._policy.rate)
        return Turn(self, lane)

    def enter_at_once(self, lane: Lane) -> float | None:
        """Take a place if there is one that nobody waits for, and return when that was."""
        now = self.clock()
        if self.in_flight < int(self.places) and lane.pace.delay(now) <= 0 and not lane.first():
            self._admit(lane, now)
            return now
        return None

    async def enter(self, lane: Lane, rank: Rank) -> float:
        """Wait for a place, and for the pace of a lane, and return when they came."""
        turn = asyncio.get_running_loop().create_future()
        lane.queues[rank].append(_Waiting(rank, next(self._numbers), lane, turn))
        self._waiting += 1
        self._admit_waiting()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise
        finally:
            self._waiting -= 1
        return self.clock()

    def leave(self) -> None:
        """Give a place to the next."""
        self.in_flight -= 1
        if self._waiting:
            self._admit_waiting()

    def end(self) -> None:
        """Leave no timer behind, when nobody asks any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _admit(self, lane: Lane, now: float) -> None:
        self.in_flight += 1
        lane.pace.sent(now)
        if lane.silent_since is None:
            lane.silent_since = now

    def _admit_waiting(self) -> None:
        now = self.clock()
        delays: list[float] = []
        while self.in_flight < int(self.places):
            lanes = [(lane.pace.delay(now), lane.first()) for lane in self._lanes.values()]
            delays = [delay for delay, waiting in lanes if waiting]
            ready = [one for delay, waiting in lanes if delay <= 0 for one in waiting]
            if not ready:
                break
            self._admitted += 1
            # Now and then it is the turn of whoever came first: no crowd keeps the others waiting for ever.
            is_by_age = self._admitted % _BY_AGE == 0
            next_one = min(ready, key=lambda one: (0 if is_by_age else one.rank, one.number))
            self._admit(next_one.lane, now)
            next_one.turn.set_result(None)
            delays = []
        self.end()
        if delays:
            self._timer = asyncio.get_running_loop().call_later(min(delays), self._admit_waiting)

    def answered(self, lane: Lane, kind: str | None, sent_at: float) -> None:
        """Note that a request was answered well."""
        self.answered_at = now = self.clock()
        lane.silent_since = None
        lane.pace.accepted(now)
        if kind is not None and lane.is_slow(kind, now - sent_at):
            self._shrink(now, sent_at)
        elif self.in_flight >= int(self.places):
            self.places = min(self._policy.most, self.places + (1 / self.places if self._has_had_trouble else 1))

    def troubled(self, lane: Lane, sent_at: float, retry_after: float, *, is_too_fast: bool) -> None:
        """Note that a service cannot answer a request now, and asks for so many seconds of peace."""
        now = self.clock()
        self._shrink(now, sent_at)
        lane.pace.pause(now + retry_after)
        if is_too_fast:
            lane.pace.refused(now, sent_at)

    def _shrink(self, now: float, sent_at: float) -> None:
        self._has_had_trouble = True
        if sent_at > self._shrunk_at + _SHRINKING_SECONDS:
            self.places = max(self._policy.least, self.places * _SHRINKING)
            self._shrunk_at = now
