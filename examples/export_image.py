"""Export an image to Cloud Files, and wait until it is there."""

from playground import run

from aioimages import Client


async def main(client: Client, image_id: str, container: str) -> None:
    """Export an image of yours as a VHD. Only Rackspace has this."""
    task = await client.tasks.export_image(image_id, container=container)
    task = await client.tasks.wait(task.id, timeout=3600)
    print(f"the disk is at {task.export_location}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.container))
