"""Get details of an image."""

from playground import run

from aioimages import Client, NotFoundError


async def main(client: Client, image_id: str) -> None:
    """Look an image up, and look for one that is not there."""
    image = await client.images.get(image_id)
    print(image)
    print(f"made {image.created_at:%Y-%m-%d}, tags {image.tags}, properties {dict(image.properties)}")

    try:
        await client.images.get("00000000-0000-0000-0000-000000000000")
    except NotFoundError as error:
        print(f"as was to be expected: {error}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id))
