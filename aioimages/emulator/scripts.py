"""How the next pieces of work go, where a test says so."""

from typing import Final

import attrs

__all__ = ["Script", "Scripts"]

_BEGINS: Final = 0.3  # of the time that something takes
_LATEST_SECONDS: Final = 60.0


@attrs.define
class Script:
    """How long work takes, how it ends, what is then said, and how often that is so."""

    seconds: float | None = None
    status: str | None = None
    message: str | None = None
    count: int = 1

    def times(self, now: float, seconds: float) -> tuple[float, float]:
        """Return when work begins and ends that would take so long if nobody had said otherwise."""
        lasts = seconds if self.seconds is None else self.seconds
        return now + min(lasts * _BEGINS, _LATEST_SECONDS), now + lasts


class Scripts:
    """The scripts of one kind of work, in their order."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []

    def add(self, script: Script) -> None:
        """Say how the next ones go, after those of which it has been said."""
        self._scripts.append(script)

    def next(self) -> Script:
        """Return how the next one goes."""
        if not self._scripts:
            return Script()
        script = self._scripts[0]
        script.count -= 1
        if script.count <= 0:
            self._scripts.pop(0)
        return script
