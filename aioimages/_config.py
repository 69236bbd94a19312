"""`clouds.yaml`, `secure.yaml` and `OS_*` variables, as credentials and client options. Nothing is fetched."""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from aioimages._auth.credentials import (
    US,
    Credentials,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    StaticToken,
)
from aioimages._errors import ConfigurationError

__all__ = ["Configured", "load"]

# These choose a cloud, but do not describe one.
_SELECTORS: Final = frozenset({"cloud", "cloud_name", "client_config_file", "client_secure_file", "region_name"})
_NOT_OURS: Final = ("OS_TEST", "OS_STD", "OS_LOG")
_SUFFIXES: Final = (".yaml", ".yml", ".json")
_LARGEST_FILE_BYTES: Final = 2**20

Section = Mapping[str, Any]


@attrs.frozen
class Configured:
    """What a configuration says: who signs in, and the client's options."""

    credentials: Credentials
    options: dict[str, Any]


def load(cloud: str | None = None, *, environ: Mapping[str, str] = os.environ) -> Configured:
    """Read the configuration of a cloud, as OpenStack's own tools do.

    Args:
        cloud: A name in `clouds.yaml`; otherwise `OS_CLOUD`, the `OS_*` variables, or the only cloud of the file.
        environ: The environment.

    Raises:
        ConfigurationError: There is no such cloud, or what is said of it cannot work.
    """
    name = cloud or environ.get("OS_CLOUD")
    variables = _variables(environ)
    if name is None and variables.keys() - _SELECTORS:
        section: Section = {"auth": variables, **variables}
        where = "the OS_* variables"
    else:
        name, section = _named(name, environ)
        where = f"cloud {name!r}"
    try:
        return Configured(_credentials(section), _options(section, variables.get("region_name")))
    except (TypeError, ValueError) as error:
        problem = ConfigurationError(f"{where} cannot be used: {error}")
    raise problem


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("OS_").lower(): value
        for name, value in environ.items()
        if name.startswith("OS_") and not name.startswith(_NOT_OURS) and value
    }


def _named(name: str | None, environ: Mapping[str, str]) -> tuple[str, Section]:
    places = list(_places(environ))
    clouds = _file("clouds", environ.get("OS_CLIENT_CONFIG_FILE"), places).get("clouds") or {}
    secrets = _file("secure", environ.get("OS_CLIENT_SECURE_FILE"), places).get("clouds") or {}
    if not clouds:
        raise ConfigurationError(
            "no cloud is configured: there are neither OS_* variables nor a clouds.yaml in "
            + ", ".join(str(place) for place in places),
        )
    if name is None:
        if len(clouds) > 1:
            raise ConfigurationError(f"clouds.yaml has several clouds; choose one of {', '.join(sorted(clouds))}")
        name = str(next(iter(clouds)))
    if name not in clouds:
        raise ConfigurationError(f"clouds.yaml has no cloud {name!r}; it has {', '.join(sorted(clouds))}")
    return name, _merged(clouds[name] or {}, secrets.get(name) or {})


def _places(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [Path.cwd(), home / "openstack", Path("/etc/xdg/openstack"), Path("/etc/openstack")]


def _file(stem: str, override: str | None, places: list[Path]) -> Section:
    candidates = [Path(override)] if override else []
    candidates += [place / f"{stem}{suffix}" for place in places for suffix in _SUFFIXES]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        return {}
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise ConfigurationError(f"reading {found} needs PyYAML: pip install 'aioimages[config]'") from None
    try:
        if found.stat().st_size > _LARGEST_FILE_BYTES:
            raise ConfigurationError(f"{found} is larger than {_LARGEST_FILE_BYTES} bytes")
        content = yaml.safe_load(found.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        # The parser's own message quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        problem = ConfigurationError(f"{found} cannot be read{place}: {type(error).__name__}")
    else:
        if isinstance(content, dict):
            return content
        problem = ConfigurationError(f"{found} has no clouds in it")
    raise problem


def _merged(base: Section, over: Section) -> Section:
    result = dict(base)
    for key, value in over.items():
        both_sections = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both_sections else value
    return result


def _options(section: Section, region: str | None) -> dict[str, Any]:
    interface = section.get("interface") or section.get("endpoint_type")
    options = {
        "region": region or section.get("region_name") or _first_region(section),
        "interface": (interface[0] if isinstance(interface, list) else interface or "public").removesuffix("URL"),
        "endpoint": section.get("image_endpoint_override"),
        "cacert": _path(section.get("cacert")),
        "cert": _path(section.get("cert")),
        "key": _path(section.get("key")),
        "insecure": _is_insecure(section),
    }
    return {name: value for name, value in options.items() if value is not None}


def _first_region(section: Section) -> str | None:
    regions = section.get("regions") or [None]
    first = regions[0]
    return first.get("name") if isinstance(first, Mapping) else first


def _path(path: str | None) -> str | None:
    return None if path is None else str(Path(path).expanduser())


def _is_insecure(section: Section) -> bool:
    if "insecure" in section:
        return _flag("insecure", section["insecure"])
    return not _flag("verify", section.get("verify", True))


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if str(value).lower() not in known:
        raise ValueError(f"{name} is true or false, not {value!r}")
    return known[str(value).lower()]


def _credentials(section: Section) -> Credentials:
    auth = {key.replace("-", "_"): value for key, value in (section.get("auth") or {}).items() if value}
    profile = section.get("profile")
    if profile not in {None, "rackspace"}:
        raise ValueError(f"profile {profile!r} is not known; say auth_url and the like in its place")
    kind = section.get("auth_type") or _guessed_kind(auth, is_rackspace=profile == "rackspace")
    make = _MAKERS.get(str(kind))
    if make is None:
        raise ValueError(f"auth_type {kind!r} is not supported; there are {', '.join(sorted(_MAKERS))}")
    if profile == "rackspace":
        auth.setdefault("auth_url", US)
    return make(auth)


def _guessed_kind(auth: Section, *, is_rackspace: bool) -> str:
    if is_rackspace:
        return "rackspace_apikey" if "api_key" in auth else "rackspace_password"
    return "token" if "token" in auth and "password" not in auth else "password"


def _needed(auth: Section, *names: str) -> list[str]:
    missing = [name for name in names if auth.get(name) is None]
    if missing:
        raise ValueError(f"auth lacks {', '.join(missing)}")
    return [str(auth[name]) for name in names]


def _project(auth: Section) -> dict[str, str]:
    project = {
        "project_name": auth.get("project_name") or auth.get("tenant_name"),
        "project_id": auth.get("project_id") or auth.get("tenant_id"),
        "project_domain_name": auth.get("project_domain_name") or auth.get("domain_name"),
        "project_domain_id": auth.get("project_domain_id") or auth.get("domain_id"),
    }
    return {name: str(value) for name, value in project.items() if value}


def _password(auth: Section) -> Credentials:
    url, username, password = _needed({"username": auth.get("user_name"), **auth}, "auth_url", "username", "password")
    domain = {
        "user_domain_name": auth.get("user_domain_name") or auth.get("domain_name"),
        "user_domain_id": auth.get("user_domain_id") or auth.get("domain_id"),
    }
    user = {name: str(value) for name, value in domain.items() if value}
    return KeystonePassword(url, username, password, **user, **_project(auth))


def _token(auth: Section) -> Credentials:
    url, token = _needed(auth, "auth_url", "token")
    return KeystoneToken(url, token, **_project(auth))


def _application_credential(auth: Section) -> Credentials:
    return KeystoneApplicationCredential(
        *_needed(auth, "auth_url", "application_credential_id", "application_credential_secret"),
    )


def _static(auth: Section) -> Credentials:
    return StaticToken(*_needed({"endpoint": auth.get("url"), **auth}, "token", "endpoint"))


def _rackspace(kind: Callable[..., Credentials], *names: str) -> Callable[[Section], Credentials]:
    def make(auth: Section) -> Credentials:
        tenant = {"tenant_id": str(auth["tenant_id"])} if "tenant_id" in auth and "tenant_id" not in names else {}
        return kind(*_needed(auth, *names), auth_url=str(auth.get("auth_url", US)), **tenant)

    return make


_MAKERS: Final[Mapping[str, Callable[[Section], Credentials]]] = {
    "password": _password,
    "v3password": _password,
    "token": _token,
    "v3token": _token,
    "v3applicationcredential": _application_credential,
    "admin_token": _static,
    "token_endpoint": _static,
    "rackspace_apikey": _rackspace(RackspaceApiKey, "username", "api_key"),
    "rackspace_password": _rackspace(RackspacePassword, "username", "password"),
    "rackspace_token": _rackspace(RackspaceToken, "token", "tenant_id"),
}
