"""Starts one of Swift's servers, and ends it with its starter; run by the environment's Python, never imported.

    python _swift_main.py STARTER SCRIPT CONFIGURATION

Told by a thread, because Linux's own signal at a parent's death comes already when the parent's thread has ended.
"""

import os
import runpy
import signal
import sys
import threading
from time import sleep  # before eventlet replaces it


def _watch(starter: int) -> None:
    while os.getppid() == starter:
        sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv[:] = [*sys.argv[2:], "--verbose"]  # without that word it logs to the machine's log only
    runpy.run_path(sys.argv[0], run_name="__main__")
