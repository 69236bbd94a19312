"""List whom an image is shared with."""

from playground import run

from aioimages import Client


async def main(client: Client, image_id: str, member_id: str) -> None:
    """Share an image, and list its members."""
    await client.members.create(image_id, member_id)
    async for member in client.members.list(image_id):
        print(member.member_id, member.status)


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.member_id))
