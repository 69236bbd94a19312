"""Makes rings of one replica on one device; run by the environment's Python, never imported.

    python _swift_rings.py FOLDER NAME=PORT…

Three rings take nine commands of swift-ring-builder. Importing it takes longer than all of them: it is done once here.
"""

import importlib
import sys
from pathlib import Path


def _command(*words: str) -> None:
    builder = importlib.import_module("swift.cli.ringbuilder")
    try:
        builder.main(["swift-ring-builder", *words])
    except SystemExit as end:  # each command ends so, also when it went well
        if end.code:
            raise


if __name__ == "__main__":
    for ring in sys.argv[2:]:
        name, _, port = ring.partition("=")
        file = str(Path(sys.argv[1]) / f"{name}.builder")
        _command(file, "create", "4", "1", "0")
        _command(file, "add", f"r1z1-127.0.0.1:{port}/d1", "1")
        _command(file, "rebalance")
