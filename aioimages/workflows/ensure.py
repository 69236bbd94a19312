"""An image that is as it should be."""

import enum
import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from aioimages._client import Client
from aioimages._errors import ConflictError
from aioimages._models import Image
from aioimages._policy import UNSET, Unset
from aioimages._progress import Progress
from aioimages._steps import Steps
from aioimages._transfer.digest import DEFAULT_ALGORITHM, known
from aioimages._transfer.sending import digest_of
from aioimages._transfer.source import UploadSource, source_of
from aioimages.workflows.disks import import_disk
from aioimages.workflows.route import has_tasks

__all__ = ["Action", "Ensured", "ensure_image"]


class Action(enum.StrEnum):
    """What `ensure_image` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@attrs.frozen
class Ensured:
    """An image that is as it should be, and what that took."""

    image: Image
    action: Action


async def ensure_image(
    client: Client,
    data: UploadSource | None = None,
    *,
    name: str,
    digest: str | None = None,
    disk_format: str | None = None,
    container_format: str = "bare",
    visibility: str | None = None,
    properties: Mapping[str, str] | None = None,
    tags: Sequence[str] | None = None,
    container: str | None = None,
    timeout: float | Unset | None = UNSET,
    progress: Progress | None = None,
) -> Ensured:
    """See that there is an image with these data, name and properties: make it, change it, or leave it alone.

    It is one of the project's own, and has the name; where a digest is given, or the data are bytes or a file, and the
    cloud tells digests, it has the data, too.

    Args:
        client: Whose image.
        data: Its data, for the case that it must be made; on Rackspace the path of a VHD.
        name: What it is called.
        digest: The SHA-512 of its data, in hexadecimal (OpenStack).
        disk_format: How the data are laid out (OpenStack).
        container_format: What is around them (OpenStack).
        visibility: `private`, `shared`, `community` or `public` (OpenStack).
        properties: Properties that it must have; others stay.
        tags: Its tags; otherwise they stay.
        container: Where to put the disk meanwhile (Rackspace).
        timeout: Seconds to wait for a task; `None` is for ever. Otherwise `PollPolicy.timeout` holds.
        progress: Who wants to know how far it is.

    Raises:
        ValueError: There is no such image, and no data to make it of.
        ConflictError: Several images are called so, and no digest tells which.
    """
    changes: dict[str, Any] = {"name": name, **(properties or {})}
    changes |= {key: value for key, value in (("tags", tags), ("visibility", visibility)) if value is not None}
    with Steps("ensure_image", name, progress) as steps:
        with steps.step("find the image"):
            found = await _find_image(client, name, data, digest)
        if found is not None:
            with steps.step("change the image"):
                return await _changed(client, found, changes)
        if data is None:
            raise ValueError(f"there is no image {name!r}, and no data to make it of")
    if not has_tasks(client):
        image = await client.images.create(
            name=name,
            disk_format=disk_format,
            container_format=container_format,
            visibility=visibility,
            properties=properties,
            tags=tags or (),
            data=data,
            progress=progress,
        )
        return Ensured(image, Action.CREATED)
    if not isinstance(data, str | os.PathLike) or container is None or visibility or disk_format:
        raise ValueError(
            "at Rackspace an image is made of the path of a VHD, by way of a container, without visibility and format"
        )
    image = await import_disk(
        client,
        data,
        name=name,
        container=container,
        properties=properties,
        tags=tags or (),
        timeout=timeout,
        progress=progress,
    )
    return Ensured(image, Action.CREATED)


async def _find_image(client: Client, name: str, data: UploadSource | None, digest: str | None) -> Image | None:
    """Return the project's own image of the name that has the data, where they can be compared."""
    project_id = await client.project_id()
    called = [
        image
        async for image in client.images.list(name=name, status="active")
        if (image.owner == project_id if project_id else image.visibility != "public")
    ]
    digests = {} if digest is None else {DEFAULT_ALGORITHM: digest.lower()}
    if digest is None and (has_tasks(client) or not isinstance(data, bytes | str | os.PathLike)):
        if len(called) > 1:
            raise ConflictError(f"several images are called {name!r}", status=409, method="GET", url="images")
        return called[0] if called else None
    for image in called:
        algorithm = image.os_hash_algo or ""
        if algorithm not in digests and known(algorithm) and isinstance(data, bytes | str | os.PathLike):
            digests[algorithm] = await digest_of(await source_of(data, None), algorithm)
        if image.os_hash_value and digests.get(algorithm) == image.os_hash_value:
            return image
    return None


async def _changed(client: Client, image: Image, changes: Mapping[str, Any]) -> Ensured:
    missing = {key: value for key, value in changes.items() if _value(image, key) != _plain(value)}
    if not missing:
        return Ensured(image, Action.UNCHANGED)
    return Ensured(await client.images.update(image.id, missing), Action.UPDATED)


def _value(image: Image, key: str) -> Any:
    facts = {"name": image.name, "visibility": image.visibility, "tags": sorted(image.tags)}
    return facts[key] if key in facts else image.properties.get(key)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else sorted(value)
