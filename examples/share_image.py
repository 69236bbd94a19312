"""Share an image, and let the other account accept it, in one call."""

from playground import run

from aioimages import Client, workflows


async def main(client: Client, image_id: str, member_id: str, member: Client) -> None:
    """Share an image with somebody whose client is at hand."""
    for shared in await workflows.share(client, image_id, [member_id], accept_with=member):
        print(shared.member_id, "has", shared.status)


if __name__ == "__main__":
    run(lambda place: main(place.client, place.image_id, place.member_id, place.member))
