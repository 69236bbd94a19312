"""Tokens: who has which, until when."""

import attrs

from aioimages.emulator.accounts import Account
from aioimages.emulator.state import World

__all__ = ["Issued", "Tokens"]


@attrs.frozen
class Issued:
    """A token that was given to an account."""

    value: str
    account: Account
    issued_at: float
    expires_at: float


class Tokens:
    """All tokens that are good."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._issued: dict[str, Issued] = {}

    def issue(self, account: Account) -> Issued:
        """Give an account a token."""
        now = self._world.clock.now()
        value = f"emulated-token-{self._world.new_id()}"
        issued = Issued(value, account, now, now + self._world.settings.token_seconds)
        self._issued[value] = issued
        return issued

    def find(self, value: str | None) -> Issued | None:
        """Return a token that is good now."""
        issued = self._issued.get(value or "")
        return issued if issued and self._world.clock.now() < issued.expires_at else None

    def revoke_all(self) -> None:
        """Let no token be good any longer."""
        self._issued.clear()
