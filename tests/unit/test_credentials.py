"""Credentials and the catalog."""

from typing import Any

import attrs
import pytest

from aioimages import (
    ConfigurationError,
    EndpointNotFoundError,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    StaticToken,
)
from aioimages._auth.catalog import find_endpoint, has_version, refuse_plain_http
from aioimages._models import CatalogEndpoint, Token

US = "https://identity.api.rackspacecloud.com/v2.0"
CLOUD = "https://cloud.example:5000"
SECRET = "a-secret-of-mine"


@pytest.mark.parametrize(
    ("credentials", "dialect", "identity_url"),
    [
        (RackspaceApiKey("me", SECRET), "rackspace", US),
        (RackspaceApiKey("me", SECRET, auth_url="https://lon.example/v2.0/"), "rackspace", "https://lon.example/v2.0"),
        (RackspacePassword("me", SECRET, auth_url="https://lon.example"), "rackspace", "https://lon.example/v2.0"),
        (RackspacePassword("me", SECRET, passcode=SECRET), "rackspace", US),
        (RackspaceToken(SECRET, "123"), "rackspace", US),
        (KeystonePassword(CLOUD, "me", SECRET), "openstack", f"{CLOUD}/v3"),
        (KeystonePassword(f"{CLOUD}/v3/", "me", SECRET, project_id="p"), "openstack", f"{CLOUD}/v3"),
        (KeystoneApplicationCredential(f"{CLOUD}/identity", "id", SECRET), "openstack", f"{CLOUD}/identity/v3"),
        (KeystoneToken(CLOUD, SECRET, project_name="p"), "openstack", f"{CLOUD}/v3"),
        (StaticToken(SECRET, "https://images.example/v2"), "openstack", "https://images.example/v2"),
        (
            StaticToken(SECRET, "https://dfw.images.api.rackspacecloud.com/v2"),
            "rackspace",
            "https://dfw.images.api.rackspacecloud.com/v2",
        ),
        (StaticToken(SECRET, "https://rackspacecloud.com.evil/v2"), "openstack", "https://rackspacecloud.com.evil/v2"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_credentials(credentials: Any, dialect: str, identity_url: str) -> None:
    """Credentials tell the dialect and where to sign in, show no secret, and are values."""
    assert (credentials.dialect.name, credentials.identity_url) == (dialect, identity_url)
    assert SECRET not in repr(credentials)
    assert hash(credentials) == hash(attrs.evolve(credentials))
    with pytest.raises(AttributeError):
        credentials.auth_url = "https://elsewhere.example"


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: RackspaceApiKey("", SECRET), ValueError, "username is empty"),
        (lambda: RackspaceApiKey("me", " "), ValueError, "api_key is empty"),
        (lambda: RackspaceApiKey("me", None), TypeError, "api_key is a str"),  # type: ignore[arg-type]
        (lambda: RackspaceApiKey("me", SECRET, auth_url="identity.example"), ValueError, "auth_url is an http"),
        (lambda: RackspaceApiKey("me", SECRET, auth_url=5), TypeError, "auth_url is a str"),  # type: ignore[arg-type]
        (lambda: RackspaceApiKey("me", SECRET, auth_url="https://x/?y"), ValueError, "query"),
        (lambda: RackspaceToken("a b", "123"), ValueError, "token has characters"),
        (lambda: RackspaceToken(SECRET, ""), ValueError, "tenant_id is empty"),
        (lambda: KeystonePassword(f"{CLOUD}/v2.0", "me", SECRET), ValueError, "v2.0"),
        (lambda: KeystonePassword(CLOUD, "me", SECRET, project_id="a", project_name="b"), ValueError, "not both"),
        (lambda: KeystonePassword("https://me:pw@cloud.example", "me", SECRET), ValueError, "neither user"),
        (lambda: KeystoneToken(CLOUD, "tok\nen"), ValueError, "token has characters"),
        (lambda: StaticToken(SECRET, "ftp://images.example"), ValueError, "endpoint is an http"),
        (lambda: StaticToken(SECRET, "https://[oops/v2"), ValueError, "endpoint is an http"),
    ],
)
def test_credentials_that_cannot_be(make: Any, kind: type[Exception], words: str) -> None:
    """What cannot be a credential is refused when it is made, by name and without the secret."""
    with pytest.raises(kind, match=words) as raised:
        make()
    assert SECRET not in str(raised.value)


def token(*offers: tuple[str, str | None, str, str], default_region: str | None = None) -> Token:
    """Make a token with a catalog."""
    return Token(value="t", default_region=default_region, catalog=tuple(CatalogEndpoint(*offer) for offer in offers))


CATALOG = (
    ("image", "DFW", "public", "https://dfw/v2/"),
    ("image", "IAD", "public", "https://iad/v2"),
    ("image", "DFW", "internal", "https://snet-dfw/v2"),
    ("compute", "DFW", "public", "https://servers"),
)


@pytest.mark.parametrize(
    ("region", "interface", "default", "url"),
    [
        ("IAD", "public", "DFW", "https://iad/v2"),
        (None, "public", "IAD", "https://iad/v2"),
        (None, "public", None, "https://dfw/v2"),
        (None, "public", "SYD", "https://dfw/v2"),
        ("DFW", "internal", None, "https://snet-dfw/v2"),
    ],
)
def test_find_endpoint(region: str | None, interface: str, default: str | None, url: str) -> None:
    """The endpoint is the region's that was asked for, else the user's own, else the first."""
    assert find_endpoint(token(*CATALOG, default_region=default), "image", region=region, interface=interface) == url


def test_endpoint_for_all_regions() -> None:
    """An endpoint without a region is for all."""
    assert find_endpoint(token(("image", None, "public", "https://x")), "image", region="A", interface="public")


@pytest.mark.parametrize(
    ("catalog", "region", "interface", "words"),
    [
        (CATALOG, "SYD", "public", "not in region 'SYD'; it is in DFW, IAD"),
        (CATALOG, None, "admin", "no admin endpoint; it has internal, public"),
        (CATALOG[3:], None, "public", "no service of type 'image'; it has compute"),
        ((), None, "public", "it has no service at all"),
    ],
)
def test_endpoints_that_are_not_there(catalog: Any, region: str | None, interface: str, words: str) -> None:
    """What the catalog lacks is an error that lists what it has."""
    with pytest.raises(EndpointNotFoundError, match=words):
        find_endpoint(token(*catalog), "image", region=region, interface=interface)


@pytest.mark.parametrize(
    "url", ["https://[", "https://x:99999/v2", "ftp://x/v2", "x", "https://", "https://me@x/v2", "https://x/\x1b", "?"]
)
def test_endpoints_that_are_none(url: str) -> None:
    """A catalog whose URL is none that could be asked is an error that shows it."""
    with pytest.raises(EndpointNotFoundError, match="the catalog's endpoint of the image service"):
        find_endpoint(token(("image", "A", "public", url)), "image", region="A", interface="public")


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("https://x/v2", True),
        ("https://x/v2/123", True),
        ("https://x/image/v2.1", True),
        ("https://x", False),
        ("https://x/image", False),
        ("https://x/v3/image", False),
        ("https://x/api/v1/glance", False),
        ("https://v2.example/image", False),
        ("https://x/v2/a/b", False),
    ],
)
def test_has_version(url: str, *, has: bool) -> None:
    """An endpoint's version stands at its end, or before the tenant."""
    assert has_version(url) is has


@pytest.mark.parametrize(
    ("url", "identity", "refused"),
    [
        ("http://images.example", "https://identity.example", True),
        ("http://127.0.0.1:9292", "https://identity.example", False),
        ("http://[::1]:9292", "https://identity.example", False),
        ("http://localhost", "https://identity.example", False),
        ("http://images.example", "http://identity.example", False),
        ("https://images.example", "https://identity.example", False),
    ],
)
def test_plain_http(url: str, identity: str, *, refused: bool) -> None:
    """A catalog that came over https cannot send the token over plain http, other than on this machine."""
    if not refused:
        refuse_plain_http(url, identity)
        return
    with pytest.raises(ConfigurationError, match="unencrypted"):
        refuse_plain_http(url, identity)
