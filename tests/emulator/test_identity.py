"""Both identity services of the embedded cloud."""

from typing import Any

import pytest

from .conftest import Asker

pytestmark = pytest.mark.anyio


def _password(**changes: Any) -> dict[str, Any]:
    user = {"name": "producer", "domain": {"id": "default"}, "password": "producer-password-of-the-emulator", **changes}
    return {"identity": {"methods": ["password"], "password": {"user": user}}}


async def test_version(asker: Asker) -> None:
    """Keystone says which version it is, to anybody."""
    assert (await asker.ask("GET", "/openstack/identity/v3")).json["version"]["id"] == "v3.14"


@pytest.mark.parametrize("scope", [None, {"project": {"id": "110011"}}])
async def test_keystone(asker: Asker, scope: dict[str, Any] | None) -> None:
    """A password gives a token in the header, and a catalog with three interfaces in two regions."""
    answer = await asker.keystone(_password() | ({"scope": scope} if scope else {}))
    assert answer.status == 201
    assert answer.headers["x-subject-token"].startswith("emulated-token-")
    image = next(service for service in answer.json["token"]["catalog"] if service["type"] == "image")
    assert len(image["endpoints"]) == 6


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        (_password(password="wrong"), 401),
        (_password(domain={"name": "Other"}), 401),
        (_password() | {"scope": {"project": {"id": "220022"}}}, 401),
        (_password() | {"scope": {"project": {"name": "producer-project", "domain": {"name": "Other"}}}}, 401),
        (_password() | {"scope": {"system": {}}}, 400),
        ({}, 400),
        ({"identity": {"methods": ["password"]}}, 400),
        ({"identity": {"methods": ["totp"], "totp": {}}}, 401),
        ({"identity": {"methods": ["token"], "token": {"id": "unknown"}}}, 404),
        ({"identity": {"methods": ["application_credential"], "application_credential": {"id": "x"}}}, 401),
        ("me", 400),
    ],
    ids=str,
)
async def test_keystone_refuses(asker: Asker, auth: Any, status: int) -> None:
    """What is wrong is refused in Keystone's form."""
    answer = await asker.keystone(auth)
    assert answer.status == status
    assert answer.json["error"]["code"] == status


async def test_application_credential_has_its_own_scope(asker: Asker) -> None:
    """An application credential takes no scope."""
    account = asker.cloud.producer
    given = {"id": account.application_credential_id, "secret": account.application_credential_secret}
    identity = {"methods": ["application_credential"], "application_credential": given}
    assert (await asker.keystone({"identity": identity})).status == 201
    assert (await asker.keystone({"identity": identity, "scope": {"project": {"id": "110011"}}})).status == 401


KEY = {"RAX-KSKEY:apiKeyCredentials": {"username": "producer", "apiKey": "producer-api-key-of-the-emulator"}}


@pytest.mark.parametrize("tenant", [{}, {"tenantId": "110011"}, {"tenantName": "MossoCloudFS_110011"}])
async def test_rackspace(asker: Asker, tenant: dict[str, str]) -> None:
    """An API key gives a token, the user's region, and a catalog of services with some endpoints for all regions."""
    answer = await asker.rackspace(KEY | tenant)
    assert answer.status == 200
    access = answer.json["access"]
    assert access["user"]["RAX-AUTH:defaultRegion"] == "DFW"
    assert access["token"]["expires"].endswith("-06:00")
    types = [service["type"] for service in access["serviceCatalog"]]
    assert types == ["object-store", "image", "compute", "rax:dns"]


@pytest.mark.parametrize(
    ("auth", "status"),
    [
        ({"RAX-KSKEY:apiKeyCredentials": {"username": "producer", "apiKey": "wrong"}}, 401),
        ({"RAX-KSKEY:apiKeyCredentials": {"username": "nobody", "apiKey": "wrong"}}, 401),
        ({"passwordCredentials": {"username": "producer", "password": "wrong"}}, 401),
        (KEY | {"tenantId": "220022"}, 401),
        (KEY | {"tenantId": "110011", "tenantName": "110011"}, 400),
        ({"token": {"id": "unknown"}, "tenantId": "110011"}, 404),
        ({"RAX-AUTH:passcodeCredentials": {"passcode": "246810"}}, 401),
        ({}, 400),
        ("me", 400),
    ],
    ids=str,
)
async def test_rackspace_refuses(asker: Asker, auth: Any, status: int) -> None:
    """What is wrong is refused in Rackspace's form, under the fault's name."""
    answer = await asker.rackspace(auth)
    assert answer.status == status
    [fault] = answer.json.values()
    assert fault["code"] == status


async def test_token_for_a_tenant(asker: Asker) -> None:
    """A token signs in with its tenant only."""
    token = {"token": {"id": await asker.token()}}
    assert (await asker.rackspace(token)).status == 400
    assert (await asker.rackspace(token | {"tenantId": "110011"})).status == 200


async def test_bodies_that_are_no_json(asker: Asker) -> None:
    """A body that is no JSON object is refused."""
    for body in (b"{", b"[]"):
        assert (await asker.ask("POST", "/rackspace/identity/v2.0/tokens", data=body)).status == 400


async def test_tokens_end(asker: Asker) -> None:
    """A token that is missing, unknown, over or revoked is refused; Glance says then where Keystone is."""
    assert (await asker.ask("GET", "/rackspace/DFW/v2/images")).status == 401
    assert (
        (await asker.ask("GET", "/openstack/RegionOne/image/v2/images", token="unknown"))
        .headers["www-authenticate"]
        .startswith("Keystone uri=")
    )
    assert (await asker.glance("GET", "images")).status == 200
    asker.cloud.advance(86401)
    assert (await asker.glance("GET", "images")).status == 401


async def test_unknown_region(asker: Asker) -> None:
    """A region that is not there is not found."""
    assert (await asker.ask("GET", "/rackspace/XYZ/v2/images", token=await asker.token())).status == 404
