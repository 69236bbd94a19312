"""The way of a disk into an image and out of one, where that leads through Cloud Files."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Final

import attrs

from aioimages._client import Client
from aioimages._dialect import Operation, dialect_named
from aioimages._errors import ConflictError, NotFoundError, TaskFailedError, TransferError
from aioimages._models import Image, Task
from aioimages._policy import Unset
from aioimages._progress import Progress
from aioimages._steps import BEGINNING_SECONDS, Steps
from aioimages._transfer.download import DataStream
from aioimages._transfer.source import UploadSource
from aioimages._undoing import finish

__all__ = ["Disk", "Route", "has_tasks"]

# What was staged and forgotten goes by itself after a day.
_STAGED_SECONDS: Final = 86400
# How long an ended job waits for a task of its own, to clean up after it.
_LATE_SECONDS: Final = 5.0


def has_tasks(client: Client) -> bool:
    """Say whether a client's disks come and go by tasks and Cloud Files."""
    return Operation.EXPORT in dialect_named(client.dialect).operations


@attrs.frozen
class Disk:
    """A disk on its way.

    Attributes:
        source: Its data.
        size_bytes: How many there are, where the source does not tell.
        segment_bytes: How long the segments of a large one are.
    """

    source: UploadSource
    size_bytes: int | None = None
    segment_bytes: int = 2**30

    @classmethod
    def of(cls, size_bytes: int | None, open_stream: Callable[[], AbstractAsyncContextManager[DataStream]]) -> "Disk":
        """Return a disk of what a stream gives, which is opened anew whenever it is needed again."""

        async def pieces() -> AsyncIterator[bytes]:
            async with open_stream() as stream:
                async for piece in stream:
                    yield piece

        return cls(pieces, size_bytes)


@attrs.frozen(kw_only=True)
class Route:
    """The way through one container.

    Attributes:
        client: Whose container it is.
        container: The container.
        steps: The job that it is a part of.
        timeout: Seconds to wait for a task.
        progress: Who wants to know how far it is.
    """

    client: Client
    container: str
    steps: Steps
    timeout: float | Unset | None
    progress: Progress | None

    @asynccontextmanager
    async def open(self, *, create: bool) -> AsyncIterator[None]:
        """See that there is the container; make it only where that was asked for, and for this job only if it fails."""
        is_new = False

        async def make() -> None:
            nonlocal is_new
            await self.client.objects.create_container(self.container)
            is_new = True

        async def drop() -> None:
            if is_new:
                # It stays where something else was put into it meanwhile.
                with suppress(NotFoundError, ConflictError):
                    await self.client.objects.delete_container(self.container)

        async with self.steps.undone(drop, always=False):
            with self.steps.step("find the container"):
                try:
                    await self.client.objects.get_container(self.container)
                except NotFoundError:
                    if not create:
                        raise
                    await finish(make, seconds=BEGINNING_SECONDS)
            yield

    async def bring_in(self, disk: Disk, *, name: str, properties: Mapping[str, str], tags: Sequence[str]) -> Image:
        """Put a disk into the container, let a task import it, and take it away again."""
        staged = f"{name.replace('/', '-')[:100]}-{self.steps.token}.vhd"
        drop = partial(self._drop_object, staged)
        async with self.steps.undone(drop, always=False):
            with self.steps.step("stage the disk"):
                await self.client.objects.upload(
                    self.container,
                    staged,
                    disk.source,
                    size_bytes=disk.size_bytes,
                    segment_bytes=disk.segment_bytes,
                    delete_after=_STAGED_SECONDS,
                    progress=self.progress,
                )
            asking = partial(self.client.tasks.import_image, f"{self.container}/{staged}", name=name)
            async with self.steps.begun("ask for the import", asking, partial(self._drop_import, staged)) as task:
                with self.steps.step("import the disk"):
                    done = await self.client.tasks.wait(task.id, timeout=self.timeout)
                changes = {**properties, **({"tags": list(tags)} if tags else {})}
                with self.steps.step("set the properties"):
                    if changes:
                        image = await self.client.images.update(done.image_id, changes)
                    else:
                        image = await self.client.images.get(done.image_id)
                # Here, so that an end in the midst of it takes the image back, too.
                async with self.steps.undone(drop, always=True):
                    return image

    async def _drop_object(self, name: str) -> None:
        with suppress(NotFoundError):
            await self.client.objects.delete(self.container, name)

    async def _drop_import(self, staged: str, task: Task) -> None:
        """Delete what an import has made, or will have made in a moment: without its disk it soon fails."""
        await self._drop_object(staged)
        with suppress(TaskFailedError):
            done = await self.client.tasks.wait(task.id, timeout=_LATE_SECONDS)
            with suppress(NotFoundError):
                await self.client.images.delete(done.image_id)

    @asynccontextmanager
    async def taken_out(self, image_id: str, *, keep: bool) -> AsyncIterator[str]:
        """Let a task write an image into the container, and give the object's name; take it away unless it is kept."""
        name = f"{image_id}.vhd"
        with self.steps.step("find room for the disk"), suppress(NotFoundError):
            await self.client.objects.get(self.container, name)
            raise TransferError(f"there is {self.container}/{name} already, which the service would not overwrite")
        asking = partial(self.client.tasks.export_image, image_id, container=self.container)
        async with self.steps.begun("ask for the export", asking, partial(self._drop_export, name)) as task:
            with self.steps.step("export the image"):
                await self.client.tasks.wait(task.id, timeout=self.timeout)
            yield name
            if not keep:
                async with self.steps.undone(partial(self._drop_object, name), always=True):
                    pass

    async def _drop_export(self, name: str, task: Task) -> None:
        """Delete what an export has written, or will have written in a moment: only that is ours."""
        with suppress(TaskFailedError):
            await self.client.tasks.wait(task.id, timeout=_LATE_SECONDS)
            await self._drop_object(name)
