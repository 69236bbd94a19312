"""What is said of tasks that failed, and how far others are."""

import pytest

from aioimages import Task, TaskFailureCode
from aioimages._waiting import _copied_bytes, failure_of


def test_endless_messages() -> None:
    """A service's message of megabytes is cut in the error's text, and whole in its reason and its task."""
    message = "396: bad\n" + "x" * 2**20
    error = failure_of(Task(id="t", type="import", status="failure", message=message))
    assert error.code is TaskFailureCode.NOT_A_VHD
    assert str(error).startswith("task t (import) failed: 396: the file is not a valid VHD; 396: bad xxx")
    assert len(str(error)) < 400
    assert error.reason == message


@pytest.mark.parametrize(
    ("message", "size"),
    [("Copied 15 MiB", 15 * 2**20), ("Copied " + "9" * 5000 + " MiB", 0), ("Copied", 0), (None, 0)],
)
def test_copied_bytes(message: str | None, size: int) -> None:
    """How much was copied is read from a task's message where that is a number that can be."""
    assert _copied_bytes(Task(id="t", status="processing", message=message)) == size
