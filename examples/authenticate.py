"""Sign in with a user name and an API key."""

import asyncio
import os

from aioimages import AuthenticationError, Client, RackspaceApiKey
from aioimages.emulator import Emulator


async def main(auth_url: str, username: str, api_key: str) -> None:
    """Sign in: the first call does."""
    credentials = RackspaceApiKey(username, api_key, auth_url=auth_url)
    async with Client(credentials, region="DFW") as client:
        try:
            image = await client.images.list().first()
        except AuthenticationError as error:
            print(f"that did not work: {error}")
        else:
            print(f"signed in as {username}; there is, for one, {image}")


async def on_emulator() -> None:
    """Show both ways that it can go."""
    async with Emulator() as cloud:
        user = cloud.producer
        await main(cloud.rackspace_auth_url, user.username, user.api_key)
        await main(cloud.rackspace_auth_url, user.username, "another-key")


if __name__ == "__main__":
    if "OS_API_KEY" in os.environ:
        asyncio.run(main(os.environ["OS_AUTH_URL"], os.environ["OS_USERNAME"], os.environ["OS_API_KEY"]))
    else:
        asyncio.run(on_emulator())
