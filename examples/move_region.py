"""Move all of one's images to another region."""

from playground import run

from aioimages import Client, Image, workflows


async def main(client: Client, elsewhere: Client, container: str) -> None:
    """Copy each private image that is not there yet, four at a time, without a file in between."""
    there = {image.name async for image in elsewhere.images.list(visibility="private")}
    wanted = [image.id async for image in client.images.list(visibility="private") if image.name not in there]

    async def copy(image_id: str) -> Image:
        return await workflows.copy_image(
            image_id, source=client, target=elsewhere, container=container, create_container=True
        )

    async with client.bulk.map(copy, wanted, concurrency=4) as outcomes:
        async for outcome in outcomes:
            print(outcome.key, "is there as", outcome.value.id if outcome.value else outcome.error)


if __name__ == "__main__":
    run(lambda place: main(place.client, place.elsewhere, place.container))
