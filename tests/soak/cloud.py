"""The cloud of the soak, as its clients and its judge see it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aioimages import Client, KeystonePassword, PollPolicy, RackspaceApiKey, RetryPolicy, TimeoutPolicy
from aioimages.emulator import Account, Emulator

__all__ = ["Cloud", "running"]

_PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Cloud:
    """Where the cloud is."""

    rackspace: str
    openstack: str
    files: str
    judge: str

    def client(self, dialect: str, account: Account) -> Client:
        """Make a client of somebody for whom one request in five goes wrong, and who means to get on nevertheless."""
        credentials = (
            RackspaceApiKey(account.username, account.api_key, auth_url=self.rackspace)
            if dialect == "rackspace"
            else KeystonePassword(self.openstack, account.username, account.password, project_name=account.project_name)
        )
        return Client(
            credentials,
            region="DFW" if dialect == "rackspace" else "RegionOne",
            timeout=TimeoutPolicy(connect=2.0, read=2.0, call=15.0),
            retry=RetryPolicy(attempts=6, base=0.05, ceiling=1.0),
            poll=PollPolicy(first=0.1, growth=1.3, ceiling=1.0),
        )

    def ask(self, method: str, path: str) -> dict[str, Any]:
        """Ask as the judge does, over plain HTTP, without the library."""
        request = urllib.request.Request(self.judge + path, method=method)
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


PRODUCER, CONSUMER, ADMIN = Emulator.producer, Emulator.consumer, Emulator.admin


@contextmanager
def running(seed: int, faults: float) -> Iterator[Cloud]:
    """Run the cloud in a process of its own."""
    program = Path(__file__).with_name("cloud_process.py")
    command = [sys.executable, str(program), "--seed", str(seed), "--faults", str(faults)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Cloud(**json.loads(process.stdout.readline()))
        process.stdin.close()
