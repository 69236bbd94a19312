"""Signing in: Rackspace Identity v2.0 and Keystone v3, and finding an endpoint's version.

The requests hold secrets in their bodies, and their answers hold tokens: neither is ever part of a `repr`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from aioimages import _codec
from aioimages._call import Call, Reply
from aioimages._models import WIRE, CatalogEndpoint, Token
from aioimages._times import http_date, moment

__all__ = ["keystone_token", "rackspace_token", "versions"]

INTERFACES: Final = ("public", "internal", "admin")


def _wire(name: str, default: Any = attrs.NOTHING) -> Any:
    return attrs.field(default=default, metadata={WIRE: name})


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _Tenant:
    id: str | None = None


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _RackspaceToken:
    id: str
    expires: object = None
    tenant: _Tenant = _Tenant()


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _RackspaceUser:
    default_region: str | None = _wire("RAX-AUTH:defaultRegion", None)


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _RackspaceEndpoint:
    region: str | None = None
    public: str | None = _wire("publicURL", None)
    internal: str | None = _wire("internalURL", None)
    admin: str | None = _wire("adminURL", None)


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _RackspaceService:
    type: str
    endpoints: list[_RackspaceEndpoint] = attrs.field(factory=list)


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _Access:
    token: _RackspaceToken
    user: _RackspaceUser = _RackspaceUser()
    catalog: tuple[_RackspaceService, ...] = _wire("serviceCatalog", ())


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _RackspaceAnswer:
    access: _Access


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _KeystoneEndpoint:
    url: str | None = None
    interface: str = "public"
    region: str | None = None
    region_id: str | None = None


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _KeystoneService:
    type: str
    endpoints: tuple[_KeystoneEndpoint, ...] = ()


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _KeystoneToken:
    expires_at: object = None
    issued_at: object = None
    project: _Tenant = _Tenant()
    catalog: tuple[_KeystoneService, ...] = ()


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _KeystoneAnswer:
    token: _KeystoneToken


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _Version:
    id: str
    status: str = "CURRENT"


@attrs.frozen(slots=False, kw_only=True, eq=False, repr=False)
class _Versions:
    versions: tuple[_Version, ...]


def _token(reply: Reply, place: str, value: str) -> str:
    """Return a token that can stand in a header."""
    if not re.fullmatch(r"[!-~]+", value):
        raise _codec.undecodable(reply, f"{place} holds nothing that can be sent as a token")
    return value


def _when(said: object) -> datetime | None:
    """Read a time that nothing else hangs on than when a token is renewed; one that makes no sense is none."""
    try:
        return moment(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _read_rackspace(reply: Reply) -> Token:
    access = _codec.one(_RackspaceAnswer)(reply).access
    return Token(
        value=_token(reply, "$.access.token.id", access.token.id),
        expires_at=_when(access.token.expires),
        issued_at=http_date(reply.headers.get("date", "")),
        project_id=access.token.tenant.id,
        default_region=access.user.default_region,
        catalog=tuple(
            CatalogEndpoint(service.type, endpoint.region, interface, url)
            for service in access.catalog
            for endpoint in service.endpoints
            for interface in INTERFACES
            if (url := getattr(endpoint, interface))
        ),
    )


def rackspace_token(
    auth: Mapping[str, Any],
    *,
    secrets: tuple[str, ...],
    session_id: str | None = None,
) -> Call[Token]:
    """POST /v2.0/tokens (Rackspace Identity v2.0, "Authenticate").

    Args:
        auth: What stands under `auth` in the body.
        secrets: What no error may show.
        session_id: The session of a sign-in that goes on with its second factor.
    """
    return Call(
        method="POST",
        path="tokens",
        headers={"X-SessionId": session_id} if session_id else {},
        body=_codec.dump({"auth": auth}),
        # The service documents both.
        ok=frozenset({200, 203}),
        read=_read_rackspace,
        secrets=secrets,
    )


def _read_keystone(reply: Reply) -> Token:
    token = _codec.one(_KeystoneAnswer)(reply).token
    return Token(
        value=_token(reply, "the header X-Subject-Token", reply.headers.get("x-subject-token", "")),
        expires_at=_when(token.expires_at),
        issued_at=_when(token.issued_at),
        project_id=token.project.id,
        catalog=tuple(
            # Old catalogs say publicURL where new ones say public.
            CatalogEndpoint(
                service.type,
                endpoint.region_id or endpoint.region,
                endpoint.interface.removesuffix("URL"),
                endpoint.url,
            )
            for service in token.catalog
            for endpoint in service.endpoints
            if endpoint.url
        ),
    )


def keystone_token(
    identity: Mapping[str, Any],
    scope: Mapping[str, Any] | None,
    *,
    secrets: tuple[str, ...],
) -> Call[Token]:
    """POST /v3/auth/tokens (Identity v3, "Authentication and token management").

    Args:
        identity: The methods, and what each needs.
        scope: The project, or `None` where the credentials bring their own.
        secrets: What no error may show.
    """
    auth = {"identity": identity} if scope is None else {"identity": identity, "scope": scope}
    return Call(
        method="POST",
        path="auth/tokens",
        body=_codec.dump({"auth": auth}),
        ok=frozenset({200, 201}),
        read=_read_keystone,
        secrets=secrets,
    )


def versions() -> Call[tuple[str, ...]]:
    """GET / of the image service (Images v2, "API versions"): the versions that it serves, such as `v2.15`."""
    return Call(
        method="GET",
        path="",
        at_root=True,
        # The list of versions is "multiple choices" to some servers.
        ok=frozenset({200, 300}),
        read=lambda reply: tuple(version.id for version in _codec.one(_Versions)(reply).versions),
    )
