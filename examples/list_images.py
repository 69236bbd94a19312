"""List images."""

from playground import run

from aioimages import Client


async def main(client: Client) -> None:
    """List all images, the newest first, and then some of them."""
    async for image in client.images.list(sort="created_at:desc"):
        print(image.id, image.status, image.name, image.properties.get("os_distro"))

    public = await client.images.list(visibility="public", status="active", max_items=3).collect()
    print(f"{len(public)} public images, such as {[image.name for image in public]}")


if __name__ == "__main__":
    run(lambda place: main(place.client))
