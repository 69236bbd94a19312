"""Who signs in, and how. Credentials are frozen facts; their `repr` shows no secret."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import attrs

from aioimages._call import Call
from aioimages._calls import identity
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect
from aioimages._errors import AuthenticationError, MultiFactorRequiredError, StatusError
from aioimages._models import Token
from aioimages._secrets import Secret

__all__ = [
    "US",
    "Credentials",
    "KeystoneApplicationCredential",
    "KeystonePassword",
    "KeystoneToken",
    "RackspaceApiKey",
    "RackspacePassword",
    "RackspaceToken",
    "StaticToken",
    "service_url",
]

US: Final = "https://identity.api.rackspacecloud.com/v2.0"

Perform = Callable[[Call[Token], str], Awaitable[Token]]
Passcode = str | Callable[[], Awaitable[str]] | None


class Credentials(Protocol):
    """Whatever a client can sign in with."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of the API that clouds with such credentials speak."""
        raise NotImplementedError

    @property
    def endpoint(self) -> str | None:
        """The image service's URL, where the credentials bring it along."""
        raise NotImplementedError

    @property
    def renewable(self) -> bool:
        """Whether another sign-in can give another token."""
        raise NotImplementedError

    @property
    def identity_url(self) -> str:
        """Where to sign in, or the endpoint where there is no sign-in."""
        raise NotImplementedError

    async def sign_in(self, perform: Perform) -> Token:
        """Get a token.

        Args:
            perform: Performs a call at a URL.

        Raises:
            AuthenticationError: The credentials are not accepted.
        """
        raise NotImplementedError


def service_url(name: str, url: Any, *, may_name_user: bool = False) -> str:
    """Return a service's URL without a slash at its end; otherwise raise, naming the argument."""
    if not isinstance(url, str):
        raise TypeError(f"{name} is a str, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError(f"{name} is an http or https URL, such as https://cloud.example/identity, not {_shown(url)}")
    if ("@" in parts.netloc and not may_name_user) or parts.query or parts.fragment:
        raise ValueError(f"{name} has neither user, query nor fragment")
    return url.rstrip("/")


def _shown(url: str) -> str:
    return "one that may hold a password" if "@" in url else repr(url[:80])


def _text(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} is a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{attribute.name} is empty")


def _token_text(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    _text(instance, attribute, value)
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError(f"{attribute.name} has characters that no token has: blanks, controls or non-ASCII")


def _hidden(value: str) -> str:
    # What is no text is left to be refused.
    return Secret(value) if isinstance(value, str) else value


def _hidden_passcode(value: Passcode) -> Passcode:
    return Secret(value) if isinstance(value, str) else value


_optional_text: Final = attrs.validators.optional(_text)


def _rackspace_url(url: str) -> str:
    url = service_url("auth_url", url)
    return url if url.endswith("/v2.0") else f"{url}/v2.0"


def _keystone_url(url: str) -> str:
    url = service_url("auth_url", url)
    if url.endswith("/v2.0"):
        raise ValueError(f"auth_url is of Identity v2.0, which Keystone no longer has: {url}")
    return url if url.endswith("/v3") else f"{url}/v3"


def _refusal(error: StatusError, what: str) -> AuthenticationError:
    refusal = AuthenticationError(f"{what} was not accepted: {error.args[0]}")
    refusal.attempts = error.attempts
    return refusal


def _words(credentials: object) -> str:
    """Return what people call such credentials: `Keystone password` for `KeystonePassword`."""
    first, *rest = re.findall(r"[A-Z][a-z]+", type(credentials).__name__)
    return " ".join([first, *(word.lower() for word in rest)])


class _Rackspace:
    """What signing in to Rackspace Identity v2.0 has in common."""

    dialect: Dialect = RACKSPACE
    endpoint: str | None = None
    renewable: bool = True
    auth_url: str

    @property
    def identity_url(self) -> str:
        """Where to sign in."""
        return self.auth_url

    def _tenant(self) -> str | None:
        return getattr(self, "tenant_id", None)

    def _who(self) -> str:
        return f"the {_words(self)} of {(getattr(self, 'username', None) or self._tenant())!r}"

    def _auth(self) -> tuple[Mapping[str, Any], str]:
        """Return what stands under `auth`, and the secret in it."""
        raise NotImplementedError

    async def sign_in(self, perform: Perform) -> Token:
        """Get a token (Rackspace Identity v2.0, "Authenticate")."""
        auth, secret = self._auth()
        tenant = {"tenantId": self._tenant()} if self._tenant() else {}
        call = identity.rackspace_token({**auth, **tenant}, secrets=(secret,))
        try:
            return await perform(call, self.auth_url)
        except StatusError as error:
            challenge = error.challenge
            refusal = _refusal(error, self._who()) if error.status in {400, 401, 403, 404} else error
        session = re.search(r"OS-MF\s+sessionId='([!-&(-~]+)'", challenge or "")
        if session is None:
            raise refusal
        return await self._second_factor(perform, Secret(session[1]))

    def _passcode(self) -> str | Awaitable[str] | None:
        return None

    async def _second_factor(self, perform: Perform, session_id: str) -> Token:
        passcode = self._passcode()
        if passcode is None:
            raise MultiFactorRequiredError(
                "this account signs in with a second factor: use RackspacePassword(..., passcode=...) with the code, "
                "or with an async function that gets one",
            )
        if not isinstance(passcode, str):
            passcode = Secret(await passcode)
        call = identity.rackspace_token(
            {"RAX-AUTH:passcodeCredentials": {"passcode": passcode}},
            session_id=session_id,
            secrets=(passcode, session_id),
        )
        try:
            return await perform(call, self.auth_url)
        except StatusError as error:
            refusal = _refusal(error, "the passcode")
        raise refusal


@attrs.frozen
class RackspaceApiKey(_Rackspace):
    """A Rackspace user name and API key (Rackspace Identity v2.0, "Authenticate with API key")."""

    username: str = attrs.field(validator=_text)
    api_key: str = attrs.field(repr=False, converter=_hidden, validator=_text)
    auth_url: str = attrs.field(default=US, kw_only=True, converter=_rackspace_url)
    tenant_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)

    def _auth(self) -> tuple[Mapping[str, Any], str]:
        return {"RAX-KSKEY:apiKeyCredentials": {"username": self.username, "apiKey": self.api_key}}, self.api_key


@attrs.frozen
class RackspacePassword(_Rackspace):
    """A Rackspace user name and password, with a passcode where the account has a second factor.

    `passcode` is the code, or an async function that gets one when it is asked for: codes live for half a minute.
    """

    username: str = attrs.field(validator=_text)
    password: str = attrs.field(repr=False, converter=_hidden, validator=_text)
    auth_url: str = attrs.field(default=US, kw_only=True, converter=_rackspace_url)
    tenant_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    passcode: Passcode = attrs.field(default=None, kw_only=True, repr=False, converter=_hidden_passcode)

    def _auth(self) -> tuple[Mapping[str, Any], str]:
        return {"passwordCredentials": {"username": self.username, "password": self.password}}, self.password

    def _passcode(self) -> str | Awaitable[str] | None:
        return self.passcode() if callable(self.passcode) else self.passcode


@attrs.frozen
class RackspaceToken(_Rackspace):
    """A Rackspace token and the tenant it is for (Rackspace Identity v2.0, "Authenticate with token")."""

    token: str = attrs.field(repr=False, converter=_hidden, validator=_token_text)
    tenant_id: str = attrs.field(validator=_text)
    auth_url: str = attrs.field(default=US, kw_only=True, converter=_rackspace_url)

    def _auth(self) -> tuple[Mapping[str, Any], str]:
        return {"token": {"id": self.token}}, self.token


class _Keystone:
    """What signing in to Keystone has in common."""

    dialect: Dialect = OPENSTACK
    endpoint: str | None = None
    renewable: bool = True
    auth_url: str

    @property
    def identity_url(self) -> str:
        """Where to sign in."""
        return self.auth_url

    def _identity(self) -> tuple[Mapping[str, Any], str]:
        """Return what stands under `identity`, and the secret in it."""
        raise NotImplementedError

    def _scope(self) -> Mapping[str, Any] | None:
        return None

    def _who(self) -> str:
        owner = getattr(self, "username", None) or getattr(self, "id", None)
        return f"the {_words(self)} of {owner!r}" if owner else f"the {_words(self)}"

    async def sign_in(self, perform: Perform) -> Token:
        """Get a token (Identity v3, "Authentication and token management")."""
        methods, secret = self._identity()
        call = identity.keystone_token(methods, self._scope(), secrets=(secret,))
        try:
            return await perform(call, self.auth_url)
        except StatusError as error:
            refusal = _refusal(error, self._who()) if error.status in {400, 401, 403, 404} else error
        raise refusal


def _domain(domain_id: str | None, domain_name: str | None) -> Mapping[str, str]:
    return {"id": domain_id} if domain_id else {"name": domain_name or "Default"}


class _KeystoneProject(_Keystone):
    """What signing in to a project has in common."""

    project_name: str | None
    project_id: str | None
    project_domain_name: str
    project_domain_id: str | None

    def __attrs_post_init__(self) -> None:
        if self.project_name and self.project_id:
            raise ValueError("give project_name or project_id, not both")

    def _scope(self) -> Mapping[str, Any] | None:
        if self.project_id:
            return {"project": {"id": self.project_id}}
        if self.project_name:
            domain = _domain(self.project_domain_id, self.project_domain_name)
            return {"project": {"name": self.project_name, "domain": domain}}
        return None


@attrs.frozen
class KeystonePassword(_KeystoneProject):
    """A Keystone user name and password, for a project by name (and domain) or id."""

    auth_url: str = attrs.field(converter=_keystone_url)
    username: str = attrs.field(validator=_text)
    password: str = attrs.field(repr=False, converter=_hidden, validator=_text)
    project_name: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    project_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    user_domain_name: str = attrs.field(default="Default", kw_only=True, validator=_text)
    project_domain_name: str = attrs.field(default="Default", kw_only=True, validator=_text)
    user_domain_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    project_domain_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)

    def _identity(self) -> tuple[Mapping[str, Any], str]:
        user = {
            "name": self.username,
            "domain": _domain(self.user_domain_id, self.user_domain_name),
            "password": self.password,
        }
        return {"methods": ["password"], "password": {"user": user}}, self.password


@attrs.frozen
class KeystoneApplicationCredential(_Keystone):
    """A Keystone application credential, which knows its own project."""

    auth_url: str = attrs.field(converter=_keystone_url)
    id: str = attrs.field(validator=_text)
    secret: str = attrs.field(repr=False, converter=_hidden, validator=_text)

    def _identity(self) -> tuple[Mapping[str, Any], str]:
        credential = {"id": self.id, "secret": self.secret}
        return {"methods": ["application_credential"], "application_credential": credential}, self.secret


@attrs.frozen
class KeystoneToken(_KeystoneProject):
    """A Keystone token, exchanged for one of a project by name (and domain) or id."""

    auth_url: str = attrs.field(converter=_keystone_url)
    token: str = attrs.field(repr=False, converter=_hidden, validator=_token_text)
    project_name: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    project_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)
    project_domain_name: str = attrs.field(default="Default", kw_only=True, validator=_text)
    project_domain_id: str | None = attrs.field(default=None, kw_only=True, validator=_optional_text)

    def _identity(self) -> tuple[Mapping[str, Any], str]:
        return {"methods": ["token"], "token": {"id": self.token}}, self.token


def _service_url(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    service_url(attribute.name, value)


@attrs.frozen
class StaticToken:
    """A token that somebody else looks after, and the image service it is for. There is no sign-in, and no renewal."""

    token: str = attrs.field(repr=False, converter=_hidden, validator=_token_text)
    endpoint: str = attrs.field(validator=_service_url)

    @property
    def renewable(self) -> bool:
        """Never: another token would have to come from where this one did."""
        return False

    @property
    def dialect(self) -> Dialect:
        """Rackspace's for Rackspace's hosts."""
        host = urlsplit(self.endpoint).hostname or ""
        return RACKSPACE if host.endswith(".rackspacecloud.com") else OPENSTACK

    @property
    def identity_url(self) -> str:
        """The endpoint, since nothing is signed in to."""
        return self.endpoint

    async def sign_in(self, perform: Perform) -> Token:  # noqa: ARG002  # there is nothing to perform
        """Return the token as it is."""
        return Token(value=self.token)
