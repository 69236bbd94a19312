"""Sign in with a user name and an API key."""

import asyncio
import os

from aioimages import AuthenticationError, Client, RackspaceApiKey, connect
from aioimages.emulator import Emulator


async def main(client: Client) -> None:
    """Sign in: the first call does."""
    async with client:
        try:
            image = await client.images.list().first()
        except AuthenticationError as error:
            print(f"that did not work: {error}")
        else:
            print(f"signed in; there is, for one, {image}")


async def on_emulator() -> None:
    """Show both ways that it can go."""
    async with Emulator() as cloud:
        for api_key in (cloud.producer.api_key, "another-key"):
            credentials = RackspaceApiKey(cloud.producer.username, api_key, auth_url=cloud.rackspace_auth_url)
            await main(Client(credentials, region="DFW"))


if __name__ == "__main__":
    is_yours = os.environ.get("PLAYGROUND") == "yours"
    asyncio.run(main(connect()) if is_yours else on_emulator())
