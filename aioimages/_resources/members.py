"""`client.members`."""

from aioimages._calls import members as calls
from aioimages._listing import Listing
from aioimages._models import Member
from aioimages._session import Session

__all__ = ["Members"]


class Members:
    """Whom images are shared with (Images v2, "Image members").

    The owner adds and removes members; a member sees and changes its own status only.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, image_id: str) -> Listing[Member]:
        """List the members of an image (Images v2, "List image members")."""
        return Listing(self._session.run, calls.list_page(image_id), key=lambda member: member.member_id)

    async def get(self, image_id: str, member_id: str) -> Member:
        """Return a member of an image (Images v2, "Show image member details").

        Raises:
            NotFoundError: There is no such member, or this account may not see it.
        """
        return await self._session.run(calls.get(image_id, member_id))

    async def create(self, image_id: str, member_id: str) -> Member:
        """Share an image with an account: a project, or a tenant at Rackspace (Images v2, "Create image member").

        Raises:
            ConflictError: It is shared with this account already.
            ForbiddenError: The image's visibility does not allow sharing, or it belongs to somebody else.
        """
        return await self._session.run(calls.create(image_id, member_id))

    async def update(self, image_id: str, member_id: str, status: str) -> Member:
        """Accept, reject or put off an image that is shared with this account (Images v2, "Update image member").

        Args:
            image_id: The image.
            member_id: This account's project or tenant.
            status: `accepted`, `rejected` or `pending`.

        Raises:
            ForbiddenError: Only the member itself may do so.
        """
        return await self._session.run(calls.update(image_id, member_id, status))

    async def delete(self, image_id: str, member_id: str) -> None:
        """Stop sharing an image with an account (Images v2, "Delete image member").

        Raises:
            NotFoundError: It was not shared with it.
        """
        await self._session.run(calls.delete(image_id, member_id))
