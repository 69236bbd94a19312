"""Keys, passwords, tokens and signatures come out nowhere, whatever goes wrong."""

import asyncio
import html
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from clouds import World
from servers import answering, raw_server

from aioimages import (
    AioImagesError,
    AmbiguousOutcomeError,
    Attempt,
    Client,
    ImportRequest,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    Location,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    RetryPolicy,
    StaticToken,
    Task,
    TaskFailedError,
    TimeoutPolicy,
    connect,
)
from aioimages._call import Call, Reply
from aioimages._calls import data, identity, stores, tasks
from aioimages._dialect import OPENSTACK
from aioimages._models import Token
from security.canary import EMPTY, answer
from security.sinks import leaks, logged, shown

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
# Each secret begins and ends with a mark of its own, so that a part of it is seen, too.
HEAD, TAIL = "Canary", "Yranac"
SECRET = f"{HEAD}-p\"a<s>s&w'o?r=d/é☃\U0001f511{TAIL}"
TOKEN = f"{HEAD}-to+k/e=n-{TAIL}"
SIGNED = (
    f"http://{HEAD}user:{TAIL}password@disks.example/web.img?sig={HEAD}&X-Amz-Signature={HEAD}&temp_url_sig={TAIL}"
    f"&Signature={HEAD}&token={TAIL}#{TAIL}"
)


async def _passcode() -> str:
    return SECRET


# Who signs in, and the secret that is sent; the address is the server's that misbehaves.
CREDENTIALS: dict[str, Callable[[str], Any]] = {
    "RackspaceApiKey": lambda url: RackspaceApiKey("alice", SECRET, auth_url=url),
    "RackspacePassword": lambda url: RackspacePassword("alice", SECRET, auth_url=url, passcode=SECRET),
    "RackspacePassword, async": lambda url: RackspacePassword("alice", SECRET, auth_url=url, passcode=_passcode),
    "RackspaceToken": lambda url: RackspaceToken(TOKEN, "123", auth_url=url),
    "KeystonePassword": lambda url: KeystonePassword(url, "alice", SECRET, project_name="p"),
    "KeystoneApplicationCredential": lambda url: KeystoneApplicationCredential(url, "some-id", SECRET),
    "KeystoneToken": lambda url: KeystoneToken(url, TOKEN, project_id="p"),
    "StaticToken": lambda url: StaticToken(TOKEN, f"{url}/v2"),
}


def _page(said: str) -> bytes:
    return f"<html><body><h1>Refused</h1><p>You sent {html.escape(said)}</p></body></html>".encode()


def _cut_page(said: str) -> bytes:
    return f"<html><body>{'<!-- -->' * 380} {html.escape(said)}</body></html>".encode()


# In which ways a server can repeat what it was sent.
ECHOES: dict[str, Callable[[str], bytes]] = {
    "text": lambda said: answer(401, said.encode()),
    "page": lambda said: answer(403, _page(said)),
    "page that is cut within it": lambda said: answer(400, _cut_page(said)),
    "JSON": lambda said: answer(400, json.dumps({"error": {"message": f"bad: {said}", "code": 400}}).encode()),
    "JSON in JSON": lambda said: answer(500, json.dumps({"message": json.dumps({"you": {"sent": said}})}).encode()),
    "percent-encoded": lambda said: answer(503, f"no such thing: {quote(said, safe='')}".encode()),
    "behind 190 characters": lambda said: answer(409, b"x" * 190 + b" " + said.encode()),
    "request id": lambda said: answer(404, b"", f"X-OpenStack-Request-ID: {said}"),
    "challenge": lambda said: answer(401, b"", f"WWW-Authenticate: Keystone uri={said}"),
    "second factor": lambda said: answer(
        401, said.encode(), "WWW-Authenticate: OS-MF sessionId='a-session', factor='PASSCODE'"
    ),
    "redirect": lambda said: answer(302, b"", f"Location: /elsewhere/{quote(said)}?{quote(said)}"),
    "redirect away": lambda said: answer(307, b"", f"Location: https://{quote(said, safe='')}.example/"),
    "half a document": lambda said: answer(200, json.dumps({"access": said}).encode()[:-2]),
    "another document": lambda said: answer(201, json.dumps({"access": {"token": {"id": said}}}).encode()),
    "content type": lambda said: answer(200, b"<", f"Content-Type: {said}"),
    "no HTTP": lambda said: f"{said}\r\n\r\n".encode(),
    "status line": lambda said: f"HTTP/1.1 401 {said}\r\nContent-Length: 0\r\n\r\n".encode(),
    "bad header": lambda said: f"HTTP/1.1 200 OK\r\n{said} \x01: x\r\n\r\n".encode(),
    "long header": lambda said: f"HTTP/1.1 200 OK\r\nX-Said: {said * 900}\r\n\r\n".encode(),
    "cut": lambda said: answer(200, said.encode() * 2)[:-3],
    "nothing": lambda _: b"",
}


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Keep all log records, the smallest ones too."""
    caplog.set_level(logging.DEBUG)
    return caplog.records


async def _trouble(client: Client) -> Exception:
    """Return the error that a call meets."""
    asyncio.get_running_loop().set_debug(True)
    try:
        async with client:
            await client.images.get("image-1")
    except AioImagesError as error:
        return error
    raise AssertionError("it went well")


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("who", CREDENTIALS)
async def test_servers_that_repeat_secrets(who: str, echo: str, records: list[logging.LogRecord]) -> None:
    """A server may repeat the secret that it was sent in any way: no error, log or hook shows any part of it."""
    secret = TOKEN if "Token" in who else SECRET
    async with raw_server(answering(ECHOES[echo](secret))) as url:
        attempts: list[Attempt] = []
        error = await _trouble(Client(CREDENTIALS[who](url), retry=ONCE, on_attempt=attempts.append))
    assert attempts
    assert not leaks([*shown(error), *logged(records), repr(attempts)], HEAD, TAIL)


async def test_tokens_that_are_repeated(records: list[logging.LogRecord]) -> None:
    """So it is with a token that the service itself has given, for all methods."""
    for echo in ECHOES.values():
        async with raw_server(answering(echo(TOKEN))) as url:
            client = Client(StaticToken(TOKEN, f"{url}/v2"), retry=ONCE, dialect="openstack")
            async with client:
                for ask in (
                    client.images.list().collect,
                    lambda client=client: client.images.update("i", {"name": "x"}),
                    lambda client=client: client.images.upload("i", b"data"),
                    lambda client=client: client.images.download("i", os.devnull),
                    lambda client=client: client.tasks.create("import", {"import_from": SIGNED}),
                    lambda client=client: client.tasks.wait("t", timeout=0.01),
                ):
                    with pytest.raises(Exception) as raised:  # noqa: PT011  # whichever it is
                        await ask()
                    assert not leaks(shown(raised.value, frames=False), HEAD, TAIL)
    assert not leaks(logged(records), HEAD, TAIL)


# What else can go wrong on the way.


@asynccontextmanager
async def _plain() -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(EMPTY)
        await writer.drain()

    async with raw_server(talk) as url:
        yield url


@asynccontextmanager
async def _silent() -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as url:
        yield url


Trouble = Callable[[Any, dict[str, Any]], Awaitable[BaseException]]


async def _met(credentials: Any, options: dict[str, Any]) -> BaseException:
    return await _trouble(Client(credentials, **options))


async def _cancelled(credentials: Any, options: dict[str, Any]) -> BaseException:
    async with Client(credentials, **options) as client:
        try:
            async with asyncio.timeout(0.2):
                await client.images.get("image-1")
        except TimeoutError as error:
            return error
    raise AssertionError("it went well")


WAYS: dict[str, tuple[str, Trouble]] = {
    "nobody there": ("http://127.0.0.1:1", _met),
    "no such host": ("http://no-such-host.invalid", _met),
    "no TLS": ("https://{plain}", _met),
    "proxy that refuses": ("https://cloud.example", _met),
    "proxy that is not there": ("http://cloud.example", _met),
    "cancelled": ("http://{silent}", _cancelled),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", CREDENTIALS)
async def test_ways_that_are_broken(who: str, way: str, records: list[logging.LogRecord]) -> None:
    """No trouble on the way shows a secret, a cancellation in the middle of aiohttp included."""
    url, trouble = WAYS[way]
    options: dict[str, Any] = {"retry": ONCE}
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with _silent() as silent, _plain() as plain, raw_server(answering(refusal)) as proxy:
        if "proxy" in way:
            there = proxy.removeprefix("http://") if "refuses" in way else "127.0.0.1:1"
            options["proxy"] = f"http://{HEAD}user:{TAIL}password@{there}"
        client = CREDENTIALS[who](
            url.format(silent=silent.removeprefix("http://"), plain=plain.removeprefix("http://"))
        )
        error = await trouble(client, options)
    assert not leaks([*shown(error), *logged(records)], HEAD, TAIL)


# Signed URLs.


@pytest.mark.dialects("openstack")
@pytest.mark.clouds("emulator")
async def test_signed_urls_of_imports(world: World, records: list[logging.LogRecord]) -> None:
    """A task that repeats the signed URL of its import shows it in no text: only its facts have it."""
    client = world.admin
    for form in (SIGNED, repr(SIGNED), html.escape(SIGNED), f"<{SIGNED}>", f"({SIGNED})"):
        world.emulator.script_task(status="failure", message=f"cannot fetch {form}: 403 Forbidden")
        task = await client.tasks.import_image(SIGNED, name="web")
        with pytest.raises(TaskFailedError, match="cannot fetch") as raised:
            await client.tasks.wait(task.id)
        error = raised.value
        assert not leaks(shown(error), HEAD, TAIL)
        assert error.task is not None
        assert (error.task.input or {})["import_from"] == SIGNED
        assert form in (error.task.message or "")
        assert not leaks([repr(task), repr(error.task), repr(await client.tasks.list().collect())], HEAD, TAIL)
    assert not leaks(logged(records), HEAD, TAIL)


@pytest.mark.dialects("openstack")
@pytest.mark.clouds("emulator")
async def test_signed_urls_of_web_downloads(world: World, records: list[logging.LogRecord]) -> None:
    """So does an import of Glance's own, whether it is refused at once or fails later, and an image's location."""
    image = await world.make_image("web")
    client = world.client(world.credentials(world.site.producer), retry=ONCE)
    errors: list[BaseException] = []
    for refusal in (_page(SIGNED), json.dumps({"message": SIGNED}).encode(), quote(SIGNED).encode()):
        for ask in (
            lambda: client.images.start_import(image.id, "web-download", uri=SIGNED),
            lambda: client.images.add_location(image.id, SIGNED),
            lambda: client.tasks.import_image(SIGNED, name="web"),
        ):
            world.emulator.faults.body(refusal, status=400, method="POST", path="/(import|locations|tasks)$")
            with pytest.raises(AioImagesError) as raised:
                await ask()
            errors.append(raised.value)
    failed = {
        "id": "task-1",
        "type": "api_image_import",
        "status": "failure",
        "message": f"Error: {SIGNED} timed out",
        "input": {"import_req": {"method": {"name": "web-download", "uri": SIGNED}}},
    }
    world.emulator.faults.body(json.dumps({"tasks": [failed]}).encode(), path="/tasks$", times=None)
    with pytest.raises(TaskFailedError, match="timed out") as failure:
        await client.images.wait(image.id)
    errors.append(failure.value)
    # The arguments of a call stand in its frames.
    texts = [text for error in errors for text in shown(error, frames=False)]
    assert not leaks([*texts, *logged(records)], HEAD, TAIL)


@pytest.mark.clouds("emulator-rackspace")
async def test_lost_answers(world: World, records: list[logging.LogRecord]) -> None:
    """An outcome that nobody knows shows no token and no key."""
    world.emulator.faults.drop(method="POST", path="/tasks$", times=None)
    timeout = TimeoutPolicy(lost_after=0.1)
    client = world.client(world.credentials(world.site.producer), retry=ONCE, timeout=timeout)
    with pytest.raises(AmbiguousOutcomeError) as raised:
        await client.tasks.import_image("disks/web.vhd", name="web")
    tokens = {request.token for request in world.watch.requests} - {""}
    assert tokens
    assert not leaks([*shown(raised.value), *logged(records)], *tokens, world.site.producer.api_key)


def _content(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


@pytest.mark.dialects("openstack")
@pytest.mark.clouds("emulator")
async def test_journals(world: World, tmp_path: Path) -> None:
    """No byte of a journal's files tells a token, a key, or what is secret in a URL."""
    path = tmp_path / "run.db"
    world.emulator.script_task(status="failure", message=f"cannot fetch {SIGNED}", count=2)
    world.emulator.faults.body(_page(SIGNED), status=403, method="POST", path="/tasks$", times=2)
    requests = [ImportRequest(SIGNED, f"web-{number}", properties={"x": "y"}) for number in range(6)]
    found: list[bytes] = []
    async with world.admin.bulk.import_images(requests, journal=path) as outcomes:
        async for outcome in outcomes:
            found += _content(tmp_path)
            assert not leaks([repr(outcome), repr(outcome.key)], HEAD, TAIL)
            assert outcome.key.import_from == SIGNED
    found += _content(tmp_path)
    tokens = {request.token for request in world.watch.requests} - {""}
    assert not leaks((data.decode("latin-1") for data in found), HEAD, TAIL, *tokens, world.site.admin.password)


# What shows itself.


def _things() -> Iterator[object]:
    for make in CREDENTIALS.values():
        yield make("https://cloud.example")
    client = Client(
        CREDENTIALS["KeystonePassword"]("https://cloud.example"), proxy=f"http://u:{SECRET[:6]}@proxy.example"
    )
    yield from (client, client._session, client._http, client.images, client.tasks, client.bulk)
    token = Token(value=TOKEN)
    yield from (token, [token], {"token": token})
    yield ImportRequest(SIGNED, "web")
    yield Location(url=SIGNED)
    yield Task(id="t", status="failure", message=SIGNED, input={"import_from": SIGNED}, result={"x": SIGNED})
    yield Reply(200, {"x-subject-token": TOKEN}, TOKEN.encode(), "https://cloud.example")
    yield from _calls()


def _calls() -> Iterator[Call[Any]]:
    yield identity.rackspace_token({"passcode": SECRET}, secrets=(SECRET,), session_id=TOKEN)
    yield identity.keystone_token({"password": SECRET}, None, secrets=(SECRET,))
    yield tasks.create(OPENSTACK, "import", {"import_from": SIGNED})
    yield stores.add_location(OPENSTACK, "image-1", SIGNED, hash_algo=None, hash_value=None)
    yield data.start_import(
        OPENSTACK,
        "image-1",
        "web-download",
        {"uri": SIGNED},
        stores=None,
        all_stores=None,
        all_stores_must_succeed=None,
    )


def test_what_shows_itself() -> None:
    """Credentials, clients, models and calls show no secret; nor does what attrs makes of credentials."""
    for thing in _things():
        texts = [repr(thing), str(thing), f"{thing}", repr(getattr(thing, "__dict__", ""))]
        if isinstance(thing, Task | Location):
            # These are facts: whoever asks for all of them gets them.
            texts = texts[:3]
        if attrs.has(type(thing)) and not isinstance(thing, Task | Location | ImportRequest | Call | Reply):
            texts += [repr(attrs.asdict(thing)), repr(attrs.astuple(thing))]  # type: ignore[arg-type]
        if isinstance(thing, Call | Reply):
            texts = texts[:3]
        assert not leaks(texts, HEAD, TAIL), type(thing)


@pytest.mark.parametrize(
    "section",
    [
        {
            "auth": {"auth_url": "https://c.example", "username": "me", "password": SECRET, "user_id": "x"},
            "verify": "?",
        },
        {"auth": {"auth_url": f"https://me:{SECRET}@c.example", "username": "me", "password": SECRET}},
        {"auth": {"auth_url": f"c.example/{HEAD}@", "username": "me", "password": SECRET}},
        {"auth": {"auth_url": "https://c.example", "password": SECRET}},
        {"auth": {"auth_url": "https://c.example", "token": f"{HEAD} {TAIL}"}},
        {"auth": {"auth_url": "https://c.example", "username": "me", "password": SECRET}, "auth_type": "x"},
    ],
    ids=str,
)
def test_configuration_that_cannot_work(
    section: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error about `clouds.yaml` or `OS_*` variables shows no value of theirs, nor do its frames."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_PASSWORD", SECRET)
    path = tmp_path / "clouds.yaml"
    for text in (
        json.dumps({"clouds": {"mine": section}}),
        f"clouds: [{SECRET}",
        f"- {SECRET}",
        f"clouds: {{mine: {HEAD}}}",
    ):
        path.write_text(text)
        with pytest.raises(AioImagesError) as raised:
            connect("mine")
        assert not leaks(shown(raised.value), HEAD, TAIL)


async def test_files_that_are_left(tmp_path: Path) -> None:
    """A download that broke off leaves data only: its name and content have nothing of the token."""
    image = {"id": "image-1", "status": "active", "size": 8, "self": "/v2/images/image-1"}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        whole = answer(200, b"12345678") if b"/file " in head else answer(200, json.dumps(image).encode())
        writer.write(whole[:-4] if b"/file " in head else whole)
        await writer.drain()

    async with raw_server(talk) as url, Client(StaticToken(TOKEN, f"{url}/v2"), retry=ONCE) as client:
        with suppress(AioImagesError):
            await client.images.download("image-1", tmp_path / "web.img", resume=True)
    assert os.listdir(tmp_path) == [".web.img.image-1.part"]  # noqa: PTH208  # in a coroutine
    assert all(b"12345678".startswith(left) for left in _content(tmp_path))


PROGRAM = """
import asyncio, gc, logging, sys, warnings
from aioimages import Client, KeystonePassword, StaticToken
secret = "Canary" + "-secret-" + "Yranac"
logging.basicConfig(level=logging.DEBUG)

async def main():
    async def talk(reader, writer):
        await reader.read()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for credentials in (KeystonePassword(url, "me", secret), StaticToken(secret, url + "/v2")):
        client = Client(credentials, proxy=url.replace("//", f"//me:{secret}@"))
        task = asyncio.create_task(client.images.get("image-1"))
        await asyncio.sleep(0.3)
        if isinstance(credentials, StaticToken):
            task.cancel()
            await asyncio.wait([task])
        del client, task
    gc.collect()
    print(open("/proc/self/cmdline").read(), open("/proc/self/comm").read(), file=sys.stderr)

asyncio.run(main())
gc.collect()
"""


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_programs_that_leave_things_open(tmp_path: Path) -> None:
    """What Python says of clients that were not closed and tasks that were not awaited has no secret in it."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "always", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Unclosed client session" in ran.stderr
    assert ran.returncode == 0
    assert not leaks([ran.stderr, ran.stdout], HEAD, TAIL)
