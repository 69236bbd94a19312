"""What the suite has called on the real cloud, beside what the client offers."""

import pytest
from clouds import World
from recorder import Recorder

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("live")]

# No real Glance has export tasks, and there is no compute service here.
NOT_ON_GLANCE = {"servers.create_image", "servers.list", "tasks.export_image"}


@pytest.mark.last
async def test_every_method_was_called(world: World, recorder: Recorder) -> None:
    """Every public method of the resources has run on the real Glance, but for those that need another service."""
    assert world.dialect == "openstack"
    assert len(recorder.offered) > 20
    assert recorder.offered - recorder.called == NOT_ON_GLANCE
