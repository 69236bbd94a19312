"""`client.images`."""

import builtins
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Unpack

from aioimages._calls import images as calls
from aioimages._calls.query import ImageFilters
from aioimages._errors import NotFoundError
from aioimages._listing import Listing
from aioimages._models import Image, Task
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._resources.image_creation import ImageCreation

__all__ = ["Images"]


class Images(ImageCreation):
    """Images, their tags and their states (Images v2, "Images")."""

    def list(
        self,
        *,
        page_size: int | None = None,
        max_items: int | None = None,
        sort: str | Sequence[str] | None = None,
        tag: str | Sequence[str] | None = None,
        properties: Mapping[str, str] | None = None,
        **filters: Unpack[ImageFilters],
    ) -> Listing[Image]:
        """List images (Images v2, "List images").

        Args:
            page_size: How many images to fetch at a time. A server may send fewer.
            max_items: How many images to list at the most.
            sort: `"created_at:desc"`, or several; the direction is `desc` where it is not given.
            tag: A tag that images must have, or several that they must all have.
            properties: Custom properties that images must have (OpenStack).
            filters: The API's own filters: `name`, `status`, `visibility`, `member_status`, `owner`, `size_min` and
                `size_max` (bytes); on OpenStack also `id`, `protected`, `os_hidden`, `container_format`, `disk_format`,
                `created_at`, `updated_at`, `checksum`, `os_hash_algo` and `os_hash_value`. `id`, `name`, `status` and
                the formats take `in_(…)`; the times take a datetime, `gt(…)`, `gte(…)`, `lt(…)`, `lte(…)`, `eq(…)` or
                `neq(…)`.

        Raises:
            TypeError: There is no such filter, or its value is of the wrong type.
            ValueError: This dialect of the API lacks the filter, the operator or the way of sorting.
        """
        dialect = self._session.dialect
        return Listing(
            self._session.run,
            calls.list_page(dialect, filters, sort=sort, tag=tag, properties=properties),
            key=lambda image: image.id,
            page_size=dialect.page_size if page_size is None else page_size,
            max_items=max_items,
        )

    async def get(self, image_id: str) -> Image:
        """Return an image (Images v2, "Show image").

        Raises:
            NotFoundError: There is none, or this account cannot see it.
        """
        return await self._session.run(calls.get(image_id))

    async def update(
        self,
        image_id: str,
        changes: Mapping[str, Any],
        *,
        remove: Collection[str] = (),
    ) -> Image:
        """Change attributes and properties of an image, in one request (Images v2, "Update image").

        Changes of one image by one client are made one after the other, and not while it uploads the image's data: the
        service loses those that are made at once. Those of other clients it does lose.

        Args:
            image_id: The image.
            changes: New values by the API's names: `{"name": "web", "tags": ["a"], "os_distro": "ubuntu"}`.
            remove: Names of custom properties to remove.

        Raises:
            ValueError: A name or value that the service is known to refuse, or nothing to change.
            ForbiddenError: The image is protected against this, or belongs to somebody else.
            ConflictError: A property that is to be removed is not there.
            RuntimeError: The source of an upload asks for a change of its own image.
        """
        dialect = self._session.dialect
        operations = calls.patch_operations(dialect, changes, remove)
        call = calls.patch(image_id, operations)
        async with self._changes.one_of(image_id):
            custom = [name for name in changes if name not in dialect.replaced_attributes]
            if dialect.replaced_attributes and custom:
                existing = (await self._session.run(calls.get(image_id))).properties
                call = calls.patch(image_id, calls.patch_operations(dialect, changes, remove, existing))
            return await self._session.run(call)

    async def patch(self, image_id: str, operations: Iterable[Mapping[str, Any]]) -> Image:
        """Send a JSON patch as it is (Images v2, "Update image").

        Args:
            image_id: The image.
            operations: Such as `{"op": "add", "path": "/name", "value": "web"}`. In a path `~` is `~0` and `/` is `~1`.

        Raises:
            ValueError: No operations, or one that is none.
            ConflictError: An operation does not fit the image as it is.
        """
        call = calls.patch(image_id, operations)
        async with self._changes.one_of(image_id):
            return await self._session.run(call)

    async def delete(self, image_id: str) -> None:
        """Delete an image (Images v2, "Delete image").

        Raises:
            NotFoundError: There is none.
            ForbiddenError: It is protected, or belongs to somebody else.
            ConflictError: It is in use.
        """
        await self._session.run(calls.delete(image_id))

    async def add_tag(self, image_id: str, tag: str) -> None:
        """Give an image a tag of 1 to 255 characters (Images v2, "Add image tag").

        A tag that the service cannot read in a path goes by way of the image's whole list of tags, where the service
        lets another client's change be lost.
        """
        if not calls.tag_fits_path(self._session.dialect, tag):
            await self._change_tags(image_id, add=tag)
            return
        call = calls.add_tag(image_id, tag)
        async with self._changes.one_of(image_id):
            await self._session.run(call)

    async def remove_tag(self, image_id: str, tag: str) -> None:
        """Take a tag from an image (Images v2, "Delete image tag").

        Raises:
            NotFoundError: The image does not have it.
        """
        if not calls.tag_fits_path(self._session.dialect, tag):
            await self._change_tags(image_id, remove=tag)
            return
        call = calls.remove_tag(image_id, tag)
        async with self._changes.one_of(image_id):
            await self._session.run(call)

    async def _change_tags(self, image_id: str, *, add: str | None = None, remove: str | None = None) -> None:
        async with self._changes.one_of(image_id):
            call = calls.get(image_id)
            before = (await self._session.run(call)).tags
            if remove is not None and remove not in before:
                detail = f"image {image_id} has no tag {remove!r}"
                raise NotFoundError(detail, status=404, method=call.method, url=call.path)
            after = [tag for tag in before if tag != remove]
            if add is not None and add not in before:
                after.append(add)
            operations = calls.patch_operations(self._session.dialect, {"tags": after}, ())
            await self._session.run(calls.patch(image_id, operations))

    async def deactivate(self, image_id: str) -> None:
        """Keep an image's data from being read (Images v2, "Deactivate image"; OpenStack).

        Most clouds let administrators only do so.

        Raises:
            ForbiddenError: The account may not, or the image has no data.
        """
        await self._session.run(calls.deactivate(self._session.dialect, image_id))

    async def reactivate(self, image_id: str) -> None:
        """Let a deactivated image's data be read again (Images v2, "Reactivate image"; OpenStack)."""
        await self._session.run(calls.reactivate(self._session.dialect, image_id))

    async def tasks(self, image_id: str) -> "builtins.list[Task]":
        """Return what the service did, or does, with an image (Images v2, "Show tasks associated with image").

        Everybody may see these, also where `client.tasks` is for administrators. OpenStack only.
        """
        return await self._session.run(calls.tasks(self._session.dialect, image_id))

    async def wait(
        self,
        image_id: str,
        *,
        status: str = "active",
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
    ) -> Image:
        """Wait until an image has come to a status, and return it.

        It is `active` when no import into it is going on any more, either: its `stores` are then those with its data,
        its `os_glance_failed_import` those that did not get them.

        Args:
            image_id: The image.
            status: The status to wait for.
            timeout: Seconds to wait at the most; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
            progress: Who wants to know how far an import is.

        Raises:
            NotFoundError: There is no such image.
            TaskFailedError: The last import into the image failed; it carries the import's task.
            TaskTimeoutError: The time is over. It is a `TimeoutError` too.
            TransferError: The image is lost: it was deleted meanwhile, or the service gave it up (`killed`).
            ValueError: There is no such status.
        """
        return await self._waiter.image(image_id, status, self._waiter.timeout(timeout), progress)
