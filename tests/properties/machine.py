"""A cloud, and what people who have done everything so far must find in it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import attrs
from clouds import World, emulated
from hypothesis import strategies as some
from wire import Person

from aioimages import AioImagesError, Image, RetryPolicy, TimeoutPolicy
from aioimages.emulator.documents import BASE, READ_ONLY
from aioimages.emulator.state import StoredImage

__all__ = ["Cloud", "Fault", "Known", "faults"]

T = TypeVar("T")

_LONGEST_SECONDS: Final = 60
QUICK: Final[dict[str, Any]] = {
    "retry": RetryPolicy(attempts=8, base=0.001, ceiling=0.01, budget=10_000),
    "timeout": TimeoutPolicy(connect=10, read=20, call=40, lost_after=0.05),
}


@attrs.define(kw_only=True)
class Known:
    """What an image must be."""

    owner: str | None
    name: str | None = None
    status: str = "queued"
    visibility: str
    protected: bool = False
    tags: set[str] = attrs.field(factory=set)
    properties: dict[str, str] = attrs.field(factory=dict)
    data: bytes | None = None
    members: dict[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, stored: StoredImage) -> "Known":
        """Return what the cloud itself has of an image."""
        document = stored.document
        # What the service adds by itself when it imports.
        own = {*BASE, *READ_ONLY, "image_type"}
        return cls(
            **{name: document[name] for name in ("owner", "name", "status", "visibility", "protected")},
            tags=set(document["tags"]),
            properties={name: value for name, value in document.items() if name not in own},
            data=stored.data,
            members={member_id: member["status"] for member_id, member in stored.members.items()},
        )

    def is_told_by(self, image: Image) -> bool:
        """Say whether an image is told as it must be."""
        properties = {name: value for name, value in image.properties.items() if name != "image_type"}
        return (
            (image.owner, image.name, image.status, image.visibility, image.protected, properties)
            == (self.owner, self.name, self.status, self.visibility, self.protected, self.properties)
            and set(image.tags) == self.tags
            and image.size == (None if self.data is None else len(self.data))
        )


@attrs.frozen
class Fault:
    """What goes wrong with requests, and how often; nothing where the kind is none."""

    kind: str | None
    times: int = 1
    after: int = 0

    @property
    def is_none(self) -> bool:
        """Whether nothing goes wrong."""
        return self.kind is None


def faults(*kinds: str) -> some.SearchStrategy[Fault]:
    """Return faults, most of which are none."""
    # What was done and not answered is what clients get wrong.
    all_kinds = ("drop_reply", "drop_reply", "drop_reply", "drop", "503", "500", *kinds)
    struck = some.builds(
        Fault, some.sampled_from(all_kinds), some.sampled_from((1, 1, 2)), some.sampled_from((0, 0, 0, 1))
    )
    return some.just(Fault(None)) | struck


class Cloud:
    """An embedded cloud with clients of two people, on a loop of its own, and what must be in it.

    Attributes:
        images: What must be there, by id.
        deleted: Ids of what was there.
    """

    def __init__(self, dialect: str) -> None:
        self.runner = asyncio.Runner()
        self.images: dict[str, Known] = {}
        self.deleted: list[str] = []
        self._site = emulated(dialect, {"task_seconds": (0.0, 0.02)})
        site = self.runner.run(self._site.__aenter__())
        self.world = World(site)
        self.dialect = dialect
        self.emulator = self.world.emulator
        self.producer, self.consumer, self.importer = (
            self.world.client(self.world.credentials(person), **QUICK)
            for person in (site.producer, site.consumer, site.producer if dialect == "rackspace" else site.admin)
        )

    def close(self) -> None:
        """Leave the cloud."""
        self.runner.run(self.world.close_clients())
        self.runner.run(self._site.__aexit__(None, None, None))
        self.runner.close()

    @property
    def stored(self) -> dict[str, StoredImage]:
        """What the cloud has, by id."""
        return self.emulator._world.regions[self.world.site.region].images

    @property
    def me(self) -> Person:
        """Who has the images."""
        return self.world.site.producer

    @property
    def other(self) -> str:
        """Whom images are shared with."""
        return self.world.site.consumer.project_id

    def do(
        self, fault: Fault, path: str, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> tuple[T | None, AioImagesError | None]:
        """Do something with a fault put in, and return what came of it: a value, or an error of the library's."""
        which: dict[str, Any] = {"path": path, "times": fault.times, "after": fault.after}
        match fault.kind:
            case "drop":
                self.emulator.faults.drop(**which)
            case "drop_reply":
                self.emulator.faults.drop_reply(**which)
            case "503":
                self.emulator.faults.status(503, headers={"Retry-After": "0"}, **which)
            case "500":
                self.emulator.faults.status(500, **which)
            case "garbled":
                self.emulator.faults.body(b"<html>Welcome</html>", **which | {"times": 1})
            case "truncate":
                self.emulator.faults.truncate(20, **which)

        async def limited() -> T:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await work()

        try:
            return self.runner.run(limited()), None
        except AioImagesError as error:
            return None, error
        finally:
            self.emulator.faults.clear()

    def check(self) -> None:
        """Compare what is there with what must be: nothing acknowledged is lost, and nothing is there twice."""
        assert {image_id: Known.of(stored) for image_id, stored in self.stored.items()} == self.images
