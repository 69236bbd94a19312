"""Import an image, and wait until it is there."""

from playground import run

from aioimages import Client, TaskFailedError


async def main(client: Client, import_from: str) -> None:
    """Import a disk: `container/object.vhd` at Rackspace, an http URL elsewhere."""
    task = await client.tasks.import_image(import_from, name="imported")
    print(f"asked for: {task}")
    try:
        task = await client.tasks.wait(task.id, timeout=3600)
    except TaskFailedError as error:
        print(f"refused with code {error.code}: {error.reason}")
    else:
        print(f"imported as {task.image_id}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.import_from))
