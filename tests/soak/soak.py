"""Use everything at once for half an hour, with one request in five going wrong, and account for every item.

It prints the seed and what came of it all as a table, and ends with 1 when anything was lost, doubled, left, late or
not reported. The same seed makes the same plan; what meets which fault also depends on the time that things take.
"""

import argparse
import asyncio
import platform
import random
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import glance_rounds
import rackspace_rounds
from book import Book
from cloud import Cloud, running
from desk import Clients, Desk, GivenUpError
from leaks import Complaints, Leaks
from soak_report import Sample, put_into, report
from tallies import Tallies, Ticker

_ROUNDS: Final = {"rackspace": rackspace_rounds.ROUNDS, "openstack": glance_rounds.ROUNDS}
_PHASE_SECONDS: Final = 30.0
_RENEWAL_SECONDS: Final = (5.0, 15.0)
_WARM_SECONDS: Final = 300.0
_GROWTH: Final = 1.1


class Soak:
    """One run."""

    def __init__(self, cloud: Cloud, arguments: argparse.Namespace, folder: Path) -> None:
        self._cloud = cloud
        self._seconds = 60.0 * arguments.minutes
        self._seed = arguments.seed
        self.tallies = Tallies()
        self.book = Book(self.tallies)
        self.samples: list[Sample] = []
        self.requests = 0
        self.faults: dict[str, int] = {}
        self.seconds = 0.0
        self.ticker = Ticker()
        self._complaints = Complaints(self.tallies)
        self._leaks = Leaks(self.tallies)
        self._began = time.monotonic()
        self.clients = [Clients(cloud, dialect, self.tallies, self.ticker) for dialect in _ROUNDS]
        self._desks: list[Desk] = []
        for clients in self.clients:
            for number in range(arguments.workers):
                place = folder / f"{clients.dialect}-{number}"
                place.mkdir()
                self._desks.append(
                    Desk(self._seed, number, clients, cloud.files, place, self.book, self.tallies, self.ticker)
                )

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def run(self) -> None:
        """Work in phases, and compare after each."""
        chance = random.Random(f"{self._seed} renewals")
        ticking = asyncio.ensure_future(self.ticker.tick())
        self._sample()
        while (left := self._seconds - self._now()) > 0:
            ends_at = time.monotonic() + min(_PHASE_SECONDS, left)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew(chance, ends_at))
                for desk in self._desks:
                    group.create_task(_work(desk, ends_at))
            await self._check(ticking)
            print(f"{self._now() / 60:.1f} min: {self.tallies.total():,} operations", file=sys.stderr, flush=True)
        ticking.cancel()
        await asyncio.wait([ticking])
        self.seconds = self._now()
        for clients in self.clients:
            await clients.close()
        await self._leaks.check_end()
        self._check_memory()

    async def _renew(self, chance: random.Random, ends_at: float) -> None:
        while (pause := chance.uniform(*_RENEWAL_SECONDS)) < ends_at - time.monotonic():
            await asyncio.sleep(pause)
            await chance.choice(self.clients).renew(chance)

    async def _check(self, ticking: asyncio.Task[None]) -> None:
        truth = self._cloud.ask("GET", "/truth")
        self.requests, self.faults = truth["requests"], truth["faults"]
        self.book.compare(truth["there"])
        self._cloud.ask("POST", "/forget")
        for desk in self._desks:
            desk.kept.clear()
        await self._leaks.check_idle([client for clients in self.clients for client in clients.all()], ticking)
        self._sample()

    def _sample(self) -> None:
        self.samples.append(Sample(self._now(), self._leaks.memory_bytes(), self._leaks.objects(), self._leaks.files()))

    def _check_memory(self) -> None:
        warm = [sample for sample in self.samples if sample.seconds >= _WARM_SECONDS]
        if len(warm) > 1 and max(sample.memory_bytes for sample in warm) > _GROWTH * warm[0].memory_bytes:
            self.tallies.breach("memory", f"grew by more than a tenth: {[one.memory_bytes for one in warm]}")

    @property
    def is_sound(self) -> bool:
        """Whether nothing was broken."""
        return not self.tallies.broken


async def _work(desk: Desk, ends_at: float) -> None:
    """Go from round to round."""
    while time.monotonic() < ends_at:
        desk.begin_round()
        rounds = _ROUNDS[desk.clients.dialect]
        (chosen,) = desk.chance.choices(list(rounds), list(rounds.values()))
        try:
            await chosen(desk)
        except GivenUpError:
            # The operation has been counted, and what is known of its item is in the book.
            continue


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of all chance (drawn anew)")
    parser.add_argument("--faults", type=float, default=0.2, help="the share of requests to go wrong (%(default)s)")
    parser.add_argument("--workers", type=int, default=16, help="how many in each dialect (%(default)s)")
    parser.add_argument("--page", type=Path, help="also put the figures into this page")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(10**6)
    return arguments


async def _main(arguments: argparse.Namespace, cloud: Cloud, folder: Path) -> bool:
    soak = Soak(cloud, arguments, folder)
    await soak.run()
    machine = (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, aiohttp {version('aiohttp')}"
    )
    text = report(soak, arguments, machine)
    print(text)
    if arguments.page:
        put_into(arguments.page, text)
    return soak.is_sound


def main() -> None:
    """Run it."""
    arguments = _arguments()
    print(f"seed {arguments.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, running(arguments.seed, arguments.faults) as cloud:
        is_sound = asyncio.run(_main(arguments, cloud, Path(folder)))
    sys.exit(not is_sound)


if __name__ == "__main__":
    main()
