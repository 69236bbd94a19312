"""See every request: what is sent again, when, and why."""

import asyncio

from aioimages import Attempt, Client, RackspaceApiKey, RetryPolicy, ServerError
from aioimages.emulator import Emulator


def show(attempt: Attempt) -> None:
    """Print what came of a request."""
    follows = "" if attempt.delay_seconds is None else f"; again in {attempt.delay_seconds:.2f} s"
    print(f"{attempt.method} attempt {attempt.number}: {attempt.error or attempt.status}{follows}")


async def main(client: Client) -> None:
    """List images while the service is in trouble."""
    images = await client.images.list().collect()
    print(f"{len(images)} images, in spite of all")
    try:
        await client.images.get(images[0].id)
    except ServerError as error:
        print(f"given up after {error.attempts} attempts: {error.request_id}")


async def on_emulator() -> None:
    """Have trouble that passes, and trouble that stays."""
    async with Emulator() as cloud:
        cloud.faults.status(503, path="/images$", times=2)
        cloud.faults.status(502, path="/images/", times=None)
        credentials = RackspaceApiKey(
            cloud.producer.username, cloud.producer.api_key, auth_url=cloud.rackspace_auth_url
        )
        async with Client(credentials, region="DFW", retry=RetryPolicy(attempts=3), on_attempt=show) as client:
            await main(client)


if __name__ == "__main__":
    asyncio.run(on_emulator())
