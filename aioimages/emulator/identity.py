"""Rackspace Identity v2.0."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from aiohttp import web

from aioimages.emulator.accounts import Account
from aioimages.emulator.context import json_answer, json_object
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import RACKSPACE_REGIONS, World
from aioimages.emulator.tokens import Issued, Tokens

__all__ = ["RackspaceIdentity"]

# The real service says some times in its own zone.
_CENTRAL: Final = timezone(timedelta(hours=-6))
_WRONG: Final = "Unable to authenticate user with credentials provided."


class RackspaceIdentity:
    """Signs in by API key, by password (with a passcode where the account wants one), and by token."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self._world = world
        self._tokens = tokens
        self._sessions: dict[str, Account] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return what it answers to."""
        return [web.post("/rackspace/identity/v2.0/tokens", self.authenticate)]

    async def authenticate(self, request: web.Request) -> web.Response:
        """POST /v2.0/tokens."""
        auth = (await json_object(request)).get("auth")
        if not isinstance(auth, dict):
            raise Refusal(400, "Invalid request body: unable to parse Auth data.")
        if "tenantId" in auth and "tenantName" in auth:
            raise Refusal(400, "Invalid request. Specify tenantId OR tenantName, not both.")
        ways: dict[str, Callable[[dict[str, Any]], Account]] = {
            "RAX-KSKEY:apiKeyCredentials": self._by_api_key,
            "passwordCredentials": self._by_password,
            "token": lambda given: self._by_token(given, auth),
            "RAX-AUTH:passcodeCredentials": lambda given: self._by_passcode(given, request.headers.get("X-SessionId")),
        }
        for name, way in ways.items():
            if isinstance(auth.get(name), dict):
                account = way(auth[name])
                break
        else:
            raise Refusal(400, "Invalid request body: no credentials.")
        tenant = auth.get("tenantId", auth.get("tenantName", account.tenant_id))
        if tenant not in {account.tenant_id, account.files_account}:
            raise Refusal(401, f"Tenant with Name/Id: '{tenant}' is not valid for User '{account.username}'.")
        return json_answer(self._access(self._tokens.issue(account), next(iter(auth))))

    def _named(self, username: object) -> Account:
        found = next((account for account in self._world.accounts if account.username == username), None)
        if found is None:
            raise Refusal(401, _WRONG)
        return found

    def _by_api_key(self, given: dict[str, Any]) -> Account:
        account = self._named(given.get("username"))
        if given.get("apiKey") != account.api_key:
            raise Refusal(401, _WRONG)
        return self._first_factor(account)

    def _by_password(self, given: dict[str, Any]) -> Account:
        account = self._named(given.get("username"))
        if given.get("password") != account.password:
            raise Refusal(401, _WRONG)
        return self._first_factor(account)

    def _first_factor(self, account: Account) -> Account:
        if account.passcode is None:
            return account
        session = self._world.new_id()
        self._sessions[session] = account
        challenge = f"OS-MF sessionId='{session}', factor='PASSCODE'"
        message = "Additional authentication credentials required."
        raise Refusal(401, message, headers={"WWW-Authenticate": challenge})

    def _by_passcode(self, given: dict[str, Any], session: str | None) -> Account:
        account = self._sessions.pop(session or "", None)
        if account is None or given.get("passcode") != account.passcode:
            raise Refusal(401, _WRONG)
        return account

    def _by_token(self, given: dict[str, Any], auth: dict[str, Any]) -> Account:
        issued = self._tokens.find(given.get("id"))
        if issued is None:
            raise Refusal(404, "Token not found.")
        if "tenantId" not in auth and "tenantName" not in auth:
            raise Refusal(400, "Invalid request. A token needs a tenantId or tenantName.")
        return issued.account

    def _access(self, issued: Issued, way: str) -> dict[str, Any]:
        account = issued.account
        # An account whose number is odd gets the form with an offset, so that clients meet both.
        zone = _CENTRAL if int(account.tenant_id) % 2 else UTC
        expires = datetime.fromtimestamp(issued.expires_at, zone).isoformat(timespec="milliseconds")
        by = "APIKEY" if way.startswith("RAX-KSKEY") else "PASSWORD"
        return {
            "access": {
                "token": {
                    "id": issued.value,
                    "expires": expires.replace("+00:00", "Z"),
                    "tenant": {"id": account.tenant_id, "name": account.tenant_id},
                    "RAX-AUTH:authenticatedBy": [by],
                },
                "serviceCatalog": self._catalog(account),
                "user": {
                    "id": account.user_id,
                    "name": account.username,
                    "roles": [{"id": "1", "name": f"cloudImages:{'admin' if account.is_admin else 'creator'}"}],
                    "RAX-AUTH:defaultRegion": account.default_region,
                },
            },
        }

    def _catalog(self, account: Account) -> list[dict[str, Any]]:
        base = f"{self._world.base_url}/rackspace"
        images = [
            {
                "region": region,
                "tenantId": account.tenant_id,
                "publicURL": f"{base}/{region}/v2",
                # As in reality, ServiceNet is not in every region's entry.
                **({"internalURL": f"{base}/{region}/v2"} if region == "DFW" else {}),
            }
            for region in RACKSPACE_REGIONS
        ]
        files = [
            {
                "region": region,
                "tenantId": account.files_account,
                "publicURL": f"{base}/{region}/files/v1/{account.files_account}",
                "internalURL": f"{base}/{region}/files/v1/{account.files_account}",
            }
            for region in RACKSPACE_REGIONS
        ]
        servers = [
            {
                "region": region,
                "tenantId": account.tenant_id,
                "publicURL": f"{base}/{region}/servers/v2/{account.tenant_id}",
            }
            for region in RACKSPACE_REGIONS
        ]
        dns = [{"tenantId": account.tenant_id, "publicURL": f"{base}/dns/v1.0/{account.tenant_id}"}]
        return [
            {"name": "cloudFiles", "type": "object-store", "endpoints": files},
            {"name": "cloudImages", "type": "image", "endpoints": images},
            {"name": "cloudServersOpenStack", "type": "compute", "endpoints": servers},
            {"name": "cloudDNS", "type": "rax:dns", "endpoints": dns},
        ]
