"""Faults 74 to 76 and 78: connections, certificates, proxies, and a client's life."""

import asyncio
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers import ForwardProxy, answering, raw_server, tls_server

from aioimages import (
    Client,
    ClientClosedError,
    ConnectError,
    ProxyError,
    RetryPolicy,
    StaticToken,
    TimeoutPolicy,
    TlsError,
    TransportError,
)
from faults.conftest import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.clouds("emulator-openstack")]

QUICK = RetryPolicy(attempts=3, base=0.01, ceiling=0.02)
IMPATIENT = TimeoutPolicy(connect=0.3, read=1.0, call=3.0)


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def static(stage: Stage, url: str, **options: Any) -> Client:
    """Make a client of a server of the test's own."""
    return stage.world.client(
        StaticToken("a-secret-token", f"{url}/v2"), **{"retry": QUICK, "timeout": IMPATIENT, **options}
    )


Ask = Callable[[Client], Awaitable[object]]


async def look_up(client: Client) -> object:
    """Ask for what changes nothing."""
    return await client.images.get("some-image")


async def ask_for_a_task(client: Client) -> object:
    """Ask for what may not be done twice."""
    return await client.tasks.import_image("http://disks.example/web.img", name="web")


async def until(is_so: Callable[[], bool]) -> None:
    """Wait, for ten seconds at the most."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  # it is the client that does it, and sets no event
            await asyncio.sleep(0.01)


@pytest.mark.fault(74)
@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1:{closed}", "192.0.2.1:9"])
@pytest.mark.parametrize("ask", [look_up, ask_for_a_task])
async def test_host_that_cannot_be_reached(stage: Stage, host: str, ask: Ask) -> None:
    """It is tried again, requests for tasks too, as nothing was sent, and ends with a `ConnectError` that names it."""
    host = host.format(closed=closed_port())
    client = static(stage, f"http://{host}", dialect="openstack")
    with pytest.raises(ConnectError, match=host.partition(":")[0]) as raised:
        await ask(client)
    assert isinstance(raised.value.__cause__, OSError)
    assert client._session.requests == QUICK.attempts
    stage.injected += 1


@pytest.mark.fault(74)
async def test_service_that_comes_back(stage: Stage) -> None:
    """A request for a task that could not be sent is sent when the service is there again, and just once."""
    port = closed_port()
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        body = b'{"id": "task-1", "status": "pending", "type": "import"}'
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    client = static(
        stage,
        f"http://127.0.0.1:{port}",
        dialect="openstack",
        retry=RetryPolicy(attempts=200, base=0.02, ceiling=0.05),
        timeout=TimeoutPolicy(call=20),
    )
    asking = asyncio.ensure_future(ask_for_a_task(client))
    await until(lambda: client._session.requests >= 3)
    stage.injected += 1
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    await asking
    assert len(heard) == 1
    server.close()
    await server.wait_closed()


@pytest.mark.fault(74)
async def test_one_address_of_two_is_dead(stage: Stage) -> None:
    """Of a host's addresses the one that answers is used."""
    answer = b'{"name": "image"}'
    async with raw_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))) as url:
        # Only the IPv4 address of this name is served.
        assert await static(stage, url.replace("127.0.0.1", "localhost")).schemas.image() == {"name": "image"}
        stage.injected += 1


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


def _shown(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


YESTERDAY = datetime.now(UTC) - timedelta(days=1)
PROBLEMS = ["self-signed", "expired", "wrong host"]


@pytest.mark.fault(75)
@pytest.mark.parametrize("problem", PROBLEMS)
async def test_certificate_that_cannot_be_trusted(
    stage: Stage, authority: trustme.CA, cacert: str, problem: str
) -> None:
    """It is a `TlsError` that says why, is tried once, and the token is never shown."""
    certificate = {
        "self-signed": lambda: trustme.CA().issue_cert("localhost"),
        "expired": lambda: authority.issue_cert("localhost", not_after=YESTERDAY),
        "wrong host": lambda: authority.issue_cert("elsewhere.example"),
    }[problem]()
    async with tls_server(_shown(certificate)) as url:
        client = static(stage, url, cacert=cacert)
        with pytest.raises(TlsError, match=r"certificate of localhost:\d+ cannot be trusted") as raised:
            await client.schemas.image()
        assert isinstance(raised.value.__cause__, ssl.SSLError)
        assert client._session.requests == 1
        stage.injected += 1


@pytest.mark.fault(75)
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x16\x03\x03\x00\x7a"], ids=ascii)
async def test_handshake_that_fails(stage: Stage, answer: bytes) -> None:
    """A server that speaks no TLS, or cuts the handshake, is a `TlsError` or a `ConnectError`: http is no way out."""
    came: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.read(5))
        stage.injected += 1
        writer.write(answer)
        await writer.drain()

    async with raw_server(talk) as url:
        with pytest.raises((TlsError, ConnectError)):
            await static(stage, url.replace("http://", "https://")).schemas.image()
    assert all(piece.startswith(b"\x16\x03") for piece in came)


@pytest.mark.fault(75)
@pytest.mark.parametrize("word", ["False", "no", "yes", 1, 0, None], ids=repr)
async def test_verification_is_not_switched_off_by_a_word(stage: Stage, word: object) -> None:
    """`insecure` is `True` or `False`: anything else is a `TypeError`, and so is a truth value for `ssl`."""
    options: list[dict[str, Any]] = [{"insecure": word}, {"ssl": False}, {"ssl": True}]
    for option in options:
        with pytest.raises(TypeError):
            static(stage, "https://localhost", **option)
    stage.injected += 1


class Proxy:
    """What a proxy does in place of passing on."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request, and hang up."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()


@pytest.mark.fault(76)
@pytest.mark.parametrize("trust_env", [False, True])
async def test_proxies_of_the_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, trust_env: bool
) -> None:
    """They are used where that was asked for only, and never what stands in a `.netrc`."""
    wire = await stage.world.site.wire(stage.world.site.producer)
    proxy = ForwardProxy()
    async with raw_server(proxy.talk) as url:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", url.replace("http://", "http://somebody:proxy-secret@"))
        monkeypatch.setenv("NETRC", str(_netrc(tmp_path / "netrc")))
        client = stage.world.client(StaticToken(wire.token, f"{wire.root}/v2"), trust_env=trust_env)
        await client.schemas.image()
    assert bool(proxy.requests) is trust_env
    assert all("Authorization" not in request.headers for request in stage.world.watch.requests)
    stage.injected += 1


def _netrc(path: Path) -> Path:
    path.write_text("machine 127.0.0.1 login somebody password netrc-secret\n")
    path.chmod(0o600)
    return path


@pytest.mark.fault(76)
async def test_proxy_that_refuses(stage: Stage) -> None:
    """A proxy that wants other credentials is a `ProxyError`, which shows neither its password nor our token."""
    proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    async with raw_server(proxy.talk) as url:
        through = url.replace("http://", "http://somebody:proxy-secret@")
        with pytest.raises(ProxyError, match="407") as raised:
            await static(stage, "https://cloud.example", proxy=through).schemas.image()
        stage.injected += len(proxy.heads)
    assert "proxy-secret" not in repr(raised.value)
    assert len(proxy.heads) == 1
    assert b"X-Auth-Token" not in proxy.heads[0]


@pytest.mark.fault(76)
async def test_proxy_that_is_down(stage: Stage) -> None:
    """A proxy that cannot be reached is a `ProxyError`, at once."""
    client = static(stage, "http://cloud.example", proxy=f"http://somebody:proxy-secret@127.0.0.1:{closed_port()}")
    with pytest.raises(ProxyError, match="the proxy cannot be reached") as raised:
        await client.schemas.image()
    assert "proxy-secret" not in repr(raised.value)
    assert client._session.requests == 1
    stage.injected += 1


@pytest.mark.fault(76)
async def test_proxy_that_hangs_up(stage: Stage) -> None:
    """A proxy that cuts the connection during CONNECT has seen no token, and the call is a `TransportError`."""
    proxy = Proxy(b"")
    async with raw_server(proxy.talk) as url:
        with pytest.raises(TransportError):
            await static(stage, "https://cloud.example", proxy=url).schemas.image()
        stage.injected += len(proxy.heads)
    assert not any(b"X-Auth-Token" in head or b"a-secret-token" in head for head in proxy.heads)


@pytest.mark.fault(78)
@pytest.mark.clouds("emulator", "live")
async def test_closing_during_a_hundred_calls(stage: Stage) -> None:
    """They all end with `ClientClosedError` within a second, and closing again does no harm."""
    client = stage.client()
    await client.schemas.image()
    stage.faults.hang(path="/schemas/", times=None)
    calls = [asyncio.ensure_future(client.schemas.image()) for _ in range(100)]
    await until(lambda: bool(stage.faults.all[0].hits))
    begun = time.monotonic()
    await client.close()
    await client.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - begun < 1
    assert {type(outcome) for outcome in outcomes} == {ClientClosedError}


@pytest.mark.fault(78)
async def test_use_after_closing(stage: Stage, tmp_path: Path) -> None:
    """Every call, listing, wait and transfer of a closed client is a `ClientClosedError`."""
    client = stage.client()
    await client.close()
    stage.injected += 1
    asks = [
        client.images.get("image"),
        client.images.list().collect(),
        client.images.wait("image"),
        client.images.update("image", {"name": "web"}),
        client.tasks.wait("task"),
        client.members.create("image", "member"),
        client.objects.get("disks", "web.vhd"),
        client.objects.upload("disks", "web.vhd", b"data"),
        client.objects.download("disks", "web.vhd", tmp_path / "web.vhd"),
    ]
    for ask in asks:
        with pytest.raises(ClientClosedError):
            await ask
    assert not stage.proxy.requests


@pytest.mark.fault(78)
async def test_client_that_was_never_used(stage: Stage) -> None:
    """A client that was never used needs no closing: nothing is open, and nothing warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(stage.credentials(stage.world.site.producer), region=stage.world.site.region)
    stage.injected += 1


@pytest.mark.fault(78)
def test_two_loops() -> None:
    """A client belongs to the event loop of its first call: in another one it is a `RuntimeError` that says so."""
    client = Client(StaticToken("token", "http://127.0.0.1:1/v2"), retry=RetryPolicy(attempts=1))

    async def use() -> None:
        await client.schemas.image()

    with pytest.raises(ConnectError):
        asyncio.run(use())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use())
    asyncio.run(client.close())


FORKING = """
import asyncio, os, sys
from aioimages import Client, ConnectError, RetryPolicy, StaticToken

client = Client(StaticToken("token", "http://127.0.0.1:1/v2"), retry=RetryPolicy(attempts=1))

async def use():
    try:
        await client.schemas.image()
    except ConnectError:
        print("used", flush=True)

asyncio.run(use())
if os.fork() == 0:
    try:
        asyncio.run(use())
    except RuntimeError as error:
        print(error, flush=True)
else:
    os.wait()
    asyncio.run(client.close())
"""


@pytest.mark.fault(78)
def test_fork() -> None:
    """The client of a program is none of the one that it forks: there it is a `RuntimeError` that says so."""
    ended = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines() == [
        "used",
        "this client was used in another event loop; make one client for each loop",
    ]
