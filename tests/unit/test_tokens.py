"""The one token: when it is renewed, under a clock of the test's own."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aioimages import AuthenticationError
from aioimages._auth.tokens import TokenSource
from aioimages._models import Token

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


class Credentials:
    """Credentials that hand out what the test says, and count."""

    renewable = True

    def __init__(self, *answers: Token | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def sign_in(self, _: Any) -> Token:
        """Give the next answer; the last one for ever."""
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Exchange:
    """What is not needed here."""

    perform = None


def token(value: str, lifetime: float | None = 3600.0, *, issued: datetime | None = NOON) -> Token:
    """Make a token that lives so many seconds."""
    expires = None if lifetime is None else (issued or datetime.now(UTC)) + timedelta(seconds=lifetime)
    return Token(value=value, expires_at=expires, issued_at=issued)


def source_of(*answers: Token | Exception) -> tuple[TokenSource, Credentials, list[float]]:
    """Make a source of tokens, and its clock."""
    now = [0.0]
    credentials = Credentials(*answers)
    return TokenSource(credentials, Exchange(), clock=lambda: now[0]), credentials, now  # type: ignore[arg-type]


async def test_renewal_holds_nobody_up() -> None:
    """While somebody renews a token that is still good, the others go on with it."""
    source, credentials, now = source_of(token("a"), token("b"))
    await source.get()
    now[0] = 3500.0
    renewing = asyncio.create_task(source.get())
    await asyncio.sleep(0)
    assert (await source.get()).value == "a"
    assert (await renewing).value == "b"
    assert (await source.get()).value == "b"
    assert credentials.asked == 2


@pytest.mark.parametrize(("lifetime", "kept", "renewed"), [(3600.0, 3479.0, 3481.0), (100.0, 94.0, 96.0)])
async def test_renewal_ahead(lifetime: float, kept: float, renewed: float) -> None:
    """A token is renewed two minutes before its end, or when a twentieth of a short life is left."""
    source, credentials, now = source_of(token("a", lifetime), token("b", lifetime))
    assert (await source.get()).value == "a"
    now[0] = kept
    assert (await source.get()).value == "a"
    now[0] = renewed
    assert (await source.get()).value == "b"
    assert credentials.asked == 2


async def test_clock_that_is_wrong() -> None:
    """The lifetime is counted on the service's own clock: ours may be years off."""
    source, credentials, now = source_of(token("a", 3600.0, issued=NOON - timedelta(days=900)))
    await source.get()
    now[0] = 3000.0
    await source.get()
    assert credentials.asked == 1


async def test_token_without_an_end() -> None:
    """A token without an end, or one that seems over already, is used until it is refused."""
    for given in (token("a", None), token("a", -5.0)):
        source, credentials, now = source_of(given)
        await source.get()
        now[0] = 10.0**9
        await source.get()
        assert credentials.asked == 1


async def test_same_token_again() -> None:
    """A service that hands out the token that it gave before is not asked again at once."""
    source, credentials, now = source_of(token("a", 100.0))
    await source.get()
    now[0] = 96.0
    await source.get()
    assert credentials.asked == 2
    for _ in range(10):
        await source.get()
    assert credentials.asked == 2


async def test_renewal_that_fails_early() -> None:
    """While the old token is good, an identity service in trouble hurts nobody; it is asked again in a second."""
    trouble = AuthenticationError("out of order")
    source, credentials, now = source_of(token("a", 3600.0), trouble, trouble, token("b", 3600.0))
    await source.get()
    now[0] = 3500.0
    assert (await source.get()).value == "a"
    assert (await source.get()).value == "a"
    assert credentials.asked == 2
    now[0] = 3502.0
    assert (await source.get()).value == "a"
    now[0] = 3504.0
    assert (await source.get()).value == "b"


async def test_failure_is_kept_for_a_second() -> None:
    """A failed sign-in is told to all who ask within a second, each with an error of its own."""
    source, credentials, now = source_of(AuthenticationError("wrong key"), token("a"))
    errors = await asyncio.gather(*(source.get() for _ in range(5)), return_exceptions=True)
    assert [str(error) for error in errors] == ["wrong key"] * 5
    assert len({id(error) for error in errors}) == 5
    assert credentials.asked == 1
    now[0] = 1.5
    assert (await source.get()).value == "a"


async def test_replacement() -> None:
    """However many calls were refused one token, it is replaced once."""
    source, credentials, _ = source_of(token("a"), token("b"), token("c"))
    old = await source.get()
    new = await asyncio.gather(*(source.replace(old) for _ in range(10)))
    assert {found.value for found in new} == {"b"}
    assert credentials.asked == 2
    assert (await source.get()).value == "b"
