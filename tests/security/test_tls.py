"""Who a server is, is checked, unless `insecure` is said."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from servers import raw_server

from aioimages import (
    Client,
    ConfigurationError,
    ConnectError,
    RetryPolicy,
    StaticToken,
    TlsError,
    TransportError,
    connect,
)
from security.canary import Canary, answer, canary

pytestmark = pytest.mark.anyio

# Who tries again does so after half a minute.
PATIENT = RetryPolicy(base=30)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def cacert(authority: trustme.CA, tmp_path: Path) -> str:
    """Return the file of its certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def _serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def _client(url: str, **options: Any) -> Client:
    return Client(StaticToken("a-secret-token", f"{url}/v2"), **{"retry": PATIENT, **options})


@asynccontextmanager
async def _serve(context: ssl.SSLContext) -> AsyncIterator[Canary]:
    async with canary(answer(), tls=context) as bird:
        yield bird


async def _refused(bird: Canary, **options: Any) -> None:
    async with _client(bird.url, **options) as client:
        with pytest.raises(TlsError) as raised:
            await asyncio.wait_for(client.schemas.image(), 20)
    assert isinstance(raised.value.__cause__, OSError)
    assert client._session.requests == 1
    assert bird.requests == []


async def test_certificates(authority: trustme.CA, cacert: str) -> None:
    """An unknown authority, an expired certificate and one of another host are each a `TlsError`, tried just once."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    bad = [
        (authority.issue_cert("localhost"), {}),
        (authority.issue_cert("localhost", not_after=yesterday), {"cacert": cacert}),
        (authority.issue_cert("elsewhere.example"), {"cacert": cacert}),
        (authority.issue_cert("*.localhost"), {"cacert": cacert}),
        (trustme.CA().issue_cert("localhost"), {"cacert": cacert}),
    ]
    for certificate, options in bad:
        async with _serve(_serving(certificate)) as bird:
            await _refused(bird, **options)
    async with _serve(_serving(authority.issue_cert("localhost"))) as bird, _client(bird.url, cacert=cacert) as client:
        assert await client.schemas.image() == {}


@pytest.mark.parametrize("options", [{}, {"insecure": True}], ids=str)
async def test_old_versions(authority: trustme.CA, cacert: str, options: dict[str, Any]) -> None:
    """TLS 1.1 and older are not spoken, with or without verification; 1.2 is."""
    context = _serving(authority.issue_cert("localhost"))
    trusting = options or {"cacert": cacert}
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with _serve(context) as bird, _client(bird.url, retry=RetryPolicy(attempts=1), **trusting) as client:
        # The server hangs up, with or without saying why.
        with pytest.raises((TlsError, ConnectError)):
            await client.schemas.image()
    assert bird.connections == 0
    context = _serving(authority.issue_cert("localhost"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with _serve(context) as bird, _client(bird.url, **trusting) as client:
        assert await client.schemas.image() == {}


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x15\x03\x01\x00\x02\x02\x28"], ids=ascii)
async def test_handshakes_that_fail(said: bytes) -> None:
    """A plain server, a cut handshake and an alert end the call, and nothing is sent in the clear."""
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.write(said)
        await writer.drain()

    async with raw_server(talk) as url:
        client = _client(url.replace("http://", "https://"), retry=RetryPolicy(attempts=1))
        async with client:
            with pytest.raises(TransportError):
                await client.schemas.image()
    assert heard
    assert not any(b"a-secret-token" in data or b"GET " in data for data in heard)


@pytest.mark.parametrize("how", [{"ssl": False}, {"ssl": True}, {}], ids=str)
async def test_borrowed_connections(authority: trustme.CA, cacert: str, how: dict[str, Any]) -> None:
    """A borrowed session whose connections check nothing, and has some open, lends none unchecked."""
    async with (
        _serve(_serving(authority.issue_cert("localhost"))) as bird,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(**how)) as session,
    ):
        if how.get("ssl") is False:
            async with session.get(bird.url) as opened:
                assert opened.status == 200
            bird.requests.clear()
        await _refused(bird, session=session)
        for options in ({"cacert": cacert}, {"insecure": True}):
            async with _client(bird.url, session=session, **options) as client:
                assert await client.schemas.image() == {}


@pytest.mark.parametrize("word", ["False", "True", "no", "", 0, 1, None], ids=repr)
def test_words(word: Any) -> None:
    """`insecure` is a bool, and `ssl` a context: nothing else switches anything."""
    with pytest.raises(TypeError, match="insecure is a bool"):
        _client("https://cloud.example", insecure=word)
    if word is not None:
        with pytest.raises(TypeError, match="SSLContext"):
            _client("https://cloud.example", ssl=word)


@pytest.mark.parametrize("word", [False, True], ids=repr)
def test_truth_values_for_contexts(word: Any) -> None:
    """What aiohttp would take for no checks is a `TypeError` here."""
    with pytest.raises(TypeError, match="SSLContext"):
        _client("https://cloud.example", ssl=word)


@pytest.mark.parametrize(
    ("section", "is_checked"),
    [
        ({}, True),
        ({"verify": True}, True),
        ({"verify": "true"}, True),
        ({"insecure": False}, True),
        ({"insecure": "no"}, True),
        ({"verify": False}, False),
        ({"verify": "false"}, False),
        ({"insecure": True}, False),
        ({"insecure": "yes"}, False),
        ({"verify": False, "insecure": False}, True),
    ],
    ids=str,
)
async def test_clouds_yaml(
    section: dict[str, Any],
    is_checked: bool,  # noqa: FBT001  # a parameter of the test
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In `clouds.yaml` it is `verify: false` or `insecure: true` that says so, and nothing less."""
    monkeypatch.chdir(tmp_path)
    async with _serve(_serving(authority.issue_cert("localhost"))) as bird:
        auth = {"token": "a-secret-token", "endpoint": f"{bird.url}/v2"}
        cloud = {"auth_type": "admin_token", "auth": auth, **section}
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mine": cloud}}))
        if is_checked:
            async with connect("mine", retry=PATIENT) as client:
                with pytest.raises(TlsError):
                    await client.schemas.image()
        else:
            async with connect("mine") as client:
                assert await client.schemas.image() == {}


@pytest.mark.parametrize("word", ["maybe", 5, None, [], "of course", ""], ids=repr)
def test_words_of_clouds_yaml(word: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other word there is a `ConfigurationError`."""
    monkeypatch.chdir(tmp_path)
    auth = {"token": "a-secret-token", "endpoint": "https://cloud.example/v2"}
    for name in ("verify", "insecure"):
        cloud = {"auth_type": "admin_token", "auth": auth, name: word}
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mine": cloud}}))
        with pytest.raises(ConfigurationError, match=f"{name} is true or false"):
            connect("mine")
