"""The wire: TLS, proxies, endpoints, borrowed connections, answers that are no HTTP."""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from clouds import World
from servers import ForwardProxy, answering, raw_server, reverse_proxy, tls_server

from aioimages import (
    AioImagesError,
    Client,
    ClientClosedError,
    ConfigurationError,
    EndpointNotFoundError,
    PollPolicy,
    ProtocolError,
    ProxyError,
    RetryPolicy,
    StaticToken,
    TimeoutPolicy,
    TlsError,
    TransportError,
)
from aioimages._http import _without_hidden_retry

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator-openstack")]

ONCE = RetryPolicy(attempts=1)


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


def _serving(authority: trustme.CA, name: str = "localhost", *, asks_back: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    if asks_back:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _client(url: str, **options: Any) -> Client:
    return Client(StaticToken("token", f"{url}/v2"), **{"retry": ONCE, **options})


async def test_trusted_certificate(authority: trustme.CA, cacert: str) -> None:
    """A server whose authority stands in `cacert`, or in a context of one's own, is trusted."""
    context = ssl.create_default_context(cafile=cacert)
    async with tls_server(_serving(authority)) as url:
        ways: list[dict[str, Any]] = [{"cacert": cacert}, {"ssl": context}, {"insecure": True}]
        for options in ways:
            async with _client(url, **options) as client:
                assert (await client.schemas.image())["name"] == "image"


async def test_borrowed_session_and_certificates(authority: trustme.CA, cacert: str) -> None:
    """What is said of certificates holds for the connections of a borrowed session too."""
    async with tls_server(_serving(authority)) as url, aiohttp.ClientSession() as session:
        async with _client(url, session=session, cacert=cacert) as client:
            assert (await client.schemas.image())["name"] == "image"
        async with _client(url, session=session) as client:
            with pytest.raises(TlsError):
                await client.schemas.image()


async def test_unknown_certificate(authority: trustme.CA) -> None:
    """A server that nobody vouches for is a `TlsError` that names it, and is not tried again."""
    async with tls_server(_serving(authority)) as url, _client(url, retry=RetryPolicy(base=30)) as client:
        with pytest.raises(TlsError, match=r"certificate of localhost:\d+ cannot be trusted") as raised:
            await asyncio.wait_for(client.schemas.image(), 10)
    assert isinstance(raised.value.__cause__, ssl.SSLError)


async def test_certificate_of_another_host(authority: trustme.CA, cacert: str) -> None:
    """A certificate must be the host's own."""
    async with tls_server(_serving(authority, "elsewhere.example")) as url, _client(url, cacert=cacert) as client:
        with pytest.raises(TlsError, match="localhost"):
            await client.schemas.image()


async def test_no_tls_at_all(world: World) -> None:
    """A server that does not speak TLS is a `TlsError` too."""
    url = world.site.auth_url.replace("http://", "https://").partition("/openstack")[0]
    async with _client(url) as client:
        with pytest.raises(TlsError, match="no secure connection"):
            await client.schemas.image()


async def test_certificate_of_ones_own(authority: trustme.CA, cacert: str, tmp_path: Path) -> None:
    """A client can show a certificate, in one file with its key or in two."""
    own = authority.issue_cert("client@cloud.example")
    cert, key, both = (str(tmp_path / name) for name in ("cert.pem", "key.pem", "both.pem"))
    own.cert_chain_pems[0].write_to_path(cert)
    own.private_key_pem.write_to_path(key)
    own.private_key_and_cert_chain_pem.write_to_path(both)
    async with tls_server(_serving(authority, asks_back=True)) as url:
        for options in ({"cert": cert, "key": key}, {"cert": both}):
            async with _client(url, cacert=cacert, **options) as client:
                assert (await client.schemas.image())["peer"] is True
        async with _client(url, insecure=True, cert=both) as client:
            assert (await client.schemas.image())["peer"] is True
        async with _client(url, cacert=cacert) as client:
            with pytest.raises(TransportError):
                await client.schemas.image()


@pytest.mark.parametrize("option", ["cacert", "cert"])
async def test_certificate_files(option: str, tmp_path: Path) -> None:
    """A file that is missing or is no certificate is a `ConfigurationError` that says which."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("this is no certificate")
    options: dict[str, Any]
    for path, words in ((tmp_path / "missing.pem", "missing.pem"), (nonsense, "cannot be used")):
        options = {option: str(path)}
        async with _client("https://localhost:1", **options) as client:
            with pytest.raises(ConfigurationError, match=words):
                await client.schemas.image()


async def test_proxy(world: World) -> None:
    """Calls and sign-ins go through a proxy that was given."""
    proxy = ForwardProxy()
    async with raw_server(proxy.talk) as url:
        client = world.client(world.credentials(world.site.producer), proxy=url)
        await client.schemas.image()
    assert [request.rpartition("/")[2] for request in proxy.requests] == ["tokens", "", "image"]


@pytest.mark.parametrize("trust_env", [False, True])
async def test_proxy_of_the_environment(world: World, monkeypatch: pytest.MonkeyPatch, *, trust_env: bool) -> None:
    """The proxy of the environment is used when that was asked for only."""
    proxy = ForwardProxy()
    async with raw_server(proxy.talk) as url:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url)
        client = world.client(world.credentials(world.site.producer), trust_env=trust_env)
        await client.schemas.image()
    assert bool(proxy.requests) is trust_env


async def test_proxy_that_is_not_there(world: World) -> None:
    """A proxy that cannot be reached is a `ProxyError`, and no request is ambiguous for it."""
    client = world.client(world.credentials(world.site.admin), proxy="http://127.0.0.1:9", retry=ONCE)
    with pytest.raises(ProxyError, match="the proxy cannot be reached"):
        await client.tasks.import_image("http://disks.example/web.img", name="web")


@pytest.mark.parametrize("end", ["", "/", "/v2", "/v2/"])
async def test_endpoint_forms(world: World, end: str) -> None:
    """An endpoint may name the version or leave it out, with a slash at its end or without."""
    wire = await world.site.wire(world.site.producer)
    assert await world.client(StaticToken(wire.token, f"{wire.root}{end}")).schemas.image()
    client = world.client(world.credentials(world.site.producer), endpoint=f"{wire.root}{end}")
    assert await client.schemas.image()
    assert sum(request.path.endswith("/image/") for request in world.watch.requests) == (0 if "v2" in end else 2)


async def test_endpoint_with_a_tenant(world: World) -> None:
    """An endpoint may end in the tenant, as Rackspace's do."""
    root = f"{world.site.auth_url.partition('/openstack')[0]}/rackspace/DFW/v2/110011"
    client = world.client(StaticToken("no-token", root), dialect="rackspace", retry=ONCE)
    with pytest.raises(AioImagesError, match="401"):
        await client.schemas.image()
    assert world.watch.requests[-1].path == "/rackspace/DFW/v2/110011/schemas/image"


@pytest.mark.parametrize("end", ["", "/v2"])
async def test_endpoint_behind_a_proxy_prefix(world: World, end: str) -> None:
    """Behind a gateway with a prefix of its own, calls, versions and next pages stay below the prefix."""
    await world.make_images("a", "b", "c")
    wire = await world.site.wire(world.site.producer)
    async with reverse_proxy(wire.root, "/cloud/images") as url:
        client = world.client(StaticToken(wire.token, f"{url}{end}"))
        world.watch.clear()
        assert len(await client.images.list(page_size=1).collect()) == 3
        await client.close()
    assert all(request.path.startswith("/cloud/images/") for request in world.watch.requests)


async def test_service_without_version_two() -> None:
    """A service that has other versions only is an error that lists them."""
    answer = b'{"versions": [{"id": "v1.1", "status": "CURRENT"}]}'
    talk = answering(b"HTTP/1.1 300 Multiple Choices\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    async with raw_server(talk) as url, Client(StaticToken("token", url)) as client:
        with pytest.raises(EndpointNotFoundError, match=r"serves v1\.1, not version 2"):
            await client.schemas.image()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found", b"HTTP/1.1 200 OK"])
async def test_service_that_does_not_list_its_versions(answer: bytes) -> None:
    """A gateway that shows nothing at its root is believed: the first call tells whether version 2 is there."""
    paths = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        paths.append(head.split(b" ")[1])
        is_schema = b"schemas" in paths[-1]
        body = b'{"name": "image"}' if is_schema else b"<html>hello</html>"
        status = b"HTTP/1.1 200 OK" if is_schema else answer
        writer.write(status + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with raw_server(talk) as url, Client(StaticToken("token", f"{url}/images")) as client:
        assert await client.schemas.image() == {"name": "image"}
    assert list(dict.fromkeys(paths)) == [b"/images/", b"/images/v2/schemas/image"]


def test_another_aiohttp() -> None:
    """An aiohttp that cannot be kept from repeating requests by itself is refused, not used."""
    with pytest.raises(RuntimeError, match="another version"):
        _without_hidden_retry(object())  # type: ignore[arg-type]


async def test_user_agent(world: World) -> None:
    """Servers are told the library's name and version, and the program's where it has one."""
    await world.producer.schemas.image()
    await world.client(world.credentials(world.site.producer), user_agent="imager/7").schemas.image()
    plain, named = (world.emulator.requests[place].headers["user-agent"] for place in (0, -1))
    assert plain.startswith("aioimages/")
    assert named == f"imager/7 {plain}"


@pytest.mark.parametrize(
    "answer",
    [b"this is no HTTP\r\n\r\n", b"HTTP/1.1 two hundred OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
)
async def test_answer_that_is_no_http(answer: bytes) -> None:
    """An answer that is no HTTP is a `ProtocolError`."""
    async with raw_server(answering(answer)) as url, _client(url) as client:
        with pytest.raises(ProtocolError, match="is no HTTP"):
            await client.schemas.image()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"]
)
async def test_server_that_hangs_up(answer: bytes) -> None:
    """A server that hangs up before it has answered in full is a `TransportError`."""
    async with raw_server(answering(answer)) as url, _client(url) as client:
        with pytest.raises((TransportError, ProtocolError), match=r"GET /v2/schemas/image|no HTTP"):
            await client.schemas.image()


async def test_borrowed_session(world: World) -> None:
    """Of a borrowed session the connections are used, not its headers or cookies, and it stays open."""
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}, cookies={"mine": "yes"}) as session:
        async with Client(world.credentials(world.site.producer), region=world.site.region, session=session) as client:
            await client.schemas.image()
        assert not session.closed
        async with session.get(world.site.auth_url) as answer:
            assert answer.status == 200
    headers = world.emulator.requests[1].headers
    assert not {"x-mine", "cookie"} & headers.keys()


async def test_borrowed_session_that_is_closed(world: World) -> None:
    """A borrowed session that is closed lends no connections, and the error says so."""
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ConfigurationError, match="session= is closed"):
        await world.client(world.credentials(world.site.producer), session=session).schemas.image()


async def test_closing_with_a_borrowed_session(world: World) -> None:
    """Calls and waits on their way when the client is closed end at once, on borrowed connections too."""
    task = await world.import_disk()
    world.emulator.faults.hang(path="/schemas/", times=None)
    async with aiohttp.ClientSession() as session:
        client = world.client(
            world.credentials(world.site.producer if world.dialect == "rackspace" else world.site.admin),
            session=session,
            poll=PollPolicy(first=60, ceiling=60),
        )
        under_way = [asyncio.create_task(client.schemas.image()), asyncio.create_task(client.tasks.wait(task.id))]
        await asyncio.sleep(0.1)
        await client.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*under_way, return_exceptions=True), 2)
    assert {type(outcome) for outcome in outcomes} == {ClientClosedError}


async def test_server_that_does_not_take_connections() -> None:
    """A host that answers nothing at all is given up after `connect` seconds."""
    start = time.monotonic()
    # An address that is kept for documentation: nobody is there.
    async with _client("http://192.0.2.1:9", timeout=TimeoutPolicy(connect=0.3)) as client:
        with pytest.raises(TransportError):
            await client.schemas.image()
    assert time.monotonic() - start < 5
