"""What a cloud calls its things does nothing to a terminal, and cannot pass for something else there."""

import asyncio
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.progress import Progress as RichDisplay
from servers import answering, raw_server

from aioimages import Image, ProgressEvent
from aioimages.demo.display import Display
from aioimages.progress import LoggingProgress, RichProgress, TqdmProgress
from security.canary import answer

EVIL = "web\x1b[2J\x1b]0;evil\x07\x9b31m\r\nroot:\u202egpj.exe\u2066\u200f[bold]x[/bold][/]\\["
# What a terminal, or a reader, is led astray by. Lines and colours of rich's own are none of it.
HARMFUL = set("\x07\x9b\u202e\u2066\u200f")


def _harm(text: str) -> set[str]:
    return HARMFUL & set(text) | {code for code in ("\x1b[2J", "\x1b]0") if code in text}


def _event(done: int, *, is_last: bool = False) -> ProgressEvent:
    return ProgressEvent(phase="upload", key=EVIL, done=done, total=10, is_last=is_last)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_display_of_the_demo(*, is_terminal: bool) -> None:
    """Names, statuses and ids of images, and all lines, are shown without control and bidi characters."""
    file = io.StringIO()
    display = Display(Console(file=file, force_terminal=is_terminal, width=300, highlight=False))
    display.say(EVIL)
    display.images("images", [Image(id=EVIL, name=EVIL, status=EVIL)])
    assert not _harm(file.getvalue())
    assert "[bold]x[/bold][/]" in file.getvalue()


@pytest.mark.anyio
async def test_demo(tmp_path: Path) -> None:
    """So is the error of a cloud that the demo is told to look at."""
    async with raw_server(answering(answer(404, EVIL.encode()))) as url:
        auth = {"token": "a-secret-token", "endpoint": f"{url}/v2"}
        text = yaml.safe_dump({"clouds": {"mine": {"auth_type": "admin_token", "auth": auth}}})
        (tmp_path / "clouds.yaml").write_text(text)

        program = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "aioimages.demo", "--cloud", "mine", cwd=tmp_path, stderr=subprocess.PIPE
        )
        _, said = await asyncio.wait_for(program.communicate(), 60)
    assert program.returncode == 1
    assert said.decode().startswith("NotFoundError: 404 web")
    assert not _harm(said.decode())
    assert b"a-secret-token" not in said


def test_rich() -> None:
    """The progress of an object shows its name as it is: no markup of it is obeyed, or an error."""
    file = io.StringIO()
    display = RichDisplay(console=Console(file=file, force_terminal=True, width=300))
    progress = RichProgress(display)
    with display:
        progress.update(_event(5))
        progress.update(_event(10, is_last=True))
    assert not _harm(file.getvalue())
    assert "[bold]x[/bold][/]" in file.getvalue()


def test_tqdm() -> None:
    """So does tqdm's."""
    file = io.StringIO()
    with TqdmProgress(file=file, ncols=300) as progress:
        progress.update(_event(5))
        progress.update(_event(10, is_last=True))
    shown = file.getvalue()
    assert not _harm(shown)
    assert "web?[2J" in shown


def test_logging(caplog: pytest.LogCaptureFixture) -> None:
    """A log gets one line for each."""
    caplog.set_level(logging.DEBUG)
    LoggingProgress().update(_event(5))
    (record,) = caplog.records
    assert record.getMessage().isprintable()
