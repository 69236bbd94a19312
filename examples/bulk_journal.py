"""Import many disks, whatever happens to the program."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from playground import Playground, run

from aioimages import Client, ImportRequest


async def main(client: Client, import_from: str, journal: Path) -> None:
    """Import disks with a journal. When the program ends before they are all there, start it again."""
    requests = [ImportRequest(import_from, f"web-{number}") for number in range(20)]
    async with client.bulk.import_images(requests, journal=journal) as outcomes:
        async for outcome in outcomes:
            print(outcome.key.name, "is", outcome.value.image_id if outcome.value else outcome.error)
    print(outcomes.report)


def look(journal: Path) -> None:
    """See how far a run is, also while it goes on: `sqlite3 run.db` takes the same words."""
    with closing(sqlite3.connect(journal)) as file:
        for step, count in file.execute("SELECT step, count(*) FROM item GROUP BY step"):
            print(count, "items are", step)
        for name, message in file.execute("SELECT name, message FROM item WHERE error IS NOT NULL"):
            print(name, message)


async def twice(place: Playground) -> None:
    """Run it, and run it again as after a crash."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "run.db"
        await main(place.client, place.import_from, journal)
        await main(place.client, place.import_from, journal)
        look(journal)


if __name__ == "__main__":
    run(twice)
