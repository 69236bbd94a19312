"""What lies around on a machine has no say, unless one asks for it; and even then `.netrc` has none."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aioimages import Client, ConfigurationError, RetryPolicy, StaticToken
from security.canary import Canary, answer, canary

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put passwords for all hosts where programs look for them, and take the machine's own proxies away."""
    path = tmp_path / ".netrc"
    path.write_text("machine 127.0.0.1 login me password netrc-password\ndefault login me password netrc-password\n")
    path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return path


def _client(bird: Canary, **options: Any) -> Client:
    return Client(StaticToken("a-secret-token", f"{bird.url}/v2"), retry=ONCE, **options)


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("trust_env", [False, True])
@pytest.mark.parametrize("is_borrowed", [False, True])
async def test_netrc(*, trust_env: bool, is_borrowed: bool) -> None:
    """Passwords of `.netrc` are sent to no service."""
    async with canary(answer()) as bird, aiohttp.ClientSession(trust_env=True) as session:
        options: dict[str, Any] = {"session": session} if is_borrowed else {}
        async with _client(bird, trust_env=trust_env, **options) as client:
            await client.schemas.image()
        assert bird.requests
        assert not list(bird.header("Authorization"))


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("trust_env", [False, True])
async def test_proxies(monkeypatch: pytest.MonkeyPatch, *, trust_env: bool) -> None:
    """The environment's proxy is used with `trust_env` only, with its own password and none of `.netrc`."""
    async with canary(answer()) as bird, canary(answer()) as proxy:
        for user, sent in (("", []), ("me:password@", ["Basic bWU6cGFzc3dvcmQ="])):
            monkeypatch.setenv("http_proxy", proxy.url.replace("//", f"//{user}"))
            async with _client(bird, trust_env=trust_env) as client:
                await client.schemas.image()
            assert bool(proxy.requests) is trust_env
            assert list(proxy.header("Proxy-Authorization")) == (sent if trust_env else [])
            assert not list(proxy.header("Authorization"))
            proxy.requests.clear()
        assert bool(bird.requests) is not trust_env


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize(
    ("name", "value", "is_used"),
    [
        ("http_proxy", "{host}", True),
        ("HTTP_PROXY", "{url}", True),
        ("https_proxy", "{url}", False),
        ("no_proxy", "127.0.0.1", False),
        ("no_proxy", "*", False),
        ("no_proxy", "example.org", True),
    ],
)
async def test_variables(monkeypatch: pytest.MonkeyPatch, name: str, value: str, *, is_used: bool) -> None:
    """The variables mean what they mean to other programs: with a scheme or without, by scheme, and with exceptions."""
    async with canary(answer()) as bird, canary(answer()) as proxy:
        if name == "no_proxy":
            monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv(name, value.format(url=proxy.url, host=proxy.url.removeprefix("http://")))
        async with _client(bird, trust_env=True) as client:
            await client.schemas.image()
        assert bool(proxy.requests) is is_used
        assert bool(bird.requests) is not is_used


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize(
    "value", ["socks5://me:password@proxy.example", "http://me:password@:1", "http://me:password@x:y"]
)
async def test_proxies_that_cannot_be(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A proxy of another kind is an error that shows nothing of it, and no reason to go without one."""
    monkeypatch.setenv("http_proxy", value)
    async with canary(answer()) as bird, _client(bird, trust_env=True) as client:
        with pytest.raises(ConfigurationError, match="http_proxy is no http URL") as raised:
            await client.schemas.image()
        assert "password" not in repr(raised.value)
        assert bird.connections == 0


@pytest.mark.usefixtures("netrc")
async def test_given_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is given counts more than the environment's."""
    async with canary(answer()) as bird, canary(answer()) as proxy, canary(answer()) as other:
        monkeypatch.setenv("http_proxy", other.url)
        monkeypatch.setenv("no_proxy", "*")
        async with _client(bird, trust_env=True, proxy=proxy.url) as client:
            await client.schemas.image()
        assert (bird.connections, proxy.connections, other.connections) == (0, 1, 0)


async def test_cookies() -> None:
    """Cookies are neither kept nor sent, also not those of a borrowed session."""
    said = answer(200, b"{}", "Set-Cookie: session=a-secret; Path=/")
    async with canary(said) as bird, aiohttp.ClientSession(cookies={"mine": "a-secret"}) as session:
        for options in ({}, {"session": session}):
            async with _client(bird, **options) as client:
                await client.schemas.image()
                await client.schemas.image()
        assert len(bird.requests) == 4
        assert not list(bird.header("Cookie"))
