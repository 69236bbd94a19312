"""Accept an image that another account shares with you."""

from playground import run

from aioimages import Client


async def main(client: Client, member: Client, image_id: str, member_id: str) -> None:
    """Share an image as one account, accept it as the other, and find it there."""
    await client.members.create(image_id, member_id)
    print(await member.members.update(image_id, member_id, "accepted"))
    async for image in member.images.list(visibility="shared", member_status="accepted"):
        print(image.name, image.owner)


if __name__ == "__main__":
    run(lambda place: main(place.client, place.member, place.image_id, place.member_id))
