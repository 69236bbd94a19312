"""One fuzzing process, which libFuzzer runs: `python target.py codec CORPUS -max_total_time=60`."""

import importlib
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# It has no types, and Pythons that it is not built for.
atheris: Any = importlib.import_module("atheris")


def main() -> None:
    """Fuzz one entry, without end but for what libFuzzer's options say."""
    name = sys.argv.pop(1)
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    with atheris.instrument_imports(include=["aioimages", "entries"]):
        entry = importlib.import_module("entries").ENTRIES[name]
    words = tuple(importlib.import_module("seeds").words())
    mutations = importlib.import_module("mutations")

    def mutate(given: bytes, longest: int, seed: int) -> bytes:
        changed = None
        if seed % 2:
            changed = (
                mutations.changed_document(given, words, seed)
                if name == "codec"
                else mutations.changed_disk(given, seed)
            )
        if changed is None or len(changed) > longest:
            return bytes(atheris.Mutate(given, len(given)))
        return bytes(changed)

    atheris.Setup(sys.argv, entry, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
