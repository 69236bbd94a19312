"""`client.objects`."""

from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, Final, overload

from aioimages._calls import objects as calls
from aioimages._errors import NotFoundError
from aioimages._listing import Listing
from aioimages._models import Container, Download, StoredObject
from aioimages._policy import count
from aioimages._progress import Progress
from aioimages._session import Session
from aioimages._transfer.digest import Expected, ExpectedSegments
from aioimages._transfer.download import DataStream, Destination, Downloader
from aioimages._transfer.objects import Description, ObjectUploader
from aioimages._transfer.remote import Remote
from aioimages._transfer.source import UploadSource, source_of

__all__ = ["Objects"]

_SEGMENT_BYTES: Final = 2**30
# The service takes no larger object than this in one piece.
_LARGEST_SEGMENT_BYTES: Final = 5 * 2**30


class Objects:
    """Cloud Files, and any other Swift: containers and the objects in them ("Object Storage API v1").

    It is found in the catalog, in the client's region.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_containers(
        self, *, prefix: str | None = None, page_size: int | None = None, max_items: int | None = None
    ) -> Listing[Container]:
        """List the account's containers.

        Args:
            prefix: How their names begin.
            page_size: How many to fetch at a time.
            max_items: How many to list at the most.
        """
        return Listing(
            self._session.run,
            calls.list_containers(prefix),
            key=lambda container: container.name,
            page_size=page_size,
            max_items=max_items,
        )

    async def create_container(self, container: str) -> None:
        """Make a container; one that is there already stays as it is."""
        await self._session.run(calls.create_container(container))

    async def get_container(self, container: str) -> Container:
        """Return how much is in a container.

        Raises:
            NotFoundError: There is none.
        """
        return await self._session.run(calls.get_container(container))

    async def delete_container(self, container: str) -> None:
        """Delete a container.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is not empty.
        """
        await self._session.run(calls.delete_container(container))

    def list(
        self,
        container: str,
        *,
        prefix: str | None = None,
        page_size: int | None = None,
        max_items: int | None = None,
    ) -> Listing[StoredObject]:
        """List the objects of a container, by name. The segments of large objects are among them.

        Args:
            container: The container.
            prefix: How the objects' names begin.
            page_size: How many to fetch at a time.
            max_items: How many to list at the most.
        """
        return Listing(
            self._session.run,
            calls.list_objects(container, prefix),
            key=lambda found: found.name,
            page_size=page_size,
            max_items=max_items,
        )

    async def get(self, container: str, name: str) -> StoredObject:
        """Return what the service says of an object.

        Raises:
            NotFoundError: There is none.
        """
        return await self._session.run(calls.get(container, name))

    async def upload(
        self,
        container: str,
        name: str,
        source: UploadSource,
        *,
        size_bytes: int | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
        parts: int = 4,
        delete_after: int | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> StoredObject:
        """Store data as an object, and return it once the service has all of them.

        They are digested on their way, and what the service says it has is compared. What is longer than a segment, or
        of unknown length, becomes a static large object: its segments are in the same container, under
        `name.segments/`, and belong to it. Segments that belong to nothing any more are not left behind.

        Args:
            container: The container, which must be there.
            name: The object's name, which may have slashes.
            source: Bytes, the path of a file, an open file, an async iterable of bytes, or a function that returns a
                new one each time.
            size_bytes: How many bytes there are, where the source itself does not tell.
            segment_bytes: How long a segment is, 5 GiB at the most.
            parts: How many segments to send at a time, where the source can be read at several places.
            delete_after: Seconds after which the service deletes the object.
            content_type: What the data are.
            metadata: What else to say of the object.
            resume: Whether to go on with what an earlier upload left, whose segments are known by their digests, and to
                leave what has arrived should this one fail.
            progress: Who wants to know how far it is.

        Raises:
            NotFoundError: There is no such container.
            ChecksumMismatchError: The service has other data than were sent.
            UnreplayableBodyError: The connection broke, and the source cannot be read again.
            SourceChangedError: The file changed while it was being read.
        """
        calls.container_name(container)
        calls.object_name(name)
        calls.description(delete_after, content_type, metadata)
        if count("segment_bytes", segment_bytes, least=1) > _LARGEST_SEGMENT_BYTES:
            raise ValueError(f"segment_bytes is at most {_LARGEST_SEGMENT_BYTES}, not {segment_bytes}")
        uploader = ObjectUploader(
            session=self._session,
            container=container,
            name=name,
            source=await source_of(source, size_bytes),
            segment_bytes=segment_bytes,
            at_once=count("parts", parts, least=1),
            resume=resume,
            description=Description(
                delete_after=None if delete_after is None else count("delete_after", delete_after, least=1),
                content_type=content_type,
                metadata=metadata,
            ),
            progress=progress,
        )
        with self._session.lifetime.span():
            return await uploader.run()

    @overload
    def download(
        self,
        container: str,
        name: str,
        destination: Destination,
        *,
        resume: bool = False,
        parts: int = 1,
        verify: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Download]: ...

    @overload
    def download(
        self,
        container: str,
        name: str,
        destination: None = None,
        *,
        parts: int = 1,
        verify: bool = True,
    ) -> AbstractAsyncContextManager[DataStream]: ...

    def download(
        self,
        container: str,
        name: str,
        destination: Destination | None = None,
        *,
        resume: bool = False,
        parts: int = 1,
        verify: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Download] | AbstractAsyncContextManager[DataStream]:
        """Fetch an object's data, and check them; a large object's segment by segment.

        The arguments, results and errors are those of `client.images.download`; but none can be strict, as MD5 is all
        that Cloud Files tells.
        """
        if not isinstance(verify, bool):
            raise TypeError(f"verify is a bool, not {type(verify).__name__}")
        calls.get(container, name)
        downloader = Downloader(
            session=self._session,
            name=f"object {container}/{name}",
            find=partial(self._remote, container, name, verify=verify),
            parts=parts,
            progress=progress,
        )
        return downloader.stream_or_fetch(destination, resume=resume, timeout=timeout)

    async def read(self, container: str, name: str, start: int, stop: int) -> bytes:
        """Return a few bytes of an object: from one on, to the one before another.

        Raises:
            NotFoundError: There is no such object.
            StatusError: It has none there (416).
        """
        return await self._session.run(calls.read(container, name, start, stop))

    async def _remote(self, container: str, name: str, *, verify: bool) -> Remote:
        found = await self.get(container, name)
        expected: Expected | ExpectedSegments | None = None
        if verify and found.is_large:
            segments = await self._session.run(calls.manifest(container, name))
            expected = ExpectedSegments(found.etag, tuple((part.size_bytes, part.etag) for part in segments))
        elif verify and not found.is_dynamic:
            expected = Expected("md5", found.etag)
        return Remote(
            name=f"object {container}/{name}",
            key=f"{container}/{name}",
            part=lambda start, stop: calls.part(container, name, start, stop, etag=found.etag),
            size=found.size_bytes,
            expected=expected,
        )

    async def delete(self, container: str, name: str) -> None:
        """Delete an object, and with a large one its segments.

        Raises:
            NotFoundError: There is none.
        """
        is_large = False
        # One whose time has come may still be listed, and is no longer there: to delete it takes it off.
        with suppress(NotFoundError):
            is_large = (await self.get(container, name)).is_large
        await self._session.run(calls.delete(container, name, with_segments=is_large))

    async def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """Copy an object within the account: the service does it by itself. A large one becomes one of one piece.

        Raises:
            NotFoundError: There is no such object, or no such container to copy it to.
            QuotaExceededError: It is larger than an object of one piece may be.
        """
        await self._session.run(calls.copy(container, name, to_container, to_name))
