"""Commands that run to their end, with a time limit, and say what they printed when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from real_cloud._errors import RealCloudError

_TAIL_LINES = 40


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of a text."""
    return "\n".join(text.splitlines()[-lines:])


def run(command: Sequence[str | Path], *, timeout: float, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed; a failure or an overrun raises with the tail of that."""
    words = [str(word) for word in command]
    failure = ""
    output = ""
    try:
        done = subprocess.run(  # a list, no shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            timeout=timeout,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        failure = f"did not end within {timeout:.0f} s"
        output = error.output.decode(errors="replace") if isinstance(error.output, bytes) else (error.output or "")
    except OSError as error:
        failure = f"could not be started: {error}"
    else:
        output = done.stdout
        if done.returncode:
            failure = f"ended with {done.returncode}"
    if failure:
        raise RealCloudError(f"`{' '.join(words)}` {failure}\n{tail(output)}")
    return output
