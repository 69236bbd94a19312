"""What the workers do in both dialects."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from desk import Desk, GivenUpError

from aioimages import Client, NotFoundError, TaskFailedError
from aioimages.emulator import Emulator

__all__ = ["COMMON", "Round", "check_file", "delete_some", "fetch_object", "settle_import"]

Round = Callable[[Desk], Awaitable[None]]

_CONSUMER: Final = Emulator.consumer.tenant_id
_BEGUN: Final = 8


async def edit(desk: Desk) -> None:
    """Change an image's properties and tags, and read it again."""
    if not desk.kept:
        return
    image = desk.chance.choice(desk.kept)
    key, value = desk.key("image", image.name), f"distro {desk.rounds}"
    with desk.book.change(key, os_distro=value):
        await desk.call("update", lambda client: client.images.update(image.id, {"os_distro": value}))
    tags = sorted([desk.tag, "new"])
    with desk.book.change(key, tags=tags):
        await desk.call("add a tag", lambda client: client.images.add_tag(image.id, "new"))
    found = await desk.call("get", lambda client: client.images.get(image.id))
    if sorted(found.tags) != tags or found.properties.get("os_distro") != value:
        desk.wrong(f"{key} has {found.tags} and {found.properties}")
    if desk.chance.random() < 0.5:
        with desk.book.change(key, tags=[desk.tag]):
            await desk.call("remove a tag", lambda client: client.images.remove_tag(image.id, "new"))


async def share(desk: Desk) -> None:
    """Share an image, let it be accepted, and take it back sometimes."""
    if not desk.kept:
        return
    image = desk.chance.choice(desk.kept)
    key = desk.key("image", image.name)
    members = await desk.call("list members", lambda client: client.members.list(image.id).collect())
    if not members:
        with desk.book.change(key, members={_CONSUMER: "pending"}):
            await desk.call("share", lambda client: client.members.create(image.id, _CONSUMER))
    with desk.book.change(key, members={_CONSUMER: "accepted"}):
        await desk.call(
            "accept", lambda client: client.members.update(image.id, _CONSUMER, "accepted"), role="consumer"
        )
    await desk.call("get", lambda client: client.images.get(image.id), role="consumer")
    if desk.chance.random() < 0.5:
        with desk.book.change(key, members={}):
            await desk.call("unshare", lambda client: client.members.delete(image.id, _CONSUMER))


async def list_images(desk: Desk) -> None:
    """List this worker's images, and all."""
    wanted = sorted(image.id for image in desk.kept)

    async def listed(client: Client, **options: Any) -> list[str]:
        return [image.id async for image in client.images.list(**options)]

    found = await desk.call("list", lambda client: listed(client, tag=desk.tag, page_size=3))
    missing, twice = set(wanted) - set(found), len(found) - len(set(found))
    if missing or twice:
        desk.wrong(f"a listing lacks {missing} and has {twice} twice")
    found = await desk.call("list", lambda client: listed(client, page_size=50))
    if len(found) != len(set(found)):
        desk.wrong("a listing has images twice")


async def delete_some(desk: Desk) -> None:
    """Delete some images, many at once."""
    doomed = desk.kept[:_BEGUN] if desk.is_full else desk.kept[:2]
    desk.kept = desk.kept[len(doomed) :]
    keys = {image.id: desk.key("image", image.name) for image in doomed}
    for key in keys.values():
        desk.book.begin(key, 0)

    async def delete(client: Client) -> None:
        async with client.bulk.map(client.images.delete, list(keys)) as outcomes:
            async for outcome in desk.outcomes("bulk delete, an image", outcomes):
                if outcome.ok:
                    desk.book.settle(keys[outcome.key], 0)
                elif isinstance(outcome.error, NotFoundError):
                    desk.wrong(f"{keys[outcome.key]} was not found, though nobody else has deleted it")

    await desk.call("bulk delete", delete)


async def objects(desk: Desk) -> None:
    """Put an object into Cloud Files, in one piece or in several, find it, fetch it, and delete it."""
    name, data = desk.name(), desk.chance.randbytes(desk.chance.randrange(1, 120_000))
    key, orphan = desk.key("object", f"soak/{name}"), desk.key("orphan", f"soak/{name}")
    is_large = desk.chance.random() < 0.4
    size = max(1, len(data) // 3) if is_large else 2**20
    facts: dict[str, Any] = {} if is_large else {"etag": hashlib.md5(data, usedforsecurity=False).hexdigest()}
    try:
        with desk.book.change(key, **facts):
            stored = await desk.call(
                "put an object", lambda client: client.objects.upload("soak", name, data, segment_bytes=size),
                cleaning=31.0,
            )  # fmt: skip
    except GivenUpError as given_up:
        if given_up.may_be_left:
            desk.book.begin(orphan, 4)
        raise
    if is_large:
        desk.book.settle(key, 1, etag=stored.etag)
    await desk.call("get an object", lambda client: client.objects.get("soak", name))
    listed = await desk.call("list objects", lambda client: client.objects.list("soak", prefix=name).collect())
    if name not in {one.name for one in listed}:
        desk.wrong(f"{key} is not in the listing")
    await fetch_object(desk, "soak", name, data)
    if desk.chance.random() < 0.8:
        # What is deleted piece by piece may be so in part.
        desk.book.begin(orphan, 4)
        with desk.book.change(key, to=0):
            await desk.call("delete an object", lambda client: client.objects.delete("soak", name))
        desk.book.settle(orphan, 0)


async def fetch_object(desk: Desk, container: str, name: str, data: bytes) -> None:
    """Fetch an object, and see that it is whole."""
    target = desk.folder / "fetched"
    try:
        await desk.call(
            "download an object",
            lambda client: client.objects.download(container, name, target, timeout=20.0),
            within=20.0,
            is_limited=True,
        )
        check_file(desk, target, data)
    finally:
        desk.check_folder(desk.folder)


def check_file(desk: Desk, path: Path, data: bytes) -> None:
    """See that a file has the data."""
    if path.read_bytes() != data:
        desk.wrong(f"{path.name} is not what was uploaded")


def settle_import(desk: Desk, name: str, error: BaseException | None, **facts: Any) -> None:
    """Note how the import of an image has ended, where that is known."""
    if error is None:
        desk.book.settle(desk.key("import", name), 1, status="success")
        desk.book.settle(desk.key("image", name), 1, status="active", **facts)
    elif isinstance(error, TaskFailedError):
        desk.book.settle(desk.key("import", name), 1, status="failure")
        desk.book.settle(desk.key("image", name), 0)


# How often each is chosen.
COMMON: Final[Mapping[Round, int]] = {
    edit: 8,
    share: 6,
    list_images: 4,
    objects: 8,
    delete_some: 2,
}
