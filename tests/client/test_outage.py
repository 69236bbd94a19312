"""What an outage costs: a thousand workers do not ask a service that is down many times over."""

import asyncio

import pytest
from clouds import World

from aioimages import AioImagesError, Client, RetryPolicy, StaticToken, TimeoutPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator"), pytest.mark.dialects("openstack")]

WORKERS = 1000
# Delays as in a minute of outage, made shorter.
SHORT = RetryPolicy(base=0.01, ceiling=0.1)
PATIENT = TimeoutPolicy(call=60.0)
# What a budget of 500 pays for.
REPETITIONS = 100


async def _outcomes(client: Client) -> list[object]:
    """Let each worker call, and return what came of it."""
    return list(await asyncio.gather(*(client.schemas.image() for _ in range(WORKERS)), return_exceptions=True))


@pytest.mark.parametrize("how", ["503", "drop"])
async def test_service_that_is_down(world: World, how: str) -> None:
    """All calls together repeat a hundred requests, a tenth of them; once the service is back, all is well at once."""
    client = world.client(world.credentials(world.site.producer), retry=SHORT, timeout=PATIENT)
    await client.schemas.image()
    faults, before = world.emulator.faults, client._http.requests
    fault = (
        faults.drop(path="/schemas/", times=None) if how == "drop" else faults.status(503, path="/schemas/", times=None)
    )
    errors = await _outcomes(client)
    assert len(errors) == WORKERS
    assert all(isinstance(error, AioImagesError) for error in errors)
    assert fault.hits == client._http.requests - before <= WORKERS + REPETITIONS
    faults.clear()
    await asyncio.gather(*(client.schemas.image() for _ in range(WORKERS)))


async def test_service_that_cannot_be_reached() -> None:
    """Connections that are refused are not tried many times over either."""
    async with Client(StaticToken("token", "http://127.0.0.1:1/v2"), retry=SHORT, timeout=PATIENT) as client:
        errors = await _outcomes(client)
        assert all(isinstance(error, AioImagesError) for error in errors)
        assert client._http.requests <= WORKERS + REPETITIONS
