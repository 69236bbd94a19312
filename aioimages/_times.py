"""Times, as the services and HTTP write them."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["http_date", "moment", "since_1970"]

_UTC_SUFFIX: Final = re.compile(r"\s*(?:UTC|GMT)$")


def moment(text: str) -> datetime | None:
    """Read a time in any of the service's forms. One without a zone is UTC, none at all is `None`."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        if text in {"", "None"}:
            return None
        read = datetime.fromisoformat(_UTC_SUFFIX.sub("Z", text))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def http_date(text: str) -> datetime | None:
    """Read the value of a `Date` header, or one like it; `None` where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def since_1970(seconds: int) -> datetime:
    """Return the moment so many seconds after 1970 began."""
    return datetime.fromtimestamp(seconds, UTC)
