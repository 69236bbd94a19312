"""`client.images`: what moves their data."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Literal, overload

from aioimages._call import Call
from aioimages._calls import data as calls
from aioimages._calls import stores
from aioimages._calls.images import get as get_image
from aioimages._calls.images import image_path, supported
from aioimages._dialect import Operation
from aioimages._models import Download, Image, Location
from aioimages._policy import count
from aioimages._progress import Progress
from aioimages._resources.changing import Changes
from aioimages._session import Session
from aioimages._transfer.compression import Unpacked
from aioimages._transfer.digest import expected_of
from aioimages._transfer.download import DataStream, Destination, Downloader
from aioimages._transfer.remote import Remote
from aioimages._transfer.source import Source, UploadSource, source_of
from aioimages._transfer.upload import Uploader

__all__ = ["ImageData", "given_source"]

Verify = bool | Literal["strict"]


async def given_source(data: UploadSource, size_bytes: int | None, *, decompress: bool) -> Source:
    """Return what is to be uploaded as a source, once it is known to be one."""
    known_size = None if size_bytes is None else count("size_bytes", size_bytes, least=1)
    source = await source_of(data, known_size)
    return Unpacked(source) if decompress else source


class ImageData:
    """Image data (Images v2, "Image data", "Interoperable image import"). OpenStack only."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changes = Changes()

    async def upload(
        self,
        image_id: str,
        source: UploadSource,
        *,
        size_bytes: int | None = None,
        store: str | None = None,
        decompress: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Give a queued image its data, and return it once the service has all of them (Images v2, "Upload binary…").

        They are digested on their way, and what the service says it has is compared. When the upload breaks off, the
        image is looked at, and the data are sent again from their start; those that cannot be read twice are not. Other
        changes of the image by this client wait until the upload is over.

        Args:
            image_id: The image.
            source: Bytes, the path of a file, an open file, an async iterable of bytes, or a function that returns a
                new one each time. A bare async iterable can be read once only.
            size_bytes: How many bytes there are, where the source itself does not tell.
            store: The store to keep them in.
            decompress: Whether to unpack a source of gzip, xz, bzip2 or zstd.
            progress: Who wants to know how far it is.

        Raises:
            ConflictError: The image has data already, or is getting some.
            UnreplayableBodyError: The upload broke off, and the source cannot be read again. The image is queued.
            ChecksumMismatchError: The service has other data than were sent.
            SourceChangedError: The file changed while it was being read.
            AmbiguousOutcomeError: The upload broke off, and the service does not tell what became of it.
            QuotaExceededError: There is no room for them.
        """
        self._check(image_id, store)
        given = await given_source(source, size_bytes, decompress=decompress)
        return await self._upload(image_id, given, store=store, progress=progress)

    async def _upload(self, image_id: str, source: Source, *, store: str | None, progress: Progress | None) -> Image:
        call = partial(calls.upload, self._session.dialect, image_id, store=store)
        _, image = await self._send(call, image_id, "upload", source, progress)
        return image

    async def stage(
        self,
        image_id: str,
        source: UploadSource,
        *,
        size_bytes: int | None = None,
        decompress: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Leave data with the service, for `start_import` to bring them into the image's stores (Images v2, "Stage…").

        The arguments and errors are those of `upload`. What arrived can only be checked once it was imported.
        """
        self._check(image_id, None)
        given = await given_source(source, size_bytes, decompress=decompress)
        _, image = await self._stage(image_id, given, progress)
        return image

    async def _stage(self, image_id: str, source: Source, progress: Progress | None) -> tuple[Uploader, Image]:
        """Leave data with the service; what is returned first can compare them once they were imported."""
        call = partial(calls.stage, self._session.dialect, image_id)
        return await self._send(call, image_id, "stage", source, progress)

    def _check(self, image_id: str, store: str | None) -> None:
        supported(self._session.dialect, Operation.DATA)
        image_path(image_id)
        if store is not None:
            stores.store_name(store)

    async def _send(
        self,
        call: Callable[..., Call[None]],
        image_id: str,
        phase: str,
        source: Source,
        progress: Progress | None,
    ) -> tuple[Uploader, Image]:
        uploader = Uploader(
            self._session, image_id, source, call=lambda body: call(body=body), phase=phase, progress=progress
        )
        # When its data are there, the service writes the image as it was when they began to come.
        async with self._changes.one_of(image_id):
            with self._session.lifetime.span():
                return uploader, await uploader.run()

    @overload
    def download(
        self,
        image_id: str,
        destination: Destination,
        *,
        resume: bool = False,
        parts: int = 1,
        prefer: str | Sequence[str] = (),
        verify: Verify = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Download]: ...

    @overload
    def download(
        self,
        image_id: str,
        destination: None = None,
        *,
        parts: int = 1,
        prefer: str | Sequence[str] = (),
        verify: Verify = True,
    ) -> AbstractAsyncContextManager[DataStream]: ...

    def download(
        self,
        image_id: str,
        destination: Destination | None = None,
        *,
        resume: bool = False,
        parts: int = 1,
        prefer: str | Sequence[str] = (),
        verify: Verify = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Download] | AbstractAsyncContextManager[DataStream]:
        """Fetch an image's data, and check them (Images v2, "Download binary image data").

            await client.images.download(image_id, "web.qcow2")

            async with client.images.download(image_id) as stream:
                async for piece in stream:
                    ...

        The file has all of them, or is what it was before: they are written beside it, under a name that begins with a
        dot and ends in `.part`, and take its place when they are whole. A connection that breaks is made again, and
        goes on where it broke.

        Args:
            image_id: The image.
            destination: The path of a file, or a file that is open for writing, async or not. Without one, use it with
                `async with`, and read the data from what that gives.
            resume: Whether to go on with what an earlier download to the same path left, and to leave what there is
                should this one fail (paths only).
            parts: How many parts to fetch at a time, where the image's store gives parts.
            prefer: The stores to take them from, the best first.
            verify: Whether to digest and compare them; their length is compared in any case. `"strict"` takes none
                whose digest the service does not tell, or tells as an MD5 only, which can be forged.
            timeout: Seconds that it may take; `None` is as long as it takes.
            progress: Who wants to know how far it is.

        Raises:
            NoImageDataError: The image has none yet.
            ForbiddenError: The image is deactivated.
            ChecksumMismatchError: They are not what the service says, or cannot be checked as they should be.
            TransferInterruptedError: The connection broke, again and again.
            SourceChangedError: The image was deleted, deactivated or replaced meanwhile.
            OSError: The file cannot be written.
        """
        supported(self._session.dialect, Operation.DATA)
        image_path(image_id)
        if not isinstance(verify, bool) and verify != "strict":
            raise ValueError(f"verify is True, False or 'strict', not {verify!r}")
        wanted = tuple(map(stores.store_name, [prefer] if isinstance(prefer, str) else prefer))
        downloader = Downloader(
            session=self._session,
            name=f"image {image_id}",
            find=partial(self._remote, image_id, wanted, verify=verify),
            parts=parts,
            progress=progress,
        )
        return downloader.stream_or_fetch(destination, resume=resume, timeout=timeout)

    async def _remote(self, image_id: str, prefer: Sequence[str], *, verify: Verify) -> Remote:
        image = await self._session.run(get_image(image_id))
        return Remote(
            name=f"image {image_id}",
            key=image.id,
            part=lambda start, stop: calls.download(
                self._session.dialect, image_id, start=start, stop=stop, prefer=prefer
            ),
            size=image.size,
            expected=expected_of(image, is_strict=verify == "strict") if verify else None,
            takes_md5=bool(verify),
        )

    async def start_import(
        self,
        image_id: str,
        method: str = "glance-direct",
        *,
        uri: str | None = None,
        glance_region: str | None = None,
        glance_image_id: str | None = None,
        glance_service_interface: str | None = None,
        stores: Sequence[str] | None = None,
        all_stores: bool | None = None,
        all_stores_must_succeed: bool | None = None,
    ) -> None:
        """Let Glance import data into an image (Images v2, "Import an image"); `wait` tells how that ends.

        It is begun exactly once, also when the answer is lost and the request is repeated.

        Args:
            image_id: The image: queued, or for `glance-direct` staged, or for `copy-image` active.
            method: `glance-direct` (what was staged), `web-download`, `copy-image` (to further stores) or
                `glance-download` (from another region). `client.info.import_methods()` lists those that the cloud has.
            uri: Where `web-download` finds the data.
            glance_region: The region that `glance-download` takes them from.
            glance_image_id: The image there.
            glance_service_interface: How Glance reaches that region: `public` where it is not given.
            stores: The stores that are to get them.
            all_stores: Whether all stores are to.
            all_stores_must_succeed: Whether one that fails fails the others too.

        Raises:
            ConflictError: The image is not in the right state, has no formats, is being imported into already, or there
                is no such store.
            BadRequestError: The cloud does not have the method, or does not fetch from there.
        """
        arguments = {
            "uri": uri,
            "glance_region": glance_region,
            "glance_image_id": glance_image_id,
            "glance_service_interface": glance_service_interface,
        }
        call = calls.start_import(
            self._session.dialect,
            image_id,
            method,
            arguments,
            stores=stores,
            all_stores=all_stores,
            all_stores_must_succeed=all_stores_must_succeed,
        )
        await self._session.run(call)

    async def locations(self, image_id: str) -> list[Location]:
        """Return where the stores have an image's data (Images v2, "Locations"). Most clouds tell services only."""
        return await self._session.run(stores.locations(self._session.dialect, image_id))

    async def add_location(
        self,
        image_id: str,
        url: str,
        *,
        hash_algo: str | None = None,
        hash_value: str | None = None,
    ) -> None:
        """Tell a queued image where a store has its data already (Images v2, "Locations").

        `wait` tells when the image is active; the service digests the data by itself, and may do so a little later.

        Raises:
            ConflictError: The image is not queued.
            ForbiddenError: The account may not.
        """
        await self._session.run(
            stores.add_location(self._session.dialect, image_id, url, hash_algo=hash_algo, hash_value=hash_value),
        )
