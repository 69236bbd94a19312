"""An image that others may use, and have accepted."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from aioimages._client import Client
from aioimages._errors import NotFoundError
from aioimages._models import Member
from aioimages._steps import Steps
from aioimages.workflows.route import has_tasks

__all__ = ["share"]


async def share(
    client: Client,
    image_id: str,
    members: Sequence[str],
    *,
    accept_with: Client | Mapping[str, Client] | None = None,
) -> list[Member]:
    """Share an image with other accounts, and let them accept it.

    On OpenStack its visibility becomes `shared` where it is `private`. Whoever was a member before stays one; should
    anything fail, those who were not are removed again.

    Args:
        client: The image's owner.
        image_id: The image.
        members: The accounts, by the ids of their projects (tenants).
        accept_with: The client of the only member, or clients by the members' ids: they accept.

    Raises:
        ForbiddenError: The image is public, or somebody else's.
        ValueError: No members, or a client for none of them.
    """
    accepting = _accepting(members, accept_with)
    ours: list[str] = []

    async def take_back() -> None:
        while ours:
            with suppress(NotFoundError):
                await client.members.delete(image_id, ours[-1])
            ours.pop()

    with Steps("share", image_id, None) as steps:
        with steps.step("become one that can be shared"):
            image = await client.images.get(image_id)
            if not has_tasks(client) and image.visibility == "private":
                await client.images.update(image_id, {"visibility": "shared"})
            there = {member.member_id async for member in client.members.list(image_id)}
        async with steps.undone(take_back, always=False):
            with steps.step("get all its members"):
                for member_id in members:
                    if member_id not in there:
                        ours.append(member_id)
                        await client.members.create(image_id, member_id)
            with steps.step("be accepted"):
                for member_id, member_client in accepting.items():
                    await member_client.members.update(image_id, member_id, "accepted")
            return [await client.members.get(image_id, member_id) for member_id in members]


def _accepting(members: Sequence[str], accept_with: Client | Mapping[str, Client] | None) -> Mapping[str, Client]:
    if isinstance(members, str) or not members:
        raise ValueError("members are several ids, at least one")
    if accept_with is None:
        return {}
    if not isinstance(accept_with, Mapping):
        if len(members) > 1:
            raise ValueError("accept_with is a mapping of clients by member where there are several members")
        return {members[0]: accept_with}
    if unknown := accept_with.keys() - set(members):
        raise ValueError(f"accept_with has clients of {', '.join(sorted(unknown))}, who are no members")
    return accept_with
