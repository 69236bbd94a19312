"""Stop sharing an image with an account."""

from playground import run

from aioimages import Client


async def main(client: Client, image_id: str, member_id: str) -> None:
    """Share an image, and take that back."""
    await client.members.create(image_id, member_id)
    await client.members.delete(image_id, member_id)
    print(f"still shared with {await client.members.list(image_id).collect()}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.member_id))
