"""Let Glance make an image of what is at a URL."""

from playground import embedded_openstack, run

from aioimages import Client, TaskFailedError


async def main(client: Client, url: str) -> None:
    """Import in one call, and then step by step, from where nothing is."""
    image = await client.images.import_from(url, name="web", disk_format="raw", timeout=600)
    print(f"{image.name} is {image.status}, with {image.size} bytes in {', '.join(image.stores)}")

    image = await client.images.create(name="other", disk_format="raw", container_format="bare")
    await client.images.start_import(image.id, "web-download", uri=f"{url}-is-not-there")
    try:
        await client.images.wait(image.id, timeout=600)
    except TaskFailedError as error:
        print(f"as was to be expected: {error.reason}")


if __name__ == "__main__":
    run(lambda place: main(place.client, place.import_from), embedded_openstack)
