"""One server in a process group of its own, on a socket that was bound before it started."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from real_cloud._errors import RealCloudError
from real_cloud._run import tail

_SETTINGS = Path(__file__).with_name("_gunicorn.py")
_START_LIMIT = 90.0
_STOP_LIMIT = 10.0


class Server:
    """A WSGI application under gunicorn.

    The kernel's free port is bound here and handed down as an open socket, so nobody can take it in between.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def launch(self, gunicorn: Path, application: str, environment: Mapping[str, str]) -> None:
        """Start the process; `wait` says when it answers."""
        settings = {
            "GUNICORN_CMD_ARGS": f"--config {shlex.quote(str(_SETTINGS))}",
            "REAL_CLOUD_APPLICATION": application,
            "REAL_CLOUD_SOCKET": str(self._socket.fileno()),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [gunicorn],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env={**os.environ, **environment, **settings},
                pass_fds=(self._socket.fileno(),),
                start_new_session=True,
            )
        self._socket.close()  # the server holds it now; with it gone, the port refuses at once

    def wait(self) -> None:
        """Until the root URL answers, whatever it says; an early end or an overrun raises with the log's tail."""
        deadline = time.monotonic() + _START_LIMIT
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise RealCloudError(f"{self.name} ended while starting\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RealCloudError(f"{self.name} did not answer within {_START_LIMIT:.0f} s\n{self.log_tail()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        # No proxy: a machine's proxy settings have no say about loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(self.url + "/", timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()  # both greet with 300 Multiple Choices
            return answer.code < http.client.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
        return True

    def log_tail(self) -> str:
        """The end of what it logged."""
        text = self.log.read_text(errors="replace") if self.log.is_file() else ""
        return f"--- {self.name}: {self.log}\n{tail(text)}"

    def stop(self) -> None:
        """End the process group that was started here, gently first."""
        self._socket.close()
        process, self._process = self._process, None
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_LIMIT)
                break
