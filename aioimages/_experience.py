"""When to look at work that a service does by itself: what its earlier work took says when it may be done."""

import random
from collections import deque
from typing import Final

from aioimages._policy import PollPolicy

__all__ = ["Experience"]

_REMEMBERED: Final = 256
_ENOUGH: Final = 8
_EARLY: Final = 0.05
_LATE: Final = 0.95
_LOOKS_AROUND_THE_END: Final = 8


class Experience:
    """How long work of one kind took."""

    def __init__(self, policy: PollPolicy) -> None:
        self._policy = policy
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._usual: tuple[float, float] | None = None

    def learn(self, seconds: float) -> None:
        """Note how long something took."""
        self._seconds.append(seconds)
        self._usual = None

    def delay(self, age: float, *, share: float = 1.0) -> float:
        """Return how long to wait before the next look at work that is so old, jitter included.

        Where it is known when work usually ends, nobody looks before that, and often about that time. `share` is what
        part of the cost of a look is this work's: the less that is, the closer it is looked at.
        """
        policy = self._policy
        usual = self._usual_end()
        if usual is None:
            wanted = policy.delay(age) * share
        elif age < usual[0]:
            wanted = usual[0] - age
        elif age < usual[1]:
            wanted = min(policy.delay(age), (usual[1] - usual[0]) / _LOOKS_AROUND_THE_END) * share
        else:
            wanted = policy.delay(age - usual[1]) * share
        jitter = random.uniform(1 - policy.jitter, 1 + policy.jitter)  # noqa: S311
        return max(policy.shortest, min(policy.ceiling, wanted) * jitter)

    def _usual_end(self) -> tuple[float, float] | None:
        if len(self._seconds) < _ENOUGH:
            return None
        if self._usual is None:
            ordered = sorted(self._seconds)
            self._usual = ordered[int(_EARLY * len(ordered))], ordered[int(_LATE * len(ordered))]
        return self._usual
