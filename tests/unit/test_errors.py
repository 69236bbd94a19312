"""The tree of errors."""

import copy
import inspect
import pickle

import pytest

import aioimages
from aioimages import _errors

ERRORS = [error for _, error in inspect.getmembers(_errors, inspect.isclass) if issubclass(error, Exception)]
TASK = aioimages.Task(id="t-1", status="failure", type="import")
MADE = [
    aioimages.DecodeError("$.images[3].size"),
    aioimages.NotFoundError("No.", status=404, method="GET", url="https://x/v2/y", request_id="req-1", retry_after=2.0),
    aioimages.AmbiguousOutcomeError("perhaps", candidates=(TASK,)),
    aioimages.TaskFailedError("no", task=TASK, code=aioimages.TaskFailureCode.ZERO_UUID, reason="614"),
    aioimages.TaskTimeoutError("late", task=TASK),
    aioimages.TaskExpiredError("gone"),
    aioimages.ChecksumMismatchError("differs", expected="a", actual="b"),
    aioimages.VhdError("bad", code=aioimages.TaskFailureCode.NOT_A_VHD),
    aioimages.TransportTimeoutError("late"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_names_and_roots(error: type[Exception]) -> None:
    """Every error ends in `Error`, has the one root, is exported, and stands in the drawn tree."""
    assert error.__name__.endswith("Error")
    assert issubclass(error, aioimages.AioImagesError)
    assert error.__name__ in aioimages.__all__
    assert error.__name__ in (_errors.__doc__ or "")


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_copies(error: aioimages.AioImagesError) -> None:
    """Errors keep their message and attributes through `pickle` and `copy`."""
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is type(error)
        assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_timeouts_are_timeouts() -> None:
    """What ran out of time is caught by `except TimeoutError` too."""
    assert issubclass(aioimages.TransportTimeoutError, TimeoutError)
    assert issubclass(aioimages.TaskTimeoutError, TimeoutError)


def test_codes() -> None:
    """The codes of failed imports are numbers with the service's explanation."""
    codes = {int(code): code.explanation for code in aioimages.TaskFailureCode}
    assert codes.keys() == {111, 396, 413, 523, 609, 614, 721}
    assert all(codes.values())
    assert {code.name: int(code) for code in aioimages.TaskFailureCode}["ZERO_UUID"] == 614


def test_outcome() -> None:
    """An outcome has a value or an error, and `unwrap` gives the one or raises the other."""
    good = aioimages.Outcome(key="a", value=5)
    bad: aioimages.Outcome[str, int] = aioimages.Outcome(key="b", error=OSError("no"))
    assert (good.ok, good.unwrap(), bad.ok) == (True, 5, False)
    with pytest.raises(OSError, match="no"):
        bad.unwrap()
    assert aioimages.Outcome(key="c").unwrap() is None


def test_messages_are_one_line() -> None:
    """Whatever gets into a message, it is one printable line of bounded length."""
    error = aioimages.TransportTimeoutError("a\nb\x1b[31m\u202e\udcff" + "x" * 5000)
    assert str(error).startswith("a b [31m xxx")
    assert str(error).isprintable()
    assert len(str(error)) == 1000
    assert error.args == (str(error),)
    assert str(aioimages.AioImagesError()) == ""
