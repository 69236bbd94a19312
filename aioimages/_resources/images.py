"""`client.images`."""

import builtins
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Unpack
from weakref import WeakValueDictionary

import anyio

from aioimages._calls import images as calls
from aioimages._calls.query import ImageFilters
from aioimages._calls.stores import import_methods
from aioimages._calls.tasks import create as create_task
from aioimages._calls.tasks import import_input
from aioimages._dialect import Operation
from aioimages._errors import AioImagesError, NotFoundError, UnsupportedOperationError
from aioimages._listing import Listing
from aioimages._models import Image, Task
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._resources.image_data import ImageData
from aioimages._session import Session
from aioimages._transfer.source import UploadSource
from aioimages._waiting import Waiter

__all__ = ["Images"]


# A cancelled program is not held up for longer.
_CLEANING_SECONDS: Final = 5.0


class Images(ImageData):
    """Images, their tags and their states (Images v2, "Images")."""

    def __init__(self, session: Session, waiter: Waiter) -> None:
        super().__init__(session)
        self._waiter = waiter
        self._changing: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

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

    async def create(
        self,
        *,
        name: str | None = None,
        disk_format: str | None = None,
        container_format: str | None = None,
        id: str | None = None,
        visibility: str | None = None,
        tags: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        protected: bool | None = None,
        hidden: bool | None = None,
        min_disk: int | None = None,
        min_ram: int | None = None,
        owner: str | None = None,
        data: UploadSource | None = None,
        keep_failed: bool = False,
    ) -> Image:
        """Create an image, and give it data where there are some (Images v2, "Create image"; OpenStack only).

        It is created exactly once, also when the answer is lost and the request is repeated.

        Args:
            name: What people call it.
            disk_format: How the data is laid out: `raw`, `qcow2`, `vhd`, …
            container_format: What is around the data: mostly `bare`.
            id: A UUID of your choice; otherwise one is chosen.
            visibility: `private`, `shared`, `community` or `public`.
            tags: Its tags, of 1 to 255 characters each.
            properties: Its custom properties.
            protected: Whether it cannot be deleted.
            hidden: Whether it stays out of listings that do not ask for it (`os_hidden`).
            min_disk: The GB of disk that a server needs for it.
            min_ram: The MB of memory that a server needs for it.
            owner: The project that is to own it, where the service lets you choose.
            data: What to upload into it, as `upload` takes it; it raises what that does.
            keep_failed: Whether to leave the image when its data could not be uploaded.

        Raises:
            UnsupportedOperationError: The cloud is Rackspace's, which makes images by import and from servers only.
            ConflictError: There is an image with this id, or there was.
            QuotaExceededError: The project may have no more images.
        """
        attributes = {
            "name": name,
            "disk_format": disk_format,
            "container_format": container_format,
            "id": id,
            "visibility": visibility,
            "tags": tags if isinstance(tags, str) else list(tags) or None,
            "protected": protected,
            "os_hidden": hidden,
            "min_disk": min_disk,
            "min_ram": min_ram,
            "owner": owner,
        }
        image = await self._session.run(calls.create(self._session.dialect, attributes, properties))
        if data is None:
            return image
        async with self._kept_if_well(image.id, keep_failed=keep_failed):
            return await self.upload(image.id, data)

    async def import_from(
        self,
        source: UploadSource,
        *,
        name: str,
        disk_format: str | None = None,
        container_format: str = "bare",
        visibility: str | None = None,
        tags: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        stores: Sequence[str] | None = None,
        all_stores: bool | None = None,
        timeout: float | Unset | None = UNSET,
        progress: Progress | None = None,
        keep_failed: bool = False,
    ) -> Image:
        """Make an image of data that are elsewhere, in the way that this cloud offers, and return it when it is active.

        On OpenStack what is at a URL is fetched by the service (`web-download`); what is here is uploaded, or staged
        and imported where stores are said. On Rackspace an object of Cloud Files is imported by a task.

        Args:
            source: An http or https URL; what `upload` takes; or, on Rackspace, `container/object.vhd`.
            name: What the image is called.
            disk_format: How the data is laid out (OpenStack, which must be told).
            container_format: What is around the data (OpenStack).
            visibility: `private`, `shared`, `community` or `public` (OpenStack).
            tags: Its tags (OpenStack).
            properties: Its custom properties (OpenStack).
            stores: The stores that are to get the data.
            all_stores: Whether all stores are to.
            timeout: Seconds to wait for the service; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
            progress: Who wants to know how far it is.
            keep_failed: Whether to leave an image that did not get its data.

        Raises:
            TaskFailedError: The service could not import the data; it carries the service's reason.
            TaskTimeoutError: The time is over.
            UnsupportedOperationError: The cloud does not fetch by itself; the message has the ways that it offers.
            TransferError: The data could not be uploaded; the classes below it say why.
        """
        limit = self._waiter.timeout(timeout)
        if Operation.CREATE not in self._session.dialect.operations:
            given = {"disk_format": disk_format, "visibility": visibility, "tags": tags, "properties": properties}
            return await self._import_object(source, name, [option for option, value in given.items() if value], limit)
        if disk_format is None:
            raise ValueError("disk_format is needed: nobody can tell it from the data for sure")
        is_url = isinstance(source, str) and source.startswith(("http://", "https://"))
        if is_url:
            await self._has_method("web-download")
        image = await self.create(
            name=name,
            disk_format=disk_format,
            container_format=container_format,
            visibility=visibility,
            tags=tags,
            properties=properties,
        )
        async with self._kept_if_well(image.id, keep_failed=keep_failed):
            if not is_url and stores is None and not all_stores:
                return await self.upload(image.id, source, progress=progress)
            if not is_url:
                await self.stage(image.id, source, progress=progress)
            await self.start_import(
                image.id,
                "web-download" if is_url else "glance-direct",
                uri=str(source) if is_url else None,
                stores=stores,
                all_stores=all_stores,
            )
            return await self._waiter.image(image.id, "active", limit, progress)

    async def _import_object(
        self, source: UploadSource, name: str, foreign: Sequence[str], limit: float | None
    ) -> Image:
        dialect = self._session.dialect
        if foreign or not isinstance(source, str):
            raise ValueError(f"{dialect.title} imports 'container/object.vhd', without {', '.join(foreign) or 'data'}")
        wanted = import_input(dialect, source, name=name, import_from_format=None, properties=None)
        task = await self._session.run(create_task(dialect, "import", wanted))
        task = await self._waiter.task(task.id, limit)
        return await self.get(task.image_id)

    async def _has_method(self, method: str) -> None:
        methods = await self._session.run(import_methods(self._session.dialect))
        if method not in methods:
            raise UnsupportedOperationError(f"this cloud has no {method}; it has {', '.join(methods) or 'no import'}")

    async def update(
        self,
        image_id: str,
        changes: Mapping[str, Any],
        *,
        remove: Collection[str] = (),
    ) -> Image:
        """Change attributes and properties of an image, in one request (Images v2, "Update image").

        Changes of one image by one client are made one after the other, because the service loses concurrent ones.

        Args:
            image_id: The image.
            changes: New values by the API's names: `{"name": "web", "tags": ["a"], "os_distro": "ubuntu"}`.
            remove: Names of custom properties to remove.

        Raises:
            ValueError: A name or value that the service is known to refuse, or nothing to change.
            ForbiddenError: The image is protected against this, or belongs to somebody else.
            ConflictError: A property that is to be removed is not there.
        """
        dialect = self._session.dialect
        operations = calls.patch_operations(dialect, changes, remove)
        call = calls.patch(image_id, operations)
        async with self._one_change_of(image_id):
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
        async with self._one_change_of(image_id):
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
        async with self._one_change_of(image_id):
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
        async with self._one_change_of(image_id):
            await self._session.run(call)

    async def _change_tags(self, image_id: str, *, add: str | None = None, remove: str | None = None) -> None:
        async with self._one_change_of(image_id):
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

    @asynccontextmanager
    async def _kept_if_well(self, image_id: str, *, keep_failed: bool) -> AsyncIterator[None]:
        """Delete an image that was made for what is done in the block, should that fail."""
        try:
            yield
        except BaseException as error:
            with anyio.move_on_after(_CLEANING_SECONDS, shield=True):
                if not keep_failed:
                    try:
                        await self.delete(image_id)
                    except AioImagesError as problem:
                        error.add_note(f"image {image_id} is left behind: {problem}")
            raise

    def _one_change_of(self, image_id: str) -> anyio.Lock:
        return self._changing.setdefault(image_id, anyio.Lock())
