"""What a journal keeps, and what becomes of one that was damaged."""

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as some

from aioimages import JournalError
from aioimages._bulk.records import Keys, Record, Run, Step
from aioimages._bulk.store import Store
from properties.documents import json_values, texts

TEXT = some.none() | some.text(max_size=10)
RUN = Run(kind="import", target="here", started_at="2026-03-04T05:06:07.000+00:00", service_time=None)


def records() -> some.SearchStrategy[list[Record]]:
    """Return items of a journal: numbered, each under a key of its own, and otherwise as they like."""
    fields: dict[str, some.SearchStrategy[Any]] = {
        field.name: TEXT for field in attrs.fields(Record) if field.name not in {"position", "key", "name"}
    }
    fields |= {"step": some.sampled_from(Step), "size_bytes": some.none() | some.integers(0, 2**63 - 1)}
    facts = some.fixed_dictionaries({"name": some.text(max_size=10), **fields})
    return some.lists(facts, max_size=5).map(
        lambda drawn: [Record(number, f"key {number}", **item) for number, item in enumerate(drawn, 1)]
    )


def readable(record: Record) -> Record:
    """Return a record as it is read again: what is no Unicode is written as its escape."""
    shown: dict[str, Any] = {
        field.name: value.encode(errors="backslashreplace").decode() if type(value) is str else value
        for field in attrs.fields(Record)
        for value in [getattr(record, field.name)]
    }
    return Record(**shown)


def opened(path: Path, use: Callable[[Store], Any]) -> Any:
    """Use a journal's file, and let go of it."""
    store = Store(path)
    try:
        return use(store)
    finally:
        store.close()


@given(records(), records())
def test_records(begun: list[Record], saved: list[Record]) -> None:
    """What was written is read again, the last state of each item."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"

        def write(store: Store) -> None:
            assert store.open() is None
            store.begin(RUN, begun)
            store.save(saved)

        opened(path, write)
        last = {record.position: record for record in begun} | {record.position: record for record in saved}
        assert opened(path, Store.open) == (RUN, [readable(last[position]) for position in sorted(last)])


DAMAGES = some.lists(some.tuples(some.integers(0, 2**16), some.binary(min_size=1, max_size=64)), min_size=1, max_size=4)


@given(records(), DAMAGES, some.none() | some.integers(0, 2**16), some.booleans())
def test_damaged_journals(
    begun: list[Record],
    damages: list[tuple[int, bytes]],
    length: int | None,
    has_garbage: bool,  # noqa: FBT001  # drawn
) -> None:
    """A journal whose bytes were changed is read, or refused as a journal; nothing else comes of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"

        def write(store: Store) -> None:
            store.open()
            store.begin(RUN, begun)

        if not has_garbage:
            opened(path, write)
        content = path.read_bytes() if path.exists() else b""
        for place, value in damages:
            content = content[:place] + value + content[place + len(value) :]
        path.write_bytes(content if length is None else content[:length])
        try:
            known = opened(path, Store.open)
        except JournalError as error:
            text = str(error)
        else:
            assert known is None or isinstance(known[0], Run)
            return
        assert text.isprintable()


def reordered(value: Any) -> Any:
    """Return JSON whose objects have their keys the other way round."""
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@given(some.lists(json_values(), max_size=6))
def test_keys(contents: list[Any]) -> None:
    """Items have keys of their own, also equal ones, and the same ones the next time, whatever the order of keys."""
    keys, again = Keys(), Keys()
    first = [keys.of(content) for content in contents]
    assert len(set(first)) == len(first)
    assert first == [again.of(reordered(copy.deepcopy(content))) for content in contents]


@given(texts(), json_values())
def test_keys_of_other_items(text: str, content: Any) -> None:
    """What differs has another key."""
    assert Keys.digest({"a": content, "b": text}) != Keys.digest({"a": content, "b": f"{text}x"})
