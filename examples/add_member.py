"""Share an image with another account."""

from playground import run

from aioimages import Client, ConflictError


async def main(client: Client, image_id: str, member_id: str) -> None:
    """Add a member; adding it twice is a conflict."""
    print(await client.members.create(image_id, member_id))
    try:
        await client.members.create(image_id, member_id)
    except ConflictError as error:
        print(f"once is enough: {error}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.member_id))
