"""Update an image."""

from playground import run

from aioimages import Client


async def main(client: Client, image_id: str) -> None:
    """Rename an image, set a property and remove another, in one request."""
    await client.images.update(image_id, {"os_distro": "debian"})
    image = await client.images.update(image_id, {"name": "web-2", "os_version": "12"}, remove=["os_distro"])
    print(image.name, dict(image.properties))

    await client.images.add_tag(image_id, "gold")
    print((await client.images.get(image_id)).tags)


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id))
