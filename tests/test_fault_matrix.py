"""The matrix of faults is whole, and a real cloud is judge of much of it."""

from faults.matrix import FAULTS, cases

_LEAST_LIVE = 40


def test_every_fault_has_a_test() -> None:
    """Each of the 78 faults is put in by a test, and no test names another."""
    tested = {number for case in cases() for number in case.faults}
    assert tested == set(FAULTS) == set(range(1, 79))


def test_faults_on_a_real_cloud() -> None:
    """At least 40 faults are put in before a real Keystone and Glance, too."""
    live = {number for case in cases() if case.is_live for number in case.faults}
    assert len(live) >= _LEAST_LIVE


def test_claims() -> None:
    """What the client does is said in one line for each test."""
    assert not [case.name for case in cases() if not case.claim or "\n" in case.claim]
