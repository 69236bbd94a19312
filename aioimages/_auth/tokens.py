"""One token for all calls: fetched once however many ask, renewed ahead of its expiry and once after a refusal."""

import asyncio
import copy
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import attrs

from aioimages._auth.credentials import Credentials
from aioimages._errors import AioImagesError
from aioimages._exchange import Exchange
from aioimages._models import Token

__all__ = ["TokenSource"]

_REFUSAL_SECONDS: Final = 1.0
_MARGIN_SECONDS: Final = 120.0
_MARGIN_SHARE: Final = 0.05
_UNCHANGED_SECONDS: Final = 60.0


@attrs.frozen
class _Lease:
    token: Token
    renew_at: float
    ends_at: float


@attrs.frozen
class _Refusal:
    error: AioImagesError
    until: float


class TokenSource:
    """Keeps the token of one client."""

    def __init__(
        self,
        credentials: Credentials,
        exchange: Exchange,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._exchange = exchange
        self._clock = clock
        self._lock = asyncio.Lock()
        self._lease: _Lease | None = None
        self._refusal: _Refusal | None = None

    @property
    def renewable(self) -> bool:
        """Whether another sign-in can give another token."""
        return self._credentials.renewable

    async def get(self) -> Token:
        """Return a token that is good for a while yet.

        Raises:
            AuthenticationError: The credentials are not accepted.
            TransportError: The identity service does not answer.
        """
        lease = self._lease
        if lease is not None and self._clock() < lease.renew_at:
            return lease.token
        if lease is not None and self._lock.locked() and self._clock() < lease.ends_at:
            # Somebody renews it already, and until then it is good.
            return lease.token
        async with self._lock:
            # Another call may have signed in while this one waited.
            if self._lease is not lease and self._lease is not None:
                return self._lease.token
            return await self._renew()

    def newest(self, token: Token | None) -> Token | None:
        """Return the token that has replaced one, or that one: it costs no time, unlike a refusal."""
        return token if self._lease is None else self._lease.token

    async def replace(self, refused: Token) -> Token:
        """Return another token than the one that the service has just refused; one sign-in serves all who ask."""
        async with self._lock:
            if self._lease is not None and self._lease.token is not refused:
                return self._lease.token
            self._lease = None
            return await self._renew(refused)

    async def _renew(self, refused: Token | None = None) -> Token:
        if self._refusal is not None and self._clock() < self._refusal.until:
            raise copy.copy(self._refusal.error)
        before = self._lease
        try:
            token = await self._credentials.sign_in(self._exchange.perform)
        except AioImagesError as error:
            if before is not None and self._clock() < before.ends_at:
                # The old token is still good, so an identity service in trouble hurts nobody yet.
                self._lease = attrs.evolve(before, renew_at=self._clock() + _REFUSAL_SECONDS)
                return before.token
            self._refusal = _Refusal(error, self._clock() + _REFUSAL_SECONDS)
            raise
        known = refused or (before.token if before else None)
        self._lease = self._lease_of(token, is_new=known is None or known.value != token.value)
        self._refusal = None
        return token

    def _lease_of(self, token: Token, *, is_new: bool) -> _Lease:
        now = self._clock()
        if token.expires_at is None:
            return _Lease(token, float("inf"), float("inf"))
        # The service's own clock where it told the time: ours may be wrong.
        lifetime = (token.expires_at - (token.issued_at or datetime.now(UTC))).total_seconds()
        if lifetime <= 0:
            # One of the clocks is wrong. A refusal will tell when the token has ended.
            return _Lease(token, float("inf"), float("inf"))
        if not is_new:
            # The service hands out the same token until it is nearly over: asking again at once would not change that.
            return _Lease(token, now + max(lifetime, _UNCHANGED_SECONDS), now + lifetime)
        return _Lease(token, now + lifetime - min(_MARGIN_SECONDS, lifetime * _MARGIN_SHARE), now + lifetime)
