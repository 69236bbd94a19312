"""When to look, given how long such work took before."""

import pytest

from aioimages import PollPolicy
from aioimages._experience import Experience

POLICY = PollPolicy(first=1.0, growth=1.5, ceiling=30.0, jitter=0)


def of(*seconds: float) -> Experience:
    """Return the experience of work that took so long."""
    experience = Experience(POLICY)
    for one in seconds:
        experience.learn(one)
    return experience


@pytest.mark.parametrize(("age", "expected"), [(0, 1), (1, 1.5), (2.5, 2.25), (1000, 30)])
def test_without_experience(age: float, expected: float) -> None:
    """Delays grow with the age of the work, as the policy says."""
    assert of(5.0, 5.0).delay(age) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (1, 20),  # nobody looks before it may be done
        (20.5, 1),  # not below the floor
        (21, 2.25),  # around the end an eighth of the time in which such work ends
        (38, 2.25),
        (45, 4),  # late: ever less often again
        (1000, 30),
    ],
)
def test_with_experience(age: float, expected: float) -> None:
    """Looks are seldom before the usual end and frequent around it."""
    assert of(*(20 + number for number in range(21))).delay(age) == pytest.approx(expected, rel=0.06)


def test_long_work() -> None:
    """However long such work takes, a failure at its beginning is noticed within the ceiling."""
    assert of(*[3600.0] * 20).delay(5) == 30


def test_crowd() -> None:
    """What costs little each is looked at more closely, but not below the floor."""
    assert of().delay(20, share=0.2) == pytest.approx(2.2)
    assert of().delay(20, share=0.01) == 1


def test_jitter() -> None:
    """Delays differ a little, so that many clients do not march in step."""
    experience = Experience(PollPolicy(first=1, growth=1, jitter=0.5))
    delays = [experience.delay(0) for _ in range(200)]
    assert all(0.5 <= delay <= 1.5 for delay in delays)
    assert max(delays) - min(delays) > 0.3


def test_change_of_pace() -> None:
    """What is long ago is forgotten."""
    experience = of(*[100.0] * 300)
    for _ in range(256):
        experience.learn(10.0)
    assert experience.delay(2) == 8
