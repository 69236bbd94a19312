"""What the embedded cloud was asked: for tests that count requests."""

import re
from collections.abc import Mapping

import attrs

__all__ = ["RecordedRequest", "Recorder", "without_secrets"]

_SECRET_HEADERS = frozenset({"authorization", "x-auth-token", "x-sessionid", "x-subject-token", "cookie"})


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """A request that was answered, or cut off.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent-encoded.
        query: The query string as it was sent.
        status: What was answered, or `None` where the connection was cut.
        account: The user whose token it carried.
        started: When it came, on the emulator's clock.
        finished: When it was answered.
        request_id: What the service called it.
        headers: Its headers by lower-case name, without secrets.
    """

    method: str
    path: str
    query: str
    status: int | None
    account: str | None
    started: float
    finished: float
    request_id: str
    headers: Mapping[str, str]


def without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name, with secrets blotted out."""
    return {
        name.lower(): "***" if name.lower() in _SECRET_HEADERS else value
        for name, value in headers.items()
    }  # fmt: skip


class Recorder:
    """Keeps the requests, and how many there were at a time."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.peak_in_flight = 0
        self._in_flight = 0

    def begin(self) -> None:
        """Note that a request came."""
        self._in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self._in_flight)

    def end(self, request: RecordedRequest) -> None:
        """Note that a request is done with."""
        self._in_flight -= 1
        self.requests.append(request)

    def reset_peak(self) -> None:
        """Forget the largest number of requests at a time."""
        self.peak_in_flight = self._in_flight

    def count(self, method: str | None, path: str | None) -> int:
        """Return how many requests had a method and a path in which a regular expression is found."""
        return sum(
            (method is None or request.method == method) and (path is None or re.search(path, request.path) is not None)
            for request in self.requests
        )
