"""`clouds.yaml`, `secure.yaml` and `OS_*` variables, as credentials and client options. Nothing is fetched."""

import importlib
import logging
import math
import os
import stat
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
_MOST_NODES: Final = 100_000
_log: Final = logging.getLogger("aioimages")
_SECRETS: Final = frozenset({"password", "token", "api_key", "application_credential_secret"})

Section = Mapping[str, Any]


@attrs.frozen
class Configured:
    """What a configuration says: who signs in, and the client's options."""

    credentials: Credentials
    options: dict[str, Any]


def load(cloud: str | None = None, *, environ: Mapping[str, str] | None = None) -> Configured:
    """Read the configuration of a cloud, as OpenStack's own tools do.

    Args:
        cloud: A name in `clouds.yaml`; otherwise `OS_CLOUD`, the `OS_*` variables, or the only cloud of the file.
        environ: The environment, where it is not the process's own.

    Raises:
        ConfigurationError: There is no such cloud, or what is said of it cannot work.
    """
    try:
        return _load(cloud, os.environ if environ is None else environ)
    except ConfigurationError as error:
        # The frames that it came through hold passwords.
        problem = error.with_traceback(None)
    raise problem


def _load(cloud: str | None, environ: Mapping[str, str]) -> Configured:
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
    except (AttributeError, LookupError):
        problem = ConfigurationError(f"{where} cannot be used: something in it is not of the kind that it should be")
    raise problem


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("OS_").lower(): value
        for name, value in environ.items()
        if name.startswith("OS_") and not name.startswith(_NOT_OURS) and value
    }


def _named(name: str | None, environ: Mapping[str, str]) -> tuple[str, Section]:
    places = list(_places(environ))
    clouds = _file("clouds", environ.get("OS_CLIENT_CONFIG_FILE"), places)
    secrets = _file("secure", environ.get("OS_CLIENT_SECURE_FILE"), places)
    if not clouds:
        raise ConfigurationError(
            "no cloud is configured: there are neither OS_* variables nor a clouds.yaml in "
            + ", ".join(str(place) for place in places),
        )
    if name is None:
        if len(clouds) > 1:
            raise ConfigurationError(f"clouds.yaml has several clouds; choose one of {', '.join(sorted(clouds))}")
        name = next(iter(clouds))
    if name not in clouds:
        raise ConfigurationError(f"clouds.yaml has no cloud {name!r}; it has {', '.join(sorted(clouds))}")
    return name, _merged(clouds[name], secrets.get(name, {}))


def _places(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return [Path.cwd(), home / "openstack", Path("/etc/xdg/openstack"), Path("/etc/openstack")]


def _file(stem: str, override: str | None, places: list[Path]) -> dict[str, Section]:
    """Return the clouds of a file, or none where there is no such file."""
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
        with found.open("rb") as file:
            content = _parsed(yaml, file.read(_LARGEST_FILE_BYTES + 1))
    except ConfigurationError as error:
        problem = ConfigurationError(f"{found} {error}")
    except (OSError, ValueError, ArithmeticError, RecursionError, yaml.YAMLError) as error:
        # The parser's own message quotes the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        problem = ConfigurationError(f"{found} cannot be read{place}: {type(error).__name__}")
    else:
        clouds = _clouds_in(content)
        if clouds is not None:
            if any(_SECRETS & (cloud.get("auth") or {}).keys() for cloud in clouds.values()) and _is_public(found):
                _log.warning("%s has secrets in it and can be read by every user of this machine", found)
            return clouds
        problem = ConfigurationError(f"{found} has no clouds in it, or one that is no section")
    raise problem


def _is_public(path: Path) -> bool:
    """Say whether all users of the machine can read a file, by its own mode and those of the folders that it is in."""
    if os.name != "posix":
        return False
    path = path.resolve()
    folders = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return folders and bool(path.stat().st_mode & stat.S_IROTH)


def _parsed(yaml: Any, text: bytes) -> Any:
    """Parse YAML that makes plain values only, and not more of them than a person would write."""
    if len(text) > _LARGEST_FILE_BYTES:
        raise ConfigurationError(f"is larger than {_LARGEST_FILE_BYTES} bytes")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        # An alias is a node of its own each time: a few lines of them can stand for more than fits into memory.
        if _size(node, {}) > _MOST_NODES:
            raise ConfigurationError(f"stands for more than {_MOST_NODES} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: Any, known: dict[int, float]) -> float:
    """Return how many nodes a YAML node has when all aliases in it are written out: those of itself never end."""
    size = known.get(id(node))
    if size is None:
        known[id(node)] = math.inf
        inner = node.value if isinstance(node.value, list) else ()
        parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
        size = known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return size


def _clouds_in(content: Any) -> dict[str, Section] | None:
    """Return the clouds by their names, or `None` where the file is not made so."""
    clouds = content.get("clouds") or {} if isinstance(content, dict) else content or {}
    if not isinstance(clouds, dict):
        return None
    sections: dict[str, Section] = {str(name): section or {} for name, section in clouds.items()}
    fits = all(
        isinstance(section, dict) and isinstance(section.get("auth") or {}, dict) for section in sections.values()
    )
    return sections if fits else None


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
