"""Settings that gunicorn reads as its configuration file; never imported by the tests.

All options stand here and none on the command line, because Keystone parses `sys.argv` when it is imported and dies
on words that it does not know.
"""

import os
import signal
import threading
import time

wsgi_app = os.environ["REAL_CLOUD_APPLICATION"]
bind = "fd://" + os.environ["REAL_CLOUD_SOCKET"]
workers = 1
worker_class = "gthread"
threads = 12
timeout = 120
graceful_timeout = 2
control_socket_disable = True


def when_ready(server: object) -> None:
    """Stop with the starter, however that ended."""
    del server
    starter = os.getppid()

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
