"""Get details of an image member."""

from playground import run

from aioimages import Client


async def main(client: Client, image_id: str, member_id: str) -> None:
    """Share an image, and see whether it was accepted."""
    await client.members.create(image_id, member_id)
    member = await client.members.get(image_id, member_id)
    print(f"{member.member_id} was asked at {member.created_at} and is {member.status}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.member_id))
