"""What fuzzing begins with is sound, and reaches every operation."""

import ast
from contextlib import suppress
from pathlib import Path

import pytest
from entries import CALLS, ENTRIES, answer
from mutations import changed_disk, changed_document
from seeds import codec_seeds, disk_seeds, words

from aioimages import AioImagesError, _calls
from aioimages._call import NotLandedError

CALLS_FOLDER = Path(_calls.__file__).parent
SOURCE = Path(__file__).with_name("entries.py").read_text()


def _operations() -> list[str]:
    """Return the functions that make a call, each behind its module's name."""
    found = []
    for path in sorted(CALLS_FOLDER.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.returns and not node.name.startswith("_"):
                made = ast.unparse(node.returns)
                found += [f"{path.stem}.{node.name}"] if made.startswith("Call[") else []
    return found


@pytest.mark.parametrize("operation", _operations())
def test_every_operation_is_fuzzed(operation: str) -> None:
    """The answers to each operation are among what is fuzzed."""
    assert f"{operation}(" in SOURCE


@pytest.mark.parametrize("name", ENTRIES)
def test_seeds(name: str) -> None:
    """Every seed gives what was understood, or an error of ours."""
    for seed in codec_seeds() if name == "codec" else disk_seeds():
        ENTRIES[name](seed)


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: f"{CALLS[number].method}-{CALLS[number].path}")
def test_seeds_are_understood(number: int) -> None:
    """Each operation understands at least one of the seeds: mutations begin behind its door."""
    understood = 0
    for seed in codec_seeds():
        call = CALLS[seed[0]]
        reply = answer(call, seed[1], seed[2:])
        if seed[0] == number and reply.status in call.ok:
            try:
                with suppress(NotLandedError):
                    call.read(reply)
            except AioImagesError:
                continue
            understood += 1
    assert understood


def test_mutations() -> None:
    """Changed documents and disks are other inputs of the same kind, and are read as those are."""
    chosen = tuple(words())
    for number, seed in enumerate(codec_seeds()):
        changed = changed_document(seed, chosen, number)
        assert changed is None or changed[:2] == seed[:2]
        ENTRIES["codec"](changed or seed)
    for number, seed in enumerate([*disk_seeds()] * 50):
        ENTRIES["disk"](changed_disk(seed, number) or seed)
