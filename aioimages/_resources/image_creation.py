"""`client.images`: what makes images, and leaves none behind that was not made well."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from aioimages._asking import Asker
from aioimages._calls import images
from aioimages._calls.data import start_import
from aioimages._calls.stores import import_methods
from aioimages._calls.tasks import import_input
from aioimages._dialect import Operation
from aioimages._errors import AmbiguousOutcomeError, NotFoundError, UnsupportedOperationError
from aioimages._models import Image
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._resources.image_data import ImageData, given_source
from aioimages._session import Session
from aioimages._transfer.source import UploadSource
from aioimages._undoing import finish, undo
from aioimages._waiting import Waiter

__all__ = ["ImageCreation"]

# A cancelled program is not held up for longer.
_CLEANING_SECONDS: Final = 5.0


class ImageCreation(ImageData):
    """New images (Images v2, "Create image")."""

    def __init__(self, session: Session, waiter: Waiter, asker: Asker) -> None:
        super().__init__(session)
        self._waiter = waiter
        self._asker = asker

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
        size_bytes: int | None = None,
        store: str | None = None,
        decompress: bool = False,
        progress: Progress | None = None,
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
            size_bytes: How many bytes that is, as for `upload`.
            store: The store to keep the data in.
            decompress: Whether to unpack the data.
            progress: Who wants to know how far they are.
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
        new_id = str(uuid.uuid4())
        call_of = partial(images.create, self._session.dialect, attributes, properties, new_id=new_id)
        call = call_of()
        if id is not None:
            call = call_of(project_id=await self._session.project_id())
        if data is None:
            return await self._session.run(call)
        if disk_format is None or container_format is None:
            raise ValueError("an image takes data only once it has a disk_format and a container_format")
        source = await given_source(data, size_bytes, decompress=decompress)
        # An image of an id that somebody else chose is ours only once we are told so.
        if id is not None:
            await self._session.run(call)
        async with self._kept_if_well(id or new_id, keep_failed=keep_failed):
            if id is None:
                await finish(partial(self._session.run, call), seconds=_CLEANING_SECONDS)
            return await self._upload(id or new_id, source, store=store, progress=progress)

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
        url = source if isinstance(source, str) and source.lower().startswith(("http://", "https://")) else None
        image_id = str(uuid.uuid4())
        begin = start_import(
            self._session.dialect,
            image_id,
            "glance-direct" if url is None else "web-download",
            {"uri": url},
            stores=stores,
            all_stores=all_stores,
            all_stores_must_succeed=None,
        )
        data = None if url else await given_source(source, None, decompress=False)
        if url is not None:
            await self._has_method("web-download")
        async with self._kept_if_well(image_id, keep_failed=keep_failed):
            create = partial(
                self.create,
                id=image_id,
                name=name,
                disk_format=disk_format,
                container_format=container_format,
                visibility=visibility,
                tags=tags,
                properties=properties,
            )
            await finish(create, seconds=_CLEANING_SECONDS)
            if data is not None and stores is None and not all_stores:
                return await self._upload(image_id, data, store=None, progress=progress)
            staged, _ = (None, None) if data is None else await self._stage(image_id, data, progress)
            await self._session.run(begin)
            image = await self._waiter.image(image_id, "active", limit, progress)
            if staged is not None:
                await staged.compare(image)
            return image

    async def _import_object(
        self, source: UploadSource, name: str, foreign: Sequence[str], limit: float | None
    ) -> Image:
        dialect = self._session.dialect
        if foreign or not isinstance(source, str):
            raise ValueError(f"{dialect.title} imports 'container/object.vhd', without {', '.join(foreign) or 'data'}")
        wanted = import_input(dialect, source, name=name, import_from_format=None, properties=None)
        task = self._waiter.promised(await self._asker.task("import", wanted))
        task = await self._waiter.task(task.id, limit, kind="import")
        return await self._session.run(images.get(task.image_id))

    async def _has_method(self, method: str) -> None:
        methods = await self._session.run(import_methods(self._session.dialect))
        if method not in methods:
            raise UnsupportedOperationError(f"this cloud has no {method}; it has {', '.join(methods) or 'no import'}")

    @asynccontextmanager
    async def _kept_if_well(self, image_id: str, *, keep_failed: bool) -> AsyncIterator[None]:
        """Delete an image that is made for what is done in the block, should that fail.

        Where nobody can say whether it has failed, the image stays.
        """
        try:
            yield
        except BaseException as error:
            is_kept = keep_failed or isinstance(error, AmbiguousOutcomeError)
            problem = None if is_kept else await undo(partial(self._drop, image_id), seconds=_CLEANING_SECONDS)
            if problem:
                error.add_note(f"image {image_id} is left behind: {problem}")
            raise

    async def _drop(self, image_id: str) -> None:
        with suppress(NotFoundError):
            await self._session.run(images.delete(image_id))
