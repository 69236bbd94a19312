"""The programs of the README and of the pages that have some of their own, run as they stand."""

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from disks import fixed_vhd

import aioimages
from aioimages import Client, KeystonePassword, PollPolicy, RackspaceApiKey, vhd
from aioimages.emulator import Emulator

pytestmark = pytest.mark.anyio

README = (Path(__file__).parent.parent / "README.md").read_text()
FIRST, BULK, DATA, JOBS, EMBEDDED = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

DOCS = Path(__file__).parent.parent / "docs"
(INDEX,) = re.findall(r"```python\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
(BOTH_ENDS,) = re.findall(r"```python\n(.*?)```", (DOCS / "vhd.md").read_text(), re.DOTALL)


async def run(program: str, **names: Any) -> dict[str, Any]:
    """Run a program as a notebook would, with top-level `await`, and return what it has named."""
    code = compile(program, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)  # our own README
    if running is not None:
        await running
    return names


def client_of(cloud: Emulator, region: str = "DFW") -> Client:
    """Return the producer's client."""
    account = cloud.producer
    credentials = RackspaceApiKey(account.username, account.api_key, auth_url=cloud.rackspace_auth_url)
    return Client(credentials, region=region, poll=PollPolicy(first=0.05))


async def test_first_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first program lists, imports and waits."""
    async with Emulator() as cloud:
        cloud.add_image(cloud.producer, name="here", os_distro="debian")
        cloud.put_object(cloud.producer, "exports/web.vhd", fixed_vhd())
        monkeypatch.setattr(aioimages, "Client", lambda *_, **__: client_of(cloud))
        names = await run(FIRST.replace("asyncio.run(main())", ""))
        main: Callable[[], Awaitable[None]] = names["main"]
        await main()
    shown = capsys.readouterr().out
    assert "here debian" in shown
    assert "name='web', status='active'" in shown


async def test_index(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first program of the pages lists images."""
    async with Emulator() as cloud:
        monkeypatch.setattr(aioimages, "Client", lambda *_, **__: client_of(cloud))
        names = await run(INDEX.replace("asyncio.run(main())", ""))
        main: Callable[[], Awaitable[None]] = names["main"]
        await main()
    assert "Debian 12" in capsys.readouterr().out


async def test_both_ends_of_a_disk() -> None:
    """Both ends of an object tell that it is a disk."""
    async with Emulator() as cloud, client_of(cloud) as client:
        cloud.put_object(cloud.producer, "disks/web.vhd", fixed_vhd())
        names = await run(BOTH_ENDS, client=client, vhd=vhd)
    assert names["size"] == len(fixed_vhd())


async def test_bulk(capsys: pytest.CaptureFixture[str]) -> None:
    """The bulk program imports what is good, says what is not, and deletes."""
    async with Emulator() as cloud, client_of(cloud) as client:
        cloud.put_object(cloud.producer, "disks/good.vhd", fixed_vhd())
        image_ids = [cloud.add_image(cloud.producer) for _ in range(3)]
        names = await run(BULK, client=client, names=["good", "bad"], image_ids=[*image_ids, "missing"])
        assert [outcome.key for outcome in names["failed"]] == ["missing"]
    shown = capsys.readouterr().out
    assert re.search(r"^good [0-9a-f-]{36}$", shown, re.MULTILINE)
    assert re.search(r"^bad task .* failed", shown, re.MULTILINE)


async def test_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data program makes an image, fetches it back, and lets the service fetch another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.qcow2").write_bytes(b"QFI\xfb" + bytes(100_000))
    async with Emulator() as cloud:
        account = cloud.producer
        credentials = KeystonePassword(
            cloud.keystone_auth_url, account.username, account.password, project_name=account.project_name
        )
        program = DATA.replace("https://example.org/web.raw", cloud.put_file("web.raw", bytes(100_000)))
        async with Client(credentials, poll=PollPolicy(first=0.05)) as client:
            names = await run(program, client=client)
    assert (tmp_path / "copy.qcow2").read_bytes() == (tmp_path / "web.qcow2").read_bytes()
    assert (names["image"].name, names["image"].status) == ("fetched", "active")


async def test_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The jobs' program imports a disk, exports it, and moves the image to another region."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.vhd").write_bytes(fixed_vhd())
    async with Emulator() as cloud:
        for region in ("DFW", "ORD"):
            cloud.create_container(cloud.producer, "disks", region=region)
        async with client_of(cloud) as client, client_of(cloud, "ORD") as other_region:
            names = await run(JOBS, client=client, other_region=other_region)
    assert (tmp_path / "copy.vhd").read_bytes() == fixed_vhd()
    assert (names["moved"].name, names["moved"].status) == ("web", "active")


async def test_embedded_cloud(capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded cloud's program lists its public images."""
    await run(EMBEDDED)
    assert "Debian 12" in capsys.readouterr().out


def test_commands() -> None:
    """Both commands stand in the README, and the second one word for word in what runs everything."""
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert [command.rpartition(" ")[2] for command in commands] == ["demo", "tests"]
    script = (Path(__file__).parent.parent / ".ci/run").read_text()
    assert script.rstrip().splitlines()[-1] == commands[1]
