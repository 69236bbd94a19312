"""`client.servers`."""

from collections.abc import Mapping

from aioimages._calls import servers as calls
from aioimages._listing import Listing
from aioimages._models import Server
from aioimages._session import Session

__all__ = ["Servers"]


class Servers:
    """Cloud Servers, as far as images are captured from them (Compute, "Servers"). Found in the catalog."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, *, page_size: int | None = None, max_items: int | None = None) -> Listing[Server]:
        """List the account's servers.

        Args:
            page_size: How many to fetch at a time.
            max_items: How many to list at the most.
        """
        return Listing(
            self._session.run,
            calls.list_page(),
            key=lambda server: server.id,
            page_size=page_size,
            max_items=max_items,
        )

    async def create_image(self, server_id: str, *, name: str, metadata: Mapping[str, str] | None = None) -> str:
        """Ask for an image of a server, and return the image's id (Compute, "Create image action").

        `client.images.wait` tells when it is there; `aioimages.workflows.capture_server` does both.

        Args:
            server_id: The server.
            name: What the image is called.
            metadata: Properties of the image.

        Raises:
            NotFoundError: There is no such server.
            ConflictError: The server is not in a state for it.
            AmbiguousOutcomeError: The answer was lost, so the image may be on its way. It is never asked for twice.
        """
        return await self._session.run(calls.create_image(server_id, name, metadata))
