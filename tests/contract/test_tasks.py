"""`client.tasks`: asking for tasks, looking at them and listing them."""

import uuid
from datetime import timedelta

import pytest
from clouds import World

from aioimages import (
    AioImagesError,
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    Task,
    TaskFailedError,
    UnsupportedOperationError,
)

pytestmark = pytest.mark.anyio

openstack = pytest.mark.dialects("openstack")
rackspace = pytest.mark.dialects("rackspace")


async def _import(world: World, name: str = "imported") -> Task:
    task = await world.import_disk(name)
    return await world.importer.tasks.wait(task.id, timeout=30)


async def test_import_image(world: World) -> None:
    """An import comes back at once as a task, and ends in an image of the name that was given."""
    task = await world.import_disk("web server")
    assert (task.type, task.image_id) == ("import", None)
    assert task.status in {"pending", "processing"}
    assert not task.is_final
    done = await world.importer.tasks.wait(task.id, timeout=30)
    assert (task.id, "success", True) == (done.id, done.status, done.is_final)
    assert done.image_id is not None
    assert {"image_id": done.image_id} == done.result
    image = await world.importer.images.get(done.image_id)
    assert (image.name, image.status) == ("web server", "active")


@openstack
async def test_import_image_with_properties(world: World) -> None:
    """On OpenStack an import may say everything of the image."""
    properties = {"os_distro": "ubuntu", "disk_format": "raw", "owner": world.site.producer.project_id}
    task = await world.importer.tasks.import_image(
        world.import_source(), name="web", properties=properties, import_from_format="raw"
    )
    done = await world.importer.tasks.wait(task.id, timeout=30)
    assert done.image_id is not None
    image = await world.producer.images.get(done.image_id)
    assert ("ubuntu", world.site.producer.project_id) == (image.properties["os_distro"], image.owner)
    assert [image.id] == [found.id async for found in world.producer.images.list(name="web")]


@rackspace
async def test_import_belongs_to_who_asked(world: World) -> None:
    """At Rackspace an imported image is the account's own, private, and a VHD."""
    done = await _import(world)
    assert done.image_id is not None
    image = await world.producer.images.get(done.image_id)
    assert (world.site.producer.project_id, "private") == (image.owner, image.visibility)
    assert image.disk_format == "vhd"
    with pytest.raises(NotFoundError):
        await world.consumer.images.get(image.id)


@rackspace
async def test_import_properties_on_rackspace(world: World) -> None:
    """Rackspace takes only a name with an import: anything else is refused before any request."""
    with pytest.raises(ValueError, match="takes only name"):
        await world.producer.tasks.import_image("disks/web.vhd", name="web", properties={"os_distro": "ubuntu"})
    with pytest.raises(ValueError, match="import_from_format"):
        await world.producer.tasks.import_image("disks/web.vhd", name="web", import_from_format="vhd")
    assert world.watch.requests == []


async def test_import_of_a_bad_disk(world: World) -> None:
    """An import that fails is a task with the service's reason."""
    task = await world.import_disk(good=False)
    with pytest.raises(TaskFailedError) as caught:
        await world.importer.tasks.wait(task.id, timeout=30)
    failed = await world.importer.tasks.get(task.id)
    assert (failed.status, failed.image_id, failed.is_final) == ("failure", None, True)
    assert failed.message
    assert failed.message == caught.value.reason
    assert failed == caught.value.task


async def test_create(world: World) -> None:
    """A task is asked for with any input, which stays as it was given."""
    details = {"import_from": world.import_source(), "image_properties": {"name": "web"}}
    if world.dialect == "openstack":
        details["import_from_format"] = "raw"
        details["image_properties"] = {"name": "web", "container_format": "bare"}
    task = await world.importer.tasks.create("import", details)
    assert ("import", details) == (task.type, task.input)
    assert (await world.importer.tasks.wait(task.id, timeout=30)).status == "success"


async def test_create_of_an_unknown_type(world: World) -> None:
    """A type of task that the service does not know is its refusal."""
    with pytest.raises(BadRequestError):
        await world.importer.tasks.create("conversion", {"import_from": world.import_source()})


@openstack
async def test_create_without_the_right(world: World) -> None:
    """Where tasks are for administrators, others are refused."""
    with pytest.raises(ForbiddenError, match="not authorized"):
        await world.producer.tasks.import_image(world.import_source(), name="web")
    with pytest.raises(ForbiddenError, match="not authorized"):
        await world.producer.tasks.list().collect()


@openstack
async def test_export_on_openstack(world: World) -> None:
    """OpenStack has no exports: that is said before any request."""
    with pytest.raises(UnsupportedOperationError, match="lacks export tasks"):
        await world.importer.tasks.export_image("some-id", container="exports")
    with pytest.raises(UnsupportedOperationError, match="lacks export tasks"):
        await world.importer.tasks.create("export", {"image_uuid": "some-id"})
    assert world.watch.requests == []


async def test_get(world: World) -> None:
    """A task that is done says when it began, when it ended, and when it will be forgotten."""
    done = await _import(world)
    task = await world.importer.tasks.get(done.id)
    assert done == task
    assert (world.importer is world.producer) is (task.owner == world.site.producer.project_id)
    assert task.created_at is not None
    assert task.updated_at is not None
    assert task.expires_at is not None
    assert timedelta(0) <= task.updated_at - task.created_at < timedelta(minutes=1)
    assert timedelta(hours=47) < task.expires_at - task.updated_at < timedelta(hours=49)
    assert task.message is None
    assert (task.self_url or "").endswith(f"/v2/tasks/{task.id}")


async def test_get_unknown(world: World) -> None:
    """A task that is not there is not found."""
    with pytest.raises(NotFoundError):
        await world.importer.tasks.get(str(uuid.uuid4()))


async def test_get_of_somebody_else(world: World) -> None:
    """A task of somebody else's cannot be seen."""
    task = await _import(world)
    with pytest.raises((NotFoundError, ForbiddenError)):
        await world.consumer.tasks.get(task.id)


async def test_list(world: World) -> None:
    """Tasks are listed newest first, without what is long in them."""
    tasks = [await _import(world, name) for name in ("a", "b", "c")]
    listed = await world.importer.tasks.list().collect()
    ours = [task for task in listed if task.id in {made.id for made in tasks}]
    assert [task.id for task in tasks[::-1]] == [task.id for task in ours]
    assert {("import", "success")} == {(task.type, task.status) for task in ours}
    assert {(None, None, None)} == {(task.input, task.result, task.message) for task in ours}
    assert all(task.created_at and task.expires_at for task in ours)


async def test_list_by_status(world: World) -> None:
    """Tasks are found by what has become of them."""
    good = await _import(world)
    bad = await world.import_disk(good=False)
    with pytest.raises(TaskFailedError):
        await world.importer.tasks.wait(bad.id, timeout=30)
    succeeded = {task.id async for task in world.importer.tasks.list(status="success")}
    failed = {task.id async for task in world.importer.tasks.list(status="failure")}
    assert (good.id in succeeded, bad.id in succeeded) == (True, False)
    assert (good.id in failed, bad.id in failed) == (False, True)


@pytest.mark.clouds("emulator")
@pytest.mark.emulator(task_seconds=(60, 60))
async def test_list_of_unfinished_tasks(world: World) -> None:
    """Tasks that wait and tasks that run are found apart."""
    task = await world.import_disk()
    found = {
        status: [found.id async for found in world.importer.tasks.list(status=status)]
        for status in ("pending", "processing", "success", "failure")
    }
    assert [task.id] == found["pending"] + found["processing"]
    assert found["success"] + found["failure"] == []


async def test_list_by_type(world: World) -> None:
    """Tasks are found by their type."""
    task = await _import(world)
    assert task.id in [found.id async for found in world.importer.tasks.list(type="import")]
    assert {"import"} == {found.type async for found in world.importer.tasks.list(type="import", status="success")}


@rackspace
async def test_list_of_exports(world: World) -> None:
    """Imports and exports are listed apart."""
    world.emulator.create_container(world.emulator.producer, "exports")
    imported = await _import(world)
    assert imported.image_id is not None
    exported = await world.producer.tasks.export_image(imported.image_id, container="exports")
    assert [exported.id] == [task.id async for task in world.producer.tasks.list(type="export")]
    assert [imported.id] == [task.id async for task in world.producer.tasks.list(type="import")]


async def test_list_in_order(world: World) -> None:
    """Tasks come in the order that is asked for."""
    tasks = [(await _import(world, name)).id for name in ("a", "b", "c")]
    for sort, expected in (("created_at:asc", tasks), ("created_at:desc", tasks[::-1])):
        listed = [task.id async for task in world.importer.tasks.list(sort=sort)]
        assert expected == [task_id for task_id in listed if task_id in tasks]


async def test_list_over_pages(world: World) -> None:
    """A listing of tasks goes over pages, keeps its filters on all of them, and ends where it is told."""
    tasks = {(await _import(world, name)).id for name in ("a", "b", "c")}
    listed = [task.id async for task in world.importer.tasks.list(page_size=1, status="success", type="import")]
    assert tasks <= set(listed)
    assert len(set(listed)) == len(listed)
    assert len(await world.importer.tasks.list(page_size=1, max_items=2).collect()) == 2
    assert len([page async for page in world.importer.tasks.list(page_size=5, max_items=5).pages()]) == 1


async def test_first(world: World) -> None:
    """The newest task comes without the others."""
    await _import(world)
    newest = await _import(world)
    first = await world.importer.tasks.list().first()
    assert first is not None
    assert newest.id == first.id


@pytest.mark.parametrize(
    ("filters", "named"),
    [({"status": "done"}, "status"), ({"sort": "colour"}, "colour"), ({"page_size": 0}, "page_size")],
    ids=str,
)
async def test_impossible_listing(world: World, filters: dict[str, str], named: str) -> None:
    """What no listing of tasks can have is refused before any request, and named."""
    with pytest.raises(ValueError, match=named):
        world.importer.tasks.list(**filters)  # type: ignore[arg-type]
    assert world.watch.requests == []


@pytest.mark.parametrize(
    ("import_from", "name"), [("", "web"), ("disks", "web"), ("disks/", "web"), ("/web.vhd", "web")], ids=str
)
async def test_impossible_source(world: World, import_from: str, name: str) -> None:
    """A source that no import can have is refused before any request, with what it should be."""
    with pytest.raises(ValueError, match="imports from"):
        await world.importer.tasks.import_image(import_from, name=name)
    assert world.watch.requests == []


async def test_import_without_a_name(world: World) -> None:
    """An import without a name is refused before any request."""
    with pytest.raises(ValueError, match="name is empty"):
        await world.importer.tasks.import_image("disks/web.vhd", name=" ")
    assert world.watch.requests == []


@openstack
async def test_refused_source(world: World) -> None:
    """A source that the service does not fetch from is its refusal, or a failed task."""

    async def import_it() -> None:
        task = await world.importer.tasks.import_image("http://192.0.2.1/web.img", name="web")
        await world.importer.tasks.wait(task.id, timeout=30)

    with pytest.raises(AioImagesError) as caught:
        await import_it()
    assert isinstance(caught.value, BadRequestError | TaskFailedError)
