"""`client.info` and `client.stores`."""

import builtins

from aioimages._calls import stores as calls
from aioimages._calls.identity import versions
from aioimages._models import Store, Usage
from aioimages._session import Session

__all__ = ["Info", "Stores"]


class Info:
    """What the service can do, and what quotas there are (Images v2, "Import methods…", "Quota usage", "API versions").

    Everything but the versions is OpenStack's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def import_methods(self) -> tuple[str, ...]:
        """Return the ways of importing: of `glance-direct`, `web-download`, `copy-image` and `glance-download`."""
        return await self._session.run(calls.import_methods(self._session.dialect))

    async def usage(self) -> dict[str, Usage]:
        """Return how much of each quota this project uses; nothing where the service has no quotas."""
        return await self._session.run(calls.usage(self._session.dialect))

    async def versions(self) -> tuple[str, ...]:
        """Return the versions of the API that the service has, such as `v2.17`.

        Some are there only with a feature that the operator switched on, so ask for the one that you need:
        `"v2.12" in await client.info.versions()`.
        """
        return await self._session.run(versions())


class Stores:
    """Where the service keeps image data (Images v2, "Stores"). OpenStack only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(self, *, detail: bool = False) -> "builtins.list[Store]":
        """Return the stores.

        Args:
            detail: Whether to tell how they are set up, which most clouds tell administrators only.

        Raises:
            NotFoundError: The service has one store only, and so does not name it.
        """
        return await self._session.run(calls.list_all(self._session.dialect, detail=detail))

    async def delete(self, store: str, image_id: str) -> None:
        """Take an image's data out of one store (Images v2, "Delete image from store").

        Raises:
            ForbiddenError: They are nowhere else.
            NotFoundError: They are not there.
        """
        await self._session.run(calls.delete(self._session.dialect, store, image_id))
