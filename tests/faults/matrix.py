"""The faults that the client is to survive, by number. `@pytest.mark.fault(n)` says which a test puts in."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FAULTS", "Case", "cases"]

_HERE: Final = Path(__file__).parent

FAULTS: Final = {
    1: "the connection is reset in the middle of a download",
    2: "the connection is closed before the promised length of a download",
    3: "a download without a length ends early",
    4: "a chunked download ends in a chunk, or before the last one",
    5: "a download that goes on from a byte is answered with the whole",
    6: "a download that goes on from a byte is answered with another range, or of another length",
    7: "a download that goes on from its last byte is refused with 416",
    8: "the image is replaced or deleted while a download goes on",
    9: "a byte of a download is changed",
    10: "a download is longer than the image",
    11: "an image has no data (204, or nothing)",
    12: "a part of an image comes with the digest of the whole",
    13: "an image names a digest that is unknown, of no fixed length, null or forbidden here",
    14: "neither digest nor size of an image are known",
    15: "a download trickles",
    16: "a download stalls, its connection open",
    17: "the disk is full, cannot be written, or the target is a folder",
    18: "the program is killed in the middle of a download",
    19: "a download is cancelled at any moment",
    20: "two downloads go to one path",
    21: "an upload is refused with 401 when its data have been read",
    22: "an upload is refused with 401 before its data are read, and the connection closed",
    23: "an upload is refused with 413 or 403 early, and the connection reset",
    24: "an upload is refused with 503 and `Retry-After` on its way",
    25: "the answer to a whole upload is lost",
    26: "an upload fails whose source cannot be read again",
    27: "a file changes while it is uploaded",
    28: "a source raises an error in the middle of an upload",
    29: "the service has other data than were uploaded",
    30: "an upload that is sent again meets its own earlier try (409)",
    31: "the image is deleted during an upload (410)",
    32: "a connection is lost right after a request was sent",
    33: "an upload is cancelled",
    34: "a bulk run is interrupted (Ctrl-C)",
    35: "the token is revoked with 1,000 calls on their way",
    36: "every token is refused, however new",
    37: "the call that signs in for all is cancelled",
    38: "the identity service is down or slow when a token is renewed",
    39: "a refusal of the old token comes when there is a new one",
    40: "a clock is an hour wrong, or a token's expiry is past, missing or odd",
    41: "the catalog lacks the service or the region, or names a URL that will not do",
    42: "`Retry-After` is a number, a date, past, negative, huge or junk",
    43: "429, and 413 as a rate limit or as a quota",
    44: "a creation is answered with 500, carried out or not",
    45: "a creation with an id of one's own meets an image of somebody else, or one that was deleted",
    46: "the answer to a removal of a property is lost",
    47: "many changes of one image at once",
    48: "an image is changed while it is uploaded",
    49: "the answer to a sharing is lost",
    50: "the answer to a request for a task is lost (Glance)",
    51: "the answer to a request for an import or an export is lost (Rackspace)",
    52: "a task that was just made is not found yet",
    53: "a task has expired (404)",
    54: "a task never ends",
    55: "a task or an image has a status that nobody knows",
    56: "a task succeeds without a result, or fails with an odd message",
    57: "polls meet 503, cut connections and 401 now and then",
    58: "1,000 tasks are awaited at once",
    59: "`next` leads to another host, scheme or port",
    60: "a redirect leads elsewhere",
    61: "pages lead in a circle, or are empty without end",
    62: "items come twice, or come and go between pages",
    63: "the image that marks the next page is gone (400)",
    64: "an answer is truncated, empty, HTML, or in a wrong character set",
    65: "an answer's JSON has huge numbers, no numbers, deep nesting, half characters or double keys",
    66: "fields are null, missing, unknown or of a wrong type",
    67: "times are in any form, or no times at all",
    68: "an answer is compressed though that was not asked for, is a bomb, or is damaged",
    69: "an answer is no proper HTTP",
    70: "an id, tag or member id would change the path",
    71: "a property's name needs escaping, is blank, or is reserved",
    72: "a token, store or user agent does not fit into a header",
    73: "no connection of the pool is free",
    74: "the host is unknown, refuses, or cannot be reached",
    75: "TLS fails: self-signed, expired, wrong host, no TLS, handshake cut",
    76: "proxies: named by the environment, with credentials, refusing, down, cut",
    77: "the event loop stands still for 2 s",
    78: "closing in the middle, use after closing, two loops, no `async with`",
}


@dataclass(frozen=True)
class Case:
    """A test of faults.

    Attributes:
        name: What it is called.
        file: Where it stands.
        claim: What the client does, as its docstring says.
        faults: The numbers of the faults that it puts in.
        is_live: Whether a real cloud is judge of it, too.
    """

    name: str
    file: str
    claim: str
    faults: tuple[int, ...]
    is_live: bool


def cases() -> list[Case]:
    """Return all tests of faults, as they stand in the files."""
    return [case for path in sorted(_HERE.glob("test_*.py")) for case in _cases_in(path)]


def _cases_in(path: Path) -> Iterator[Case]:
    module = ast.parse(path.read_text())
    assigned = [node.value for node in module.body if isinstance(node, ast.Assign) and _is_named(node, "pytestmark")]
    shared = [mark for value in assigned for mark in ast.walk(value)]
    for node in module.body:
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_"):
            marks = [*shared, *(mark for decorator in node.decorator_list for mark in ast.walk(decorator))]
            faults = tuple(
                number for numbers in _arguments(marks, "fault") for number in numbers if isinstance(number, int)
            )
            if faults:
                claim = ast.get_docstring(node) or ""
                yield Case(node.name, path.name, claim, faults, _is_live(node, marks))


def _is_named(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _arguments(marks: list[ast.AST], name: str) -> list[list[object]]:
    """Return what the marks of one name are given."""
    return [
        [ast.literal_eval(argument) for argument in mark.args]
        for mark in marks
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr == name
    ]


def _is_live(node: ast.AsyncFunctionDef | ast.FunctionDef, marks: list[ast.AST]) -> bool:
    """Say whether a test runs on a real cloud: it asks for a cloud, and neither dialect nor cloud forbid it."""
    asks = {argument.arg for argument in node.args.args} & {"stage", "world"}
    dialects = [name for names in _arguments(marks, "dialects") for name in names]
    clouds = [name for names in _arguments(marks, "clouds") for name in names]
    return bool(asks) and (not dialects or "openstack" in dialects) and (not clouds or "live" in clouds)
