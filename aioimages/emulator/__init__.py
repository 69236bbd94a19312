"""An embedded cloud: Rackspace Cloud Images and OpenStack's Glance, with what they need, in one process.

    async with Emulator() as cloud:
        user = cloud.producer
        credentials = RackspaceApiKey(user.username, user.api_key, auth_url=cloud.rackspace_auth_url)

`python -m aioimages.emulator --port 8080` serves it to anything else.
"""

from aioimages.emulator.accounts import Account
from aioimages.emulator.faults import Fault
from aioimages.emulator.object_store import ObjectStore
from aioimages.emulator.recording import RecordedRequest
from aioimages.emulator.server import Emulator

__all__ = ["Account", "Emulator", "Fault", "ObjectStore", "RecordedRequest"]
