"""Make images of servers."""

from playground import run

from aioimages import Client, Image, Server, workflows


async def main(client: Client) -> None:
    """Make an image of every server, a few at a time."""

    async def capture(server: Server) -> Image:
        return await workflows.capture_server(client, server.id, name=f"{server.name}-backup")

    async with client.bulk.map(capture, client.servers.list(), concurrency=4) as outcomes:
        async for outcome in outcomes:
            print(outcome.key.name, "is kept as", outcome.value.name if outcome.value else outcome.error)


if __name__ == "__main__":
    run(lambda place: main(place.client))
