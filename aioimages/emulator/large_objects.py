"""Cloud Files: static large objects, which are made of others by a manifest."""

import math
from typing import Any, Final
from urllib.parse import quote

import attrs
import orjson
from aiohttp import web

from aioimages.emulator.file_request import FileRequest
from aioimages.emulator.objects import Segment, Shelf, StoredObject
from aioimages.emulator.refusal import Refusal

__all__ = ["delete_all", "read_manifest", "segments_of"]

_MOST: Final = 1000
_KEYS: Final = frozenset({"path", "etag", "size_bytes"})
_NO_OBJECT: Final = "path does not refer to an object. Path must be of the form /container/object."
_TOO_SMALL: Final = "Too small; each segment must be at least 1 byte."


def read_manifest(body: bytes) -> list[dict[str, Any]]:
    """Return the entries of a manifest that was sent."""
    try:
        entries = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "Manifest must be valid JSON.\n") from None
    if not isinstance(entries, list):
        raise Refusal(400, "Manifest must be a list.\n")
    objections = [(place, _objection(entry)) for place, entry in enumerate(entries)]
    said = "".join(f"Index {place}: {objection}\n" for place, objection in objections if objection)
    if said:
        raise Refusal(400, said)
    if len(entries) > _MOST:
        raise Refusal(413, f"Number of object-backed segments must be <= {_MOST}")
    return entries


def _objection(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return "not a JSON object"
    path, size = entry.get("path"), entry.get("size_bytes")
    strange = ", ".join(f'"{key}"' for key in sorted(entry.keys() - _KEYS))
    objections = {
        "expected keys to include one of 'path' or 'data'": "path" not in entry,
        f"extraneous keys {strange}": bool(strange),
        '"path" must be a string': not isinstance(path, str),
        '"etag" must be a string or null (if provided)': not isinstance(entry.get("etag"), str | None),
        _NO_OBJECT: "/" not in str(path).strip("/"),
        "invalid size_bytes": size is not None and not str(size).isdecimal(),
    }
    return next((words for words, holds in objections.items() if holds), None)


def segments_of(asked: FileRequest, path: str, entries: list[dict[str, Any]]) -> tuple[Segment, ...]:
    """Return the parts of the large object that is to be at a path; all are there, and are what the manifest says."""
    problems: list[tuple[str, str]] = []
    segments = []
    for place, entry in enumerate(entries):
        part = f"/{entry['path'].lstrip('/')}"
        if part == path:
            raise Refusal(400, f"Index {place}: manifest must not include itself as a segment\n")
        stored = asked.shelf.find(part)
        if stored is None:
            problems.append((quote(part), "404 Not Found"))
            continue
        is_last = place == len(entries) - 1
        problems.extend((quote(part), words) for words in _problems(entry, stored, is_last=is_last))
        segments.append(_segment(part, stored))
    if problems:
        raise _refusal(asked, problems)
    return tuple(segments)


def _problems(entry: dict[str, Any], stored: StoredObject, *, is_last: bool) -> list[str]:
    size, etag = entry.get("size_bytes"), entry.get("etag")
    problems = {
        _TOO_SMALL: stored.size < 1 and not is_last,
        "Size Mismatch": size is not None and int(size) != stored.size,
        "Etag Mismatch": etag is not None and etag != stored.etag.strip('"'),
    }
    return [words for words, holds in problems.items() if holds]


def _segment(path: str, stored: StoredObject) -> Segment:
    return Segment(
        path=path,
        etag=stored.etag.strip('"'),
        size=stored.size,
        content_type=stored.content_type,
        modified_at=math.ceil(stored.modified_at),
        is_large=stored.segments is not None,
    )


def _refusal(asked: FileRequest, problems: list[tuple[str, str]]) -> Refusal:
    if asked.accepts_json:
        said = orjson.dumps({"Errors": problems}).decode()
        return Refusal(400, said, headers={"Content-Type": "application/json"})
    return Refusal(400, "Errors:\n" + "".join(f"{path}, {words}\n" for path, words in problems))


@attrs.define
class _Tally:
    deleted: int = 0
    missing: int = 0
    errors: list[tuple[str, str]] = attrs.field(factory=list)

    def answer(self, *, in_json: bool) -> web.Response:
        said = {
            "Number Deleted": self.deleted,
            "Number Not Found": self.missing,
            "Response Body": "",
            "Response Status": "400 Bad Request" if self.errors else "200 OK",
        }
        if in_json:
            body = orjson.dumps({**said, "Errors": self.errors})
            return web.Response(body=body, content_type="application/json")
        lines = [f"{name}: {value}" for name, value in said.items()]
        return web.Response(text="\n".join([*lines, "Errors:", *(", ".join(error) for error in self.errors), ""]))


async def delete_all(asked: FileRequest) -> web.Response:
    """DELETE /v1/{account}/{container}/{object}?multipart-manifest=delete."""
    tally = _Tally()
    stored = asked.shelf.find(asked.path)
    if stored is not None and stored.segments is None:
        tally.errors.append((quote(asked.path), "Not an SLO manifest"))
    else:
        for path in _parts_first(asked.shelf, asked.path, frozenset()):
            if asked.shelf.find(path) is None:
                tally.missing += 1
            else:
                asked.shelf.delete(path)
                tally.deleted += 1
    return tally.answer(in_json=asked.accepts_json)


def _parts_first(shelf: Shelf, path: str, above: frozenset[str]) -> list[str]:
    """Return what a large object is made of, and it itself at the end."""
    stored = shelf.find(path)
    segments = () if stored is None or path in above else stored.segments or ()
    return [*(part for segment in segments for part in _parts_first(shelf, segment.path, above | {path})), path]
