"""Whatever people do with a cloud, and whatever goes wrong meanwhile: what they were told is what is there."""

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import pytest
from disks import fixed_vhd
from hypothesis import Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aioimages import (
    AioImagesError,
    AmbiguousOutcomeError,
    ConflictError,
    ForbiddenError,
    NoImageDataError,
    NotFoundError,
    in_,
)
from properties.documents import texts
from properties.machine import Cloud, Fault, Known, faults

NAMES = some.sampled_from(["web", "a,b", 'c:"d"', "ü ~/", "eq:web"]) | texts(max_size=4)
PROPERTY_NAMES = some.sampled_from(["os_distro", "a/b", "a~b", "~1", "ü", "x y"])
TAGS = some.sampled_from(["a", "b c", "ü", "a/b", "%2F", "..", "?"])
PROPERTIES = some.dictionaries(PROPERTY_NAMES, NAMES, max_size=3)
STATUSES = some.sampled_from(["accepted", "rejected", "pending"])
DATA = some.binary(min_size=1, max_size=50) | some.just(b"data" * 50_000)
GARBLED = faults("garbled", "truncate")
IMAGES = some.fixed_dictionaries(
    {"name": NAMES, "tags": some.lists(TAGS, max_size=2, unique=True), "data": some.none() | DATA},
    optional={"protected": some.booleans(), "os_distro": NAMES, "a/b": NAMES},
)


class CloudMachine(RuleBasedStateMachine):
    """Everything that a client can do, in any order, beside a model of what must come of it."""

    dialect: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud(self.dialect)
        self.numbers = itertools.count()

    def teardown(self) -> None:
        """Leave the cloud."""
        self.cloud.close()

    @property
    def is_openstack(self) -> bool:
        """Whether it is an OpenStack cloud."""
        return self.dialect == "openstack"

    @invariant()
    def nothing_is_lost(self) -> None:
        """After each step the cloud has what it must have."""
        self.cloud.check()

    # What each rule begins with, and ends with.

    def chosen(self, data: some.DataObject, *, is_owned: bool = False) -> tuple[str, Known | None]:
        """Choose an image, or seldom one that was deleted, or never was."""
        images = [
            image_id
            for image_id, known in self.cloud.images.items()
            if not is_owned or known.owner == self.cloud.me.project_id
        ]
        image_id = data.draw(some.sampled_from([*images * 5, *self.cloud.deleted[-1:], "none"]))
        return image_id, self.cloud.images.get(image_id)

    def owned(self, data: some.DataObject) -> tuple[str, Known | None]:
        """Choose an image of the producer's, or none."""
        return self.chosen(data, is_owned=True)

    def told(self, error: AioImagesError | None, *kinds: type[AioImagesError]) -> None:
        """Demand one of some errors, or none where there are none."""
        assert isinstance(error, kinds) if kinds else error is None, repr(error)

    @initialize(known=some.lists(IMAGES, min_size=2, max_size=4))
    def begin(self, known: list[dict[str, Any]]) -> None:
        """There are some images from the start."""
        cloud = self.cloud
        for image in known:
            facts = {"disk_format": "raw", "container_format": "bare", **image}
            if self.is_openstack:
                facts["visibility"] = "shared"
            image_id = cloud.emulator.add_image(cloud.emulator.producer, region=cloud.world.site.region, **facts)
            cloud.images[image_id] = Known.of(cloud.stored[image_id])

    # Images.

    @rule(name=NAMES, tags=some.lists(TAGS, max_size=2), properties=PROPERTIES, data=some.data(), fault=GARBLED)
    def create(
        self, name: str, tags: list[str], properties: dict[str, str], data: some.DataObject, fault: Fault
    ) -> None:
        """Make an image: exactly one, whatever is lost; at Rackspace people cannot, and it is there by itself."""
        cloud = self.cloud
        known = Known(owner=cloud.me.project_id, name=name, visibility="private", tags=set(tags), properties=properties)
        if not self.is_openstack:
            facts: dict[str, Any] = {"name": name, "tags": tags, **properties}
            image_id = cloud.emulator.add_image(cloud.emulator.producer, region=cloud.world.site.region, **facts)
            cloud.images[image_id] = known
            return
        known.visibility = data.draw(some.sampled_from(["shared", "shared", "private", "community"]))
        fault = Fault(None) if fault.kind in {"garbled", "truncate"} else fault
        image, error = cloud.do(
            fault,
            "/images",
            lambda: cloud.producer.images.create(
                name=name,
                tags=tags,
                properties=properties,
                visibility=known.visibility,
                disk_format="raw",
                container_format="bare",
            ),
        )
        self.told(error)
        assert image is not None
        assert known.is_told_by(image)
        cloud.images[image.id] = known

    @rule(data=some.data(), fault=GARBLED)
    def get(self, data: some.DataObject, fault: Fault) -> None:
        """Look an image up, as its owner and as somebody else."""
        image_id, known = self.chosen(data)
        is_owner = data.draw(some.booleans())
        client = self.cloud.producer if is_owner else self.cloud.consumer
        person = self.cloud.me.project_id if is_owner else self.cloud.other
        image, error = self.cloud.do(fault, "/images/", lambda: client.images.get(image_id))
        if known is None or not (
            known.owner in {person, None} or known.visibility == "community" or person in known.members
        ):
            self.told(error, NotFoundError)
        else:
            self.told(error)
            assert image is not None
            assert known.is_told_by(image)

    @rule(data=some.data(), changes=PROPERTIES, fault=faults())
    def update(self, data: some.DataObject, changes: dict[str, Any], fault: Fault) -> None:
        """Change and remove, all of it or nothing."""
        image_id, known = self.owned(data)
        removed = data.draw(some.sets(PROPERTY_NAMES, max_size=2)) - changes.keys()
        if known is not None and (data.draw(some.booleans()) or not fault.is_none):
            removed &= known.properties.keys()
        attributes = {"name": NAMES, "protected": some.booleans(), "tags": some.lists(TAGS, max_size=3)}
        changes = {**changes, **data.draw(some.fixed_dictionaries({}, optional=attributes))}
        if not changes and not removed:
            return
        image, error = self.cloud.do(
            fault, "/images/", lambda: self.cloud.producer.images.update(image_id, changes, remove=sorted(removed))
        )
        if known is None:
            self.told(error, NotFoundError)
        elif not removed <= known.properties.keys():
            self.told(error, ConflictError)
        else:
            self.told(error)
            properties = {name: value for name, value in changes.items() if name not in attributes}
            self.cloud.images[image_id] = after = attrs.evolve(
                known,
                **{name: changes[name] for name in ("name", "protected") if name in changes},
                tags=set(changes.get("tags", known.tags)),
                properties={
                    name: value for name, value in {**known.properties, **properties}.items() if name not in removed
                },
            )
            assert image is not None
            assert after.is_told_by(image)

    @rule(data=some.data(), name=NAMES, fault=faults())
    def patch(self, data: some.DataObject, name: str, fault: Fault) -> None:
        """Send a patch as it is."""
        image_id, known = self.owned(data)
        operations = [{"op": "replace", "path": "/name", "value": name}]
        _, error = self.cloud.do(fault, "/images/", lambda: self.cloud.producer.images.patch(image_id, operations))
        if known is None:
            self.told(error, NotFoundError)
        else:
            self.told(error)
            known.name = name

    @rule(data=some.data(), fault=faults())
    def delete(self, data: some.DataObject, fault: Fault) -> None:
        """Delete an image."""
        image_id, known = self.owned(data)
        _, error = self.cloud.do(fault, "/images/", lambda: self.cloud.producer.images.delete(image_id))
        if known is None:
            # Where an answer was lost, it may have been deleted by the request of it.
            self.told(error, *(() if error is None and not fault.is_none else (NotFoundError,)))
        elif known.protected:
            self.told(error, ForbiddenError)
        else:
            self.told(error)
            del self.cloud.images[image_id]
            self.cloud.deleted.append(image_id)

    @rule(data=some.data(), tag=TAGS, fault=faults())
    def add_tag(self, data: some.DataObject, tag: str, fault: Fault) -> None:
        """Give an image a tag."""
        image_id, known = self.owned(data)
        _, error = self.cloud.do(fault, "/images/", lambda: self.cloud.producer.images.add_tag(image_id, tag))
        if known is None:
            self.told(error, NotFoundError)
        else:
            self.told(error)
            known.tags = known.tags | {tag}

    @rule(data=some.data(), tag=TAGS, fault=faults())
    def remove_tag(self, data: some.DataObject, tag: str, fault: Fault) -> None:
        """Take a tag from an image."""
        image_id, known = self.owned(data)
        _, error = self.cloud.do(fault, "/images/", lambda: self.cloud.producer.images.remove_tag(image_id, tag))
        if known is None or tag not in known.tags:
            self.told(error, *(() if error is None and not fault.is_none else (NotFoundError,)))
        else:
            self.told(error)
            known.tags = known.tags - {tag}

    # Members.

    def is_sharable(self, known: Known) -> bool:
        """Say whether the service shares an image of this visibility."""
        return known.visibility == ("shared" if self.is_openstack else "private")

    @rule(data=some.data(), fault=faults())
    def share(self, data: some.DataObject, fault: Fault) -> None:
        """Share an image: with somebody whom it is shared with already, that is a conflict."""
        image_id, known = self.owned(data)
        cloud = self.cloud
        member, error = cloud.do(fault, "/members", lambda: cloud.producer.members.create(image_id, cloud.other))
        if known is None:
            self.told(error, NotFoundError)
        elif not self.is_sharable(known):
            self.told(error, ForbiddenError)
        elif cloud.other in known.members:
            self.told(error, *(() if error is None and not fault.is_none else (ConflictError,)))
        else:
            self.told(error)
            assert member is not None
            assert (member.member_id, member.status) == (cloud.other, "pending")
            known.members = {cloud.other: "pending"}

    @rule(data=some.data(), status=STATUSES, fault=faults())
    def answer(self, data: some.DataObject, status: str, fault: Fault) -> None:
        """Accept or reject an image, as whom it is shared with."""
        image_id, known = self.chosen(data)
        cloud = self.cloud
        member, error = cloud.do(
            fault, "/members/", lambda: cloud.consumer.members.update(image_id, cloud.other, status)
        )
        if known is None or cloud.other not in known.members:
            self.told(error, NotFoundError)
        else:
            self.told(error)
            assert member is not None
            assert member.status == status
            known.members = {cloud.other: status}

    @rule(data=some.data(), fault=faults())
    def unshare(self, data: some.DataObject, fault: Fault) -> None:
        """Share an image no longer."""
        image_id, known = self.owned(data)
        cloud = self.cloud
        _, error = cloud.do(fault, "/members/", lambda: cloud.producer.members.delete(image_id, cloud.other))
        if known is None or (self.is_sharable(known) and not known.members):
            self.told(error, *(() if error is None and not fault.is_none else (NotFoundError,)))
        elif not self.is_sharable(known):
            self.told(error, ForbiddenError)
        else:
            self.told(error)
            known.members = {}

    @rule(data=some.data(), fault=GARBLED)
    def members(self, data: some.DataObject, fault: Fault) -> None:
        """List whom an image is shared with."""
        image_id, known = self.owned(data)
        found, error = self.cloud.do(fault, "/members", self.cloud.producer.members.list(image_id).collect)
        if known is None:
            self.told(error, NotFoundError)
        else:
            self.told(error)
            assert found is not None
            assert {member.member_id: member.status for member in found} == known.members

    # Listings.

    @rule(data=some.data(), fault=GARBLED)
    def list(self, data: some.DataObject, fault: Fault) -> None:
        """List one's images with filters, page by page: each that fits, once."""
        fits: dict[str, tuple[some.SearchStrategy[Any], Callable[[Known, Any], bool]]] = {
            "name": (NAMES, lambda known, name: known.name == name),
            "status": (some.sampled_from(["queued", "active"]), lambda known, status: known.status == status),
            "tag": (some.lists(TAGS, max_size=2), lambda known, tags: set(tags) <= known.tags),
        }
        if self.is_openstack:
            fits |= {
                "protected": (some.booleans(), lambda known, flag: known.protected is flag),
                "properties": (PROPERTIES, lambda known, wanted: wanted.items() <= known.properties.items()),
                "visibility": (
                    some.sampled_from(["private", "shared"]),
                    lambda known, visibility: known.visibility == visibility,
                ),
            }
        wanted = data.draw(some.fixed_dictionaries({}, optional={name: drawn for name, (drawn, _) in fits.items()}))
        given = dict(wanted)
        if self.is_openstack and wanted.get("name") and '"' not in wanted["name"] and data.draw(some.booleans()):
            given["name"] = in_(wanted["name"], "another")
        size = data.draw(some.none() | some.integers(1, 3))
        listing = self.cloud.producer.images.list(page_size=size, **given)
        found, error = self.cloud.do(fault, "/images", listing.collect)
        self.told(error)
        assert found is not None
        assert sorted(image.id for image in found) == sorted(
            image_id
            for image_id, known in self.cloud.images.items()
            if known.owner == self.cloud.me.project_id and all(fits[name][1](known, wanted[name]) for name in wanted)
        )
        assert all(self.cloud.images[image.id].is_told_by(image) for image in found)

    @rule(status=some.none() | some.sampled_from(["accepted", "rejected", "pending", "all"]), fault=GARBLED)
    def list_shared(self, status: str | None, fault: Fault) -> None:
        """List what others share, as whom it is shared with: what was accepted, or what is asked for."""
        listing = self.cloud.consumer.images.list(visibility="shared", member_status=status, page_size=2)
        found, error = self.cloud.do(fault, "/images", listing.collect)
        self.told(error)
        assert found is not None
        wanted = {"accepted", "rejected", "pending"} if status == "all" else {status or "accepted"}
        assert {image.id for image in found} == {
            image_id for image_id, known in self.cloud.images.items() if known.members.get(self.cloud.other) in wanted
        }

    # States and data.

    @precondition(lambda self: self.is_openstack)
    @rule(data=some.data(), to=some.sampled_from(["deactivate", "reactivate"]), fault=faults())
    def turn(self, data: some.DataObject, to: str, fault: Fault) -> None:
        """Keep an image's data from being read, or let them be read again."""
        image_id, known = self.owned(data)
        _, error = self.cloud.do(fault, "/actions/", lambda: getattr(self.cloud.producer.images, to)(image_id))
        if known is None:
            self.told(error, NotFoundError)
        elif known.status == "queued":
            self.told(error, ForbiddenError)
        else:
            self.told(error)
            known.status = "deactivated" if to == "deactivate" else "active"

    @precondition(lambda self: self.is_openstack)
    @rule(data=some.data(), content=DATA, fault=faults())
    def upload(self, data: some.DataObject, content: bytes, fault: Fault) -> None:
        """Give an image its data, whole and once."""
        image_id, known = self.owned(data)
        if known is None or known.status != "queued":
            fault = Fault(None)
        image, error = self.cloud.do(
            fault, f"/images/{image_id}", lambda: self.cloud.producer.images.upload(image_id, content)
        )
        if known is None:
            self.told(error, NotFoundError)
        elif known.status != "queued":
            self.told(error, ConflictError)
        else:
            self.told(error)
            known.status, known.data = "active", content
            assert image is not None
            assert known.is_told_by(image)

    @precondition(lambda self: self.is_openstack)
    @rule(data=some.data(), fault=faults("truncate"))
    def download(self, data: some.DataObject, fault: Fault) -> None:
        """Read an image's data: all of them, or an error that says why not."""
        image_id, known = self.owned(data)

        async def read() -> bytes:
            async with self.cloud.producer.images.download(image_id) as stream:
                return b"".join([piece async for piece in stream])

        found, error = self.cloud.do(fault, f"/images/{image_id}", read)
        if known is None:
            self.told(error, NotFoundError)
        elif known.status == "deactivated":
            self.told(error, ForbiddenError)
        elif known.data is None:
            self.told(error, NoImageDataError)
        else:
            self.told(error)
            assert found == known.data

    # Tasks, and tokens.

    @rule(name=NAMES.filter(str.strip), is_good=some.booleans(), fault=faults())
    def import_disk(self, name: str, is_good: bool, fault: Fault) -> None:  # noqa: FBT001  # drawn
        """Import a disk: one task and one image, or at Rackspace an error that says that nobody can tell."""
        cloud, number = self.cloud, next(self.numbers)
        content = fixed_vhd(512 * (number + 1)) if is_good else b"no disk"
        source = cloud.world.site.put_file(f"{number}.vhd", content)
        if self.is_openstack and not is_good:
            source += "-is-not-there"
        tasks = cloud.emulator._world.regions[cloud.world.site.region].tasks
        before = set(tasks)
        task, error = cloud.do(fault, "/tasks", lambda: cloud.importer.tasks.import_image(source, name=name))
        if error is not None:
            assert not self.is_openstack
            assert fault.kind != "drop_reply"
            assert not fault.is_none
            self.told(error, AmbiguousOutcomeError)
            assert set(tasks) == before
            return
        assert task is not None
        assert set(tasks) - before == {task.id}
        (outcome,), error = cloud.do(Fault(None), "", lambda: cloud.importer.tasks.wait_all([task.id], timeout=30))  # type: ignore[misc]  # there is no error
        assert error is None
        assert outcome.ok is is_good
        if outcome.ok:
            image_id = outcome.unwrap().image_id
            cloud.images[image_id] = Known.of(cloud.stored[image_id])
            assert (cloud.images[image_id].name, cloud.images[image_id].data) == (name, content)

    @rule()
    def revoke(self) -> None:
        """Every token ends before its time."""
        self.cloud.emulator.revoke_tokens()


@pytest.mark.parametrize("dialect", ["openstack", "rackspace"])
@pytest.mark.filterwarnings("ignore::aioimages.FormatWarning")
def test_whatever_people_do(dialect: str) -> None:
    """What a client has acknowledged is what the cloud holds, in any order of operations and with answers lost."""
    machine = type("Machine", (CloudMachine,), {"dialect": dialect})
    # An example takes as long as a hundred of what has no server; making a failing one shorter would take minutes.
    examples = max(30, settings().max_examples // 5)
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=40, phases=phases))
