"""Changes that random bytes hardly ever come to: in a document's tree, and in a disk whose checksums still hold."""

import json
import random
from typing import Any, Final

from disks import with_footer, with_header

__all__ = ["changed_disk", "changed_document"]

_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 5, 2**63, 10**30, 1.5, "", "None", "x", "a,b", "\0", "\x1b[31m", "\u202e", "\U0001f600",
    "x" * 400, "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "24:00:00",
    "https://[", "//evil.example?marker=x", "http://x:99999/", "/\\x", "?marker=", "true", [], {}, [[]], [{}], {"": {}},
    [None], ["x", 5], {"message": {}}, {"id": 5}, [[[[[[[[[[]]]]]]]]]],
)  # fmt: skip


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Return each place of a document that a value stands in: the container, and the key."""
    places: list[tuple[Any, Any]] = []
    left = [document]
    while left:
        container = left.pop()
        keys: Any = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            places.append((container, key))
            if isinstance(container[key], dict | list):
                left.append(container[key])
    return places


def _change(document: Any, words: tuple[str, ...], chance: random.Random) -> Any:
    places = _places(document) if isinstance(document, dict | list) else []
    if not places:
        return {chance.choice(words): chance.choice(_ODD)} if chance.random() < 0.5 else [chance.choice(_ODD)]
    container, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            container[key] = chance.choice(_ODD)
        case 1:
            container[key] = chance.choice(words)
        case 2:
            del container[key]
        case 3 if isinstance(container, dict):
            container[chance.choice(words)] = container.pop(key)
        case _:
            other, there = chance.choice(places)
            value = json.loads(json.dumps(other[there])) if there in other or isinstance(other, list) else None
            container[key] = value
    return document


def changed_document(given: bytes, words: tuple[str, ...], seed: int) -> bytes | None:
    """Change the tree of an input's document in a few places; `None` where it has none."""
    chance = random.Random(seed)
    head, found, body = given[2:].partition(b"\r\n\r\n")
    if not found:
        head, body = b"", given[2:]
    try:
        document = json.loads(body)
        for _ in range(chance.randint(1, 3)):
            document = _change(document, words, chance)
        written = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return given[:2] + head + found + written


def changed_disk(given: bytes, seed: int) -> bytes | None:
    """Write a value into a record of an input's disk, and the record's checksum anew; `None` where it has none."""
    chance = random.Random(seed)
    size, content = given[:8], given[8:]
    if len(content) < 512:
        return None
    value = chance.choice((chance.randbytes(chance.choice((1, 2, 4, 8, 16))), bytes(8), b"\xff" * 8, b"\0\0\2\0"))
    if chance.random() < 0.5 and len(content) >= 2048:
        content = with_header(content, chance.choice((0, 8, 16, 24, 28, 32, 40, 56, 64, 66)), value)
    else:
        content = with_footer(content, chance.choice((0, 8, 12, 16, 24, 28, 36, 40, 48, 56, 60, 68, 84)), value)
    return size + content
