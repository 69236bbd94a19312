"""Keystone's Identity v3."""

from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from aioimages.emulator.accounts import Account
from aioimages.emulator.context import json_answer, json_object
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import OPENSTACK_REGIONS, World
from aioimages.emulator.tokens import Issued, Tokens

__all__ = ["Keystone"]

_WRONG: Final = "The request you have made requires authentication."
_DEFAULT_DOMAIN: Final = {"id": "default", "name": "Default"}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def _section(parent: dict[str, Any], name: str) -> dict[str, Any]:
    section = parent.get(name)
    if not isinstance(section, dict):
        raise Refusal(400, f"'{name}' is a required property")
    return section


def _is_default_domain(domain: object) -> bool:
    return isinstance(domain, dict) and any(domain.get(key) == value for key, value in _DEFAULT_DOMAIN.items())


class Keystone:
    """Signs in by password, by token and by application credential, for a project."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers to."""
        return [
            web.get("/openstack/identity/v3", self.version),
            web.post("/openstack/identity/v3/auth/tokens", self.authenticate),
        ]

    async def version(self, _: web.Request) -> web.Response:
        """GET /v3."""
        link = {"rel": "self", "href": f"{self._world.base_url}/openstack/identity/v3/"}
        return json_answer({"version": {"id": "v3.14", "status": "stable", "links": [link]}})

    async def authenticate(self, request: web.Request) -> web.Response:
        """POST /v3/auth/tokens."""
        auth = _section(await json_object(request), "auth")
        identity = _section(auth, "identity")
        ways = {
            "password": self._by_password,
            "token": self._by_token,
            "application_credential": self._by_credential,
        }
        methods = identity.get("methods")
        if not isinstance(methods, list) or len(methods) != 1 or methods[0] not in ways:
            raise Refusal(401, _WRONG)
        account = ways[methods[0]](_section(identity, methods[0]))
        scope = auth.get("scope")
        if scope is not None:
            if methods == ["application_credential"]:
                raise Refusal(401, "Application credentials cannot request a scope.")
            self._check_scope(scope, account)
        return self._answer(self._tokens.issue(account), methods)

    def _by_password(self, given: dict[str, Any]) -> Account:
        user = _section(given, "user")
        for account in self._world.accounts:
            by_id = user.get("id") == account.user_id
            by_name = user.get("name") == account.username and _is_default_domain(user.get("domain"))
            if (by_id or by_name) and user.get("password") == account.password:
                return account
        raise Refusal(401, _WRONG)

    def _by_token(self, given: dict[str, Any]) -> Account:
        issued = self._tokens.find(given.get("id"))
        if issued is None:
            raise Refusal(404, f"Could not find token: {'*' * 8}.")
        return issued.account

    def _by_credential(self, given: dict[str, Any]) -> Account:
        for account in self._world.accounts:
            if (given.get("id"), given.get("secret")) == (
                account.application_credential_id,
                account.application_credential_secret,
            ):
                return account
        raise Refusal(401, _WRONG)

    def _check_scope(self, scope: object, account: Account) -> None:
        project = _section(scope if isinstance(scope, dict) else {}, "project")
        by_id = project.get("id") == account.tenant_id
        by_name = project.get("name") == account.project_name and _is_default_domain(project.get("domain"))
        if not by_id and not by_name:
            raise Refusal(401, _WRONG)

    def _answer(self, issued: Issued, methods: list[str]) -> web.Response:
        account = issued.account
        token = {
            "methods": methods,
            "user": {"id": account.user_id, "name": account.username, "domain": _DEFAULT_DOMAIN},
            "project": {"id": account.tenant_id, "name": account.project_name, "domain": _DEFAULT_DOMAIN},
            "roles": [{"id": role, "name": role} for role in account.roles],
            "issued_at": _moment(issued.issued_at),
            "expires_at": _moment(issued.expires_at),
            "catalog": [
                self._service("image", "glance", "image"),
                self._service("object-store", "swift", f"files/v1/AUTH_{account.tenant_id}"),
                self._service("compute", "nova", "compute/v2.1"),
            ],
        }
        return json_answer({"token": token}, 201, X_Subject_Token=issued.value)

    def _service(self, kind: str, name: str, path: str) -> dict[str, Any]:
        endpoints = [
            {
                "id": f"{name}-{interface}-{region}",
                "interface": interface,
                "region": region,
                "region_id": region,
                "url": f"{self._world.base_url}/openstack/{region}/{path}",
            }
            for region in OPENSTACK_REGIONS
            for interface in ("public", "internal", "admin")
        ]
        return {"id": name, "type": kind, "name": name, "endpoints": endpoints}
