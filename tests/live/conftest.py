"""What the tests on the real cloud share."""

from collections.abc import AsyncIterator

import pytest
from clouds import World
from wire import Wire


@pytest.fixture
async def wire(world: World) -> AsyncIterator[Wire]:
    """Sign the producer in, make a container, and empty the account at the end."""
    wire = await world.site.wire(world.site.producer)
    await wire.objects("PUT", "disks", status=201)
    yield wire
    await wire.delete_all_objects()
