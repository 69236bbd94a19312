"""Settings that gunicorn reads as its configuration file; never imported by the tests.

All options stand here and none on the command line, because Keystone parses `sys.argv` when it is imported and dies
on words that it does not know.
"""

import importlib
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
limit_request_line = 8190  # the default of 4094 refuses long lists of ids
control_socket_disable = True


def post_fork(server: object, worker: object) -> None:
    """Let writers queue.

    Both services open a transaction, read, and then write. Two that do so at once on SQLite cannot both go on, and one
    gets "database is locked" without any waiting, which leaves Glance's tasks failed or pending for ever. A transaction
    that says from the start that it will write waits for its turn instead.
    """
    del server, worker
    sqlalchemy = importlib.import_module("sqlalchemy")

    def begin(
        _connection: object, _cursor: object, statement: str, parameters: object, _context: object, _many: object
    ) -> tuple[str, object]:
        return "BEGIN IMMEDIATE" if statement == "BEGIN" else statement, parameters

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", begin, retval=True)


def when_ready(server: object) -> None:
    """Stop with the starter, however that ended."""
    del server
    starter = os.getppid()

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
