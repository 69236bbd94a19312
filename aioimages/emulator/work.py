"""What tasks do: imports and exports, in each dialect."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from aioimages.emulator.accounts import Account
from aioimages.emulator.data import activate, fetched
from aioimages.emulator.documents import new_document
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import Region, StoredImage, World
from aioimages.emulator.storage import Storage
from aioimages.emulator.vhd import refusal_code, virtual_size

__all__ = ["Failure", "check_input", "export_image", "import_url", "import_vhd"]

_GLANCE_FAILURE: Final = "Task failed due to Internal Error"


class Failure(Exception):  # noqa: N818  # an end of a task, not an error of ours
    """What the message of a failed task says."""


def check_input(region: Region, kind: Any, details: Any) -> None:
    """Refuse a task that the service would not even begin."""
    kinds = ("import", "export") if region.is_rackspace else ("import",)
    if kind not in kinds:
        raise Refusal(400, f"Provided object does not match schema 'task': {kind!r} is not one of {list(kinds)}")
    if not isinstance(details, dict):
        raise Refusal(400, "Provided object does not match schema 'task': 'input' is a required property")
    source = details.get("import_from")
    if kind == "import" and not region.is_rackspace and not (isinstance(source, str) and source.startswith("http")):
        raise Refusal(400, f"Invalid location: {source}")


async def import_vhd(
    world: World, storage: Storage, region: Region, account: Account, details: dict[str, Any]
) -> dict[str, Any]:
    """Make an image of a disk in Cloud Files."""
    properties = details.get("image_properties")
    if not isinstance(properties, dict) or set(properties) != {"name"}:
        raise Failure("Image cannot be imported. Only the property 'name' is allowed, and it is required.")
    with _failing({404: "Error: Image not found for import. Possible invalid location"}):
        data = await storage.read(region, account, str(details.get("import_from")))
    code = refusal_code(data, world.settings.vhd_limit_bytes)
    if code is not None:
        raise Failure(f"Image cannot be imported. Error code: '{code}'")
    image = StoredImage(new_document(region, world.new_id(), account.tenant_id, world.clock.moment()))
    image.document.update(
        name=properties["name"],
        disk_format="vhd",
        container_format="ovf",
        min_disk=-(-virtual_size(data) // 2**30),
        image_type="import",
    )
    activate(image, data)
    del image.document["stores"]
    region.images[image.id] = image
    return {"image_id": image.id}


async def export_image(storage: Storage, region: Region, account: Account, details: dict[str, Any]) -> dict[str, Any]:
    """Write an image to Cloud Files."""
    container = str(details.get("receiving_swift_container"))
    image = region.images.get(str(details.get("image_uuid")))
    if image is None or not image.is_visible_to(account):
        raise Failure("Error: Image not found for export.")
    if image.document.get("owner") != account.tenant_id:
        raise Failure("Error: An image may only be exported by the image owner.")
    if image.document["status"] != "active":
        raise Failure(f"Error: Image in status '{image.document['status']}' cannot be exported.")
    if any(character in container for character in "/?."):
        raise Failure("Error: Invalid container name.")
    name = f"{image.id}.vhd"
    failures = {
        404: "Error: Swift container does not exist.",
        412: f"Error: Swift already has an object with id '{name}' in container '{container}'.",
    }
    with _failing(failures):
        await storage.add(region, account, f"{container}/{name}", image.data or b"")
    return {"export_location": f"{container}/{name}"}


@contextmanager
def _failing(sentences: Mapping[int, str]) -> Iterator[None]:
    """Let a task fail where Cloud Files refuses, with a sentence for the status."""
    try:
        yield
    except Refusal as refusal:
        raise Failure(sentences.get(refusal.status, f"Error: {refusal.message}")) from None


async def import_url(world: World, region: Region, details: dict[str, Any]) -> dict[str, Any]:
    """Make an image of what is at a URL."""
    for name in ("image_properties", "import_from_format"):
        if name not in details:
            raise Failure(f"Input does not contain '{name}' field")
    data, properties = await fetched(details["import_from"]), details["image_properties"]
    if data is None or not isinstance(properties, dict) or not properties.get("container_format"):
        raise Failure(_GLANCE_FAILURE)
    # As in reality, the image belongs to nobody unless the input says to whom.
    document = new_document(region, world.new_id(), properties.get("owner"), world.clock.moment())
    image = StoredImage({**document, "disk_format": "raw", **properties})
    activate(image, data)
    region.images[image.id] = image
    return {"image_id": image.id}
