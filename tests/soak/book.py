"""What there has to be in the cloud, by what the client has said of each thing that was asked of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tallies import Tallies

__all__ = ["Book", "Entry"]


@dataclass
class Entry:
    """What is known of the things of one name.

    Attributes:
        least: How many there are at least.
        most: How many there are at the most.
        facts: What holds for them. What is being changed, or may have been, is left out.
    """

    least: int = 0
    most: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Book:
    """Keeps what was acknowledged, what was not, and what nobody can know.

    Things are called `REGION KIND NAME`, and every name is used once.

    Attributes:
        checked: How many names were compared.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._entries: defaultdict[str, Entry] = defaultdict(Entry)
        self.checked = 0

    @contextmanager
    def change(self, key: str, *, to: int = 1, **facts: Any) -> Iterator[None]:
        """Do what makes so many of a thing, with such facts: before the end of the block it is so or is as it was."""
        self.begin(key, to, facts)
        yield
        self.settle(key, to, **facts)

    def begin(self, key: str, to: int = 1, facts: Iterable[str] = ()) -> None:
        """Note that there may soon be so many of a thing, and that some facts of it will change."""
        entry = self._entries[key]
        entry.least, entry.most = min(entry.least, to), max(entry.most, to)
        for name in facts:
            entry.facts.pop(name, None)

    def settle(self, key: str, count: int, **facts: Any) -> None:
        """Note that there are so many of a thing now."""
        entry = self._entries[key]
        entry.least = entry.most = count
        entry.facts.update(facts)

    def compare(self, there: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Compare with what there is, and begin a new page."""
        found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for key, facts in there:
            found[key].append(facts)
        for key in found.keys() | self._entries.keys():
            self._judge(key, self._entries[key], found[key])
        self.checked += len(self._entries)
        self._entries.clear()

    def _judge(self, key: str, entry: Entry, found: list[Mapping[str, Any]]) -> None:
        if len(found) < entry.least:
            self._tallies.breach("lost", f"{key}: is not there")
        elif len(found) > max(1, entry.most):
            self._tallies.breach("doubled", f"{key}: is there {len(found)} times")
        elif len(found) > entry.most:
            self._tallies.breach("left", f"{key}: is there {dict(found[0])}")
        elif entry.least:
            wrong = {name: found[0][name] for name, value in entry.facts.items() if found[0][name] != value}
            if wrong:
                self._tallies.breach("lost", f"{key}: has {wrong}, which were acknowledged as {entry.facts}")
