"""An image of a server."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from aioimages._client import Client
from aioimages._errors import NotFoundError
from aioimages._models import Image
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._steps import Steps

__all__ = ["capture_server"]


async def capture_server(
    client: Client,
    server_id: str,
    *,
    name: str,
    metadata: Mapping[str, str] | None = None,
    timeout: float | Unset | None = UNSET,
    progress: Progress | None = None,
) -> Image:
    """Make an image of a server, wait until it is active, and return it.

    Args:
        client: Whose server.
        server_id: The server.
        name: What the image is called.
        metadata: Properties of the image.
        timeout: Seconds to wait; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
        progress: Who wants to know how far it is.

    Raises:
        NotFoundError: There is no such server.
        TransferError: The service gave the image up.
        TaskTimeoutError: The time is over; what there was of the image is deleted.
    """
    with Steps("capture_server", server_id, progress) as steps:

        async def drop(image_id: str) -> None:
            with suppress(NotFoundError):
                await client.images.delete(image_id)

        asking = partial(client.servers.create_image, server_id, name=name, metadata=metadata)
        async with steps.begun("begin", asking, drop) as image_id:
            with steps.step("become active"):
                return await client.images.wait(image_id, timeout=timeout)
