"""Servers in process groups of their own, on ports that were taken before they started."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from real_cloud._errors import RealCloudError
from real_cloud._run import tail

_HERE = Path(__file__).parent
_START_LIMIT = 90.0
_STOP_LIMIT = 10.0


class Server:
    """A process that answers HTTP on a free port of the kernel's, which is bound here so that nobody else gets it."""

    _greeting = "/"

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(
        self, command: Sequence[str | Path], environment: Mapping[str, str], *, pass_fds: Sequence[int] = ()
    ) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env={**os.environ, **environment},
                pass_fds=pass_fds,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it greets, whatever it says; an early end or an overrun raises with the log's tail."""
        deadline = time.monotonic() + _START_LIMIT
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise RealCloudError(f"{self.name} ended while starting\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RealCloudError(f"{self.name} did not answer within {_START_LIMIT:.0f} s\n{self.log_tail()}")
            time.sleep(0.1)
        self._socket.close()  # the server has the port now; with it gone, the port refuses at once

    def _answers(self) -> bool:
        # No proxy: a machine's proxy settings have no say about loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(self.url + self._greeting, timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()  # Keystone and Glance greet with 300 Multiple Choices
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


class Gunicorn(Server):
    """A WSGI application under gunicorn, which is handed the open socket."""

    def launch(self, gunicorn: Path, application: str, environment: Mapping[str, str]) -> None:
        """Start the process; `wait` says when it answers."""
        settings = {
            "GUNICORN_CMD_ARGS": f"--config {shlex.quote(str(_HERE / '_gunicorn.py'))}",
            "REAL_CLOUD_APPLICATION": application,
            "REAL_CLOUD_SOCKET": str(self._socket.fileno()),
        }
        self._socket.listen(256)
        self._start([gunicorn], {**environment, **settings}, pass_fds=(self._socket.fileno(),))
        self._socket.close()


class SwiftServer(Server):
    """One of Swift's servers, which binds its port by itself.

    Linux lets two sockets have one port when both ask for SO_REUSEADDR and only one listens: that is the server's, and
    the other one keeps everybody else away until then.
    """

    _greeting = "/healthcheck"

    def launch(self, environment: Path, configuration: Path) -> None:
        """Start the process; `wait` says when it answers."""
        script = environment / "bin" / f"{self.name}-server"
        starter = str(os.getpid())
        self._start(
            [environment / "bin" / "python", _HERE / "_swift_main.py", starter, script, configuration],
            {"SWIFT_DIR": str(configuration.parent)},
        )
