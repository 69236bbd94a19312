"""The jobs that people really have, in one call each: functions over clients.

from aioimages import workflows

image = await workflows.import_disk(client, "web.vhd", name="web", container="disks")

Each can be cancelled, tells how far it is, and leaves nothing behind when it fails; an error has a note that names the
step, and a further one where a service is still at work, or could not be reached to undo something. Many at once go
through `client.bulk.map`.
"""

from aioimages.workflows.capture import capture_server
from aioimages.workflows.disks import copy_image, export_disk, import_disk
from aioimages.workflows.ensure import Action, Ensured, ensure_image
from aioimages.workflows.share import share

__all__ = [
    "Action",
    "Ensured",
    "capture_server",
    "copy_image",
    "ensure_image",
    "export_disk",
    "import_disk",
    "share",
]
