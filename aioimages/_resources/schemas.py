"""`client.schemas`."""

from typing import Any

from aioimages._calls import schemas as calls
from aioimages._session import Session

__all__ = ["Schemas"]


class Schemas:
    """The JSON schemas of what the service knows, as documents (Images v2, "Image schemas", "Task schemas")."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, name: str) -> dict[str, Any]:
        """Return a schema: of `image`, `images`, `member`, `members`, `task` or `tasks`."""
        return await self._session.run(calls.get(name))

    async def image(self) -> dict[str, Any]:
        """Return the schema of an image, which says what properties it may have."""
        return await self.get("image")

    async def images(self) -> dict[str, Any]:
        """Return the schema of a listing of images."""
        return await self.get("images")

    async def member(self) -> dict[str, Any]:
        """Return the schema of a member."""
        return await self.get("member")

    async def members(self) -> dict[str, Any]:
        """Return the schema of a listing of members."""
        return await self.get("members")

    async def task(self) -> dict[str, Any]:
        """Return the schema of a task."""
        return await self.get("task")

    async def tasks(self) -> dict[str, Any]:
        """Return the schema of a listing of tasks."""
        return await self.get("tasks")
