"""The Identity API, as far as a cloud has to be filled: catalog, projects, users, application credentials."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from real_cloud._errors import RealCloudError

_DOMAIN = {"name": "Default"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """Someone who can sign in, by password or by application credential."""

    username: str
    password: str = field(repr=False)
    user_id: str
    user_domain_name: str = "Default"
    project_name: str
    project_id: str
    project_domain_name: str = "Default"
    application_credential_id: str
    application_credential_secret: str = field(repr=False)


class Identity:
    """One signed-in user of Keystone."""

    def __init__(self, auth_url: str, *, username: str, password: str, project_name: str) -> None:
        self._auth_url = auth_url
        self._token = ""
        user = {"name": username, "domain": _DOMAIN, "password": password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": project_name, "domain": _DOMAIN}}
        token = self._call("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})["token"]
        self.user_id: str = token["user"]["id"]
        self.project_id: str = token["project"]["id"]
        self.domain_id: str = token["project"]["domain"]["id"]

    @classmethod
    def account(cls, auth_url: str, *, username: str, password: str, project_name: str) -> Account:
        """Sign somebody in, make them an application credential, and put all of it together."""
        signed_in = cls(auth_url, username=username, password=password, project_name=project_name)
        made = signed_in.post(
            f"/users/{signed_in.user_id}/application_credentials", "application_credential", {"name": "tests"}
        )
        return Account(
            username=username,
            password=password,
            user_id=signed_in.user_id,
            project_name=project_name,
            project_id=signed_in.project_id,
            application_credential_id=made["id"],
            application_credential_secret=made["secret"],
        )

    def add_region(self, name: str) -> None:
        """Make a region; Keystone's own is there."""
        self.post("/regions", "region", {"id": name})

    def register(self, service_type: str, name: str, urls: Mapping[str, str]) -> Self:
        """Put a service into the catalog, with its URL in each region, under all three interfaces."""
        service = self.post("/services", "service", {"type": service_type, "name": name})["id"]
        for region, url in urls.items():
            for interface in ("public", "internal", "admin"):
                endpoint = {"service_id": service, "interface": interface, "region_id": region, "url": url}
                self.post("/endpoints", "endpoint", endpoint)
        return self

    def add_member(self, name: str, password: str) -> None:
        """Make a project and a user of the same name who has the role `member` in it."""
        project = self.post("/projects", "project", {"name": name, "domain_id": self.domain_id})["id"]
        wanted = {"name": name, "password": password, "domain_id": self.domain_id, "default_project_id": project}
        user = self.post("/users", "user", wanted)["id"]
        role = self._call("GET", "/roles?name=member")["roles"][0]["id"]
        self._call("PUT", f"/projects/{project}/users/{user}/roles/{role}")

    def post(self, path: str, key: str, value: dict[str, Any]) -> dict[str, Any]:
        """Create one thing; both ways it is wrapped in its key."""
        made: dict[str, Any] = self._call("POST", path, {key: value})[key]
        return made

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Auth-Token": self._token}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._auth_url + path, data, headers, method=method)
        # No proxy: a machine's proxy settings have no say about loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        failure = ""
        try:
            with opener.open(request, timeout=60) as answer:
                self._token = answer.headers.get("X-Subject-Token", self._token)
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                failure = f"{error.code} {error.read().decode(errors='replace')}"
        except OSError as error:
            failure = str(error)
        if failure:
            raise RealCloudError(f"Keystone refused {method} {path}: {failure}")
        return json.loads(text) if text else {}
