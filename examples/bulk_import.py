"""Import many disks at once."""

from playground import run

from aioimages import Client, ImportRequest, TaskFailedError


async def main(client: Client, import_from: str) -> None:
    """Import disks concurrently; one that fails does not stop the others."""
    requests = [ImportRequest(import_from, f"web-{number}") for number in range(20)]
    requests.append(ImportRequest(f"{import_from}-is-not-there", "missing"))
    async with client.bulk.import_images(requests) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome.error, TaskFailedError):
                print(f"{outcome.key.name}: {outcome.error.reason}")
            else:
                print(f"{outcome.key.name}: image {outcome.unwrap().image_id}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.import_from))
