"""Times, as the services and HTTP write them."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["http_date", "moment", "since_1970"]

_UTC_SUFFIX: Final = re.compile(r"\s*(?:UTC|GMT)$")
_EDGES: Final = (
    (re.compile(r"(?<=[T ])24(?=:00:00)"), "00", timedelta(days=1)),
    (re.compile(r"(?<=:[0-5]\d:)60"), "59", timedelta(seconds=1)),
)


def moment(text: str) -> datetime | None:
    """Read a time in any of the service's forms. One without a zone is UTC, none at all is `None`."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        if text in {"", "None"}:
            return None
        read = _read_at_the_edge(_UTC_SUFFIX.sub("Z", text))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _read_at_the_edge(text: str) -> datetime:
    """Read a time that may be the end of a day (24:00:00) or a leap second (:60), which Python's own reader refuses."""
    for pattern, replacement, later in _EDGES:
        if pattern.search(text):
            with suppress(OverflowError):
                return datetime.fromisoformat(pattern.sub(replacement, text)) + later
    return datetime.fromisoformat(text)


def http_date(text: str) -> datetime | None:
    """Read the value of a `Date` header, or one like it; `None` where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def since_1970(seconds: int) -> datetime:
    """Return the moment so many seconds after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)
