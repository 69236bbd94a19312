"""Faults 1 to 20: what goes wrong while data come."""

import os

import pytest

from aioimages import TransferInterruptedError
from faults.conftest import Stage, Target

pytestmark = [pytest.mark.anyio, pytest.mark.dialects("openstack")]

DATA = os.urandom(300_000)


@pytest.mark.fault(1)
@pytest.mark.parametrize("after", [0, 1, len(DATA) // 2, len(DATA) - 1])
async def test_reset(stage: Stage, target: Target, after: int) -> None:
    """The download goes on from the last byte that came, and is verified as a whole."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(after, path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
    asked = [one.headers.get("Range") for one in stage.proxy.to("/file")]
    assert asked[1:] == [f"bytes={after}-" if after else None]


@pytest.mark.fault(1)
async def test_reset_without_end(stage: Stage, target: Target) -> None:
    """A download that gets no further is given up, and leaves nothing under the final name."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(1000, path="/file$")
    stage.faults.cut(0, path="/file$", times=None)
    with pytest.raises(TransferInterruptedError):
        await stage.client().images.download(image.id, target.path)
    assert target.data() is None


@pytest.mark.fault(2)
@pytest.mark.parametrize("after", [0, 1, len(DATA) // 2, len(DATA) - 1])
async def test_closed_early(stage: Stage, target: Target, after: int) -> None:
    """The download goes on from the last byte that came, and is verified as a whole."""
    image = await stage.world.make_image(data=DATA)
    stage.faults.cut(after, how="close", path="/file$")
    await stage.client().images.download(image.id, target.path)
    assert target.data() == DATA
