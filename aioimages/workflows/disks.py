"""Disks into images, out of them, and from image to image."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Final

import anyio.to_thread
import attrs

from aioimages import vhd
from aioimages._calls.images import patch_operations
from aioimages._calls.tasks import export_input, import_input
from aioimages._client import Client
from aioimages._dialect import dialect_named
from aioimages._errors import NotFoundError, UnsupportedOperationError
from aioimages._models import Download, Image
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._steps import Steps
from aioimages.workflows.route import Disk, Route, has_tasks

__all__ = ["copy_image", "export_disk", "import_disk"]

_VHD_FORMATS: Final = frozenset({"vhd", "vpc"})
# Properties that a service sets by itself, and that say nothing of a copy.
_SERVICES_OWN: Final = ("com.rackspace", "org.openstack", "os_glance", "owner_specified", "image_type", "instance_uuid")


async def import_disk(
    client: Client,
    path: str | os.PathLike[str],
    *,
    name: str,
    container: str,
    properties: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
    create_container: bool = False,
    check: bool = True,
    limit_bytes: int = vhd.DEFAULT_LIMIT_BYTES,
    segment_bytes: int = 2**30,
    timeout: float | Unset | None = UNSET,
    progress: Progress | None = None,
) -> Image:
    """Make an image of a VHD that is here, by way of Cloud Files, and return it (Rackspace).

    The disk is looked at first, so that one which the service would refuse is not sent. It is put into the container,
    from where a task imports it; then the image gets its properties and tags, and the container gives the disk up.

    Args:
        client: Who imports.
        path: The disk.
        name: What the image is called.
        container: Where to put the disk meanwhile.
        properties: What else the image is to have.
        tags: Its tags.
        create_container: Whether to make the container where it is missing.
        check: Whether to look at the disk first.
        limit_bytes: The largest disk that the service takes.
        segment_bytes: How long the segments of a large disk are.
        timeout: Seconds to wait for the task; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
        progress: Who wants to know how far it is.

    Raises:
        VhdError: The service would refuse the disk; `code` says why.
        TaskFailedError: The service did refuse it.
        NotFoundError: There is no such container.
        SourceChangedError: The disk changed while it was being sent.
    """
    _needs_tasks(client)
    dialect = dialect_named(client.dialect)
    import_input(dialect, f"{container}/disk.vhd", name=name, import_from_format=None, properties=None)
    patch_operations(dialect, {**(properties or {}), "tags": tags}, ())
    with Steps("import_disk", str(path), progress) as steps:
        if check:
            with steps.step("find a disk that the service takes"):
                await anyio.to_thread.run_sync(lambda: vhd.check(vhd.read(path), limit_bytes=limit_bytes))
        route = Route(client=client, container=container, steps=steps, timeout=timeout, progress=progress)
        disk = Disk(path, segment_bytes=segment_bytes)
        async with route.open(create=create_container):
            return await route.bring_in(disk, name=name, properties=properties or {}, tags=tags)


async def export_disk(
    client: Client,
    image_id: str,
    path: str | os.PathLike[str],
    *,
    container: str,
    create_container: bool = False,
    keep_object: bool = False,
    timeout: float | Unset | None = UNSET,
    progress: Progress | None = None,
) -> Download:
    """Make a VHD of an image, by way of Cloud Files, and leave it here (Rackspace).

    Args:
        client: Who exports; the image is its own.
        image_id: The image.
        path: Where the disk goes: it is whole and checked, or is what was there before.
        container: Where the service puts the disk, as `{image_id}.vhd`; its name has none of `/ ? .`.
        create_container: Whether to make the container where it is missing.
        keep_object: Whether to leave the disk in the container.
        timeout: Seconds to wait for the task; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
        progress: Who wants to know how far it is.

    Raises:
        TransferError: There is such an object already: the service would not overwrite it.
        ValueError: The container's name has one of `/ ? .` in it.
        TaskFailedError: The service could not export the image.
        NotFoundError: There is no such container, or no such image.
    """
    _needs_tasks(client)
    export_input(dialect_named(client.dialect), image_id, container)
    with Steps("export_disk", image_id, progress) as steps:
        route = Route(client=client, container=container, steps=steps, timeout=timeout, progress=progress)
        async with route.open(create=create_container), route.taken_out(image_id, keep=keep_object) as name:
            with steps.step("fetch the disk"):
                return await client.objects.download(container, name, path, progress=progress)


async def copy_image(
    image_id: str,
    *,
    source: Client,
    target: Client,
    name: str | None = None,
    container: str | None = None,
    target_container: str | None = None,
    create_container: bool = False,
    timeout: float | Unset | None = UNSET,
    progress: Progress | None = None,
) -> Image:
    """Copy an image to another region or cloud, without a file in between, and return the copy.

    Its data stream from one service to the other, digested on their way; its name, properties and tags go along. From
    and to Rackspace they go by way of Cloud Files, as a VHD.

    Args:
        image_id: The image.
        source: Where it is.
        target: Where it is to go.
        name: What the copy is called; otherwise as the image is.
        container: Where a source at Rackspace exports to.
        target_container: Where a target at Rackspace imports from; otherwise `container`.
        create_container: Whether to make the containers where they are missing.
        timeout: Seconds to wait for each task; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
        progress: Who wants to know how far it is.

    Raises:
        UnsupportedOperationError: The image is no VHD, and the target takes nothing else.
        ChecksumMismatchError: The data came damaged.
        TaskFailedError: A service could not export or import the image.
        ValueError: A container is needed.
    """
    receiving = target_container or container
    with Steps("copy_image", image_id, progress) as steps, steps.step("copy the image"):
        image = await source.images.get(image_id)
        _check_copy(image, source, target, container, receiving)
        wanted = attrs.evolve(image, name=name or image.name or image.id)
        async with AsyncExitStack() as stack:
            copies: list[Image] = []
            # Also an end amid the cleaning takes the copy back.
            await stack.enter_async_context(steps.undone(partial(_drop_all, target, copies), always=False))
            ways: list[Route | None] = []
            for client, where in ((source, container), (target, receiving)):
                route = Route(client=client, container=str(where), steps=steps, timeout=timeout, progress=progress)
                if has_tasks(client):
                    await stack.enter_async_context(route.open(create=create_container))
                ways.append(route if has_tasks(client) else None)
            way_out, way_in = ways
            if way_out is None:
                disk = Disk.of(image.size, lambda: source.images.download(image_id))
            else:
                wanted = attrs.evolve(wanted, disk_format="vhd", container_format="bare")
                exported = await stack.enter_async_context(way_out.taken_out(image_id, keep=False))
                there = await source.objects.get(way_out.container, exported)
                disk = Disk.of(there.size_bytes, lambda: source.objects.download(way_out.container, exported))
            copies.append(await _receive(target, way_in, steps, wanted, disk))
        return copies[0]


async def _drop_all(client: Client, images: Sequence[Image]) -> None:
    for image in images:
        with suppress(NotFoundError):
            await client.images.delete(image.id)


def _needs_tasks(client: Client) -> None:
    if not has_tasks(client):
        raise UnsupportedOperationError(
            f"{dialect_named(client.dialect).title} takes and gives image data by itself: use client.images.upload and "
            "download, or import_from"
        )


def _check_copy(image: Image, source: Client, target: Client, container: str | None, receiving: str | None) -> None:
    if has_tasks(source):
        export_input(dialect_named(source.dialect), image.id, container or "")
    if not has_tasks(target):
        return
    if receiving is None:
        raise ValueError("target_container is needed: Rackspace imports from Cloud Files")
    if not has_tasks(source) and image.disk_format not in _VHD_FORMATS:
        raise UnsupportedOperationError(f"image {image.id} is {image.disk_format}, and Rackspace imports VHD only")


async def _receive(target: Client, route: Route | None, steps: Steps, wanted: Image, disk: Disk) -> Image:
    """Make an image like another one of its data."""
    reserved = dialect_named(target.dialect).reserved_prefixes
    properties = {
        key: value
        for key, value in wanted.properties.items()
        if isinstance(value, str) and not key.startswith((*reserved, *_SERVICES_OWN))
    }
    if route is not None:
        return await route.bring_in(disk, name=str(wanted.name), properties=properties, tags=wanted.tags)
    with steps.step("upload the data"):
        return await target.images.create(
            name=wanted.name,
            disk_format=wanted.disk_format,
            container_format=wanted.container_format,
            min_disk=wanted.min_disk,
            min_ram=wanted.min_ram,
            properties=properties,
            tags=wanted.tags,
            data=disk.source,
            size_bytes=disk.size_bytes,
            progress=steps.progress,
        )
