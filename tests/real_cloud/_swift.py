"""The configuration files of Swift's four servers, their rings, and the disk that they share."""

import os
import pwd
import secrets
from collections.abc import Mapping
from pathlib import Path

from real_cloud._errors import RealCloudError
from real_cloud._run import run
from real_cloud._settings import Site, authtoken, write

_STORES = ("account", "container", "object")
ROLES = (*_STORES, "proxy")
_RINGS = Path(__file__).with_name("_swift_rings.py")
_RINGS_LIMIT = 60.0
# All of Swift's waiting for itself: half a second here and a second there, which a busy machine oversteps. What is then
# put off is left to daemons that do not run here, such as an object's place in its container's listing.
_PATIENCE = {"conn_timeout": "10", "node_timeout": "60", "container_update_timeout": "60"}
# From the eleventh segment on, small ones are sent one a second otherwise.
_UNLIMITED = {"rate_limit_after_segment": "1000", "rate_limit_segments_per_sec": "1000"}


def prepare_swift(site: Site, ports: Mapping[str, int]) -> dict[str, Path]:
    """Write the configuration and make the rings; returns each server's file."""
    folder = site.data / "swift"
    devices = folder / "devices"
    (devices / "d1").mkdir(parents=True)
    _check_attributes(devices)
    rings = [f"{role}={ports[role]}" for role in _STORES]
    run([site.environment / "bin" / "python", _RINGS, folder, *rings], timeout=_RINGS_LIMIT)
    hashed = {f"swift_hash_path_{end}": secrets.token_hex(12) for end in ("prefix", "suffix")}
    write(folder / "swift.conf", {"swift-hash": hashed})
    files = {role: folder / f"{role}-server.conf" for role in ROLES}
    for role in _STORES:
        write(files[role], _store(role, {**_server(folder, ports[role]), "devices": str(devices)}))
    write(files["proxy"], _proxy(site, _server(folder, ports["proxy"])))
    return files


def _check_attributes(folder: Path) -> None:
    try:
        os.setxattr(folder, "user.swift", b"works")
    except OSError as error:
        raise RealCloudError(
            f"Swift keeps metadata in extended attributes, and {folder} cannot have any ({error.strerror}):"
            " let TMPDIR name a folder on a disk"
        ) from error


def _server(folder: Path, port: int) -> dict[str, str]:
    return {
        "bind_ip": "127.0.0.1",
        "bind_port": str(port),
        "workers": "0",  # the process itself serves
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "swift_dir": str(folder),
        # Without it, everything goes to the machine's own log as well; nobody listens there.
        "log_udp_host": "127.0.0.1",
        "log_udp_port": "9",
        **_PATIENCE,
    }


def _store(role: str, server: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        "DEFAULT": {**server, "mount_check": "false", "disable_fallocate": "true", "fallocate_reserve": "0"},
        "pipeline:main": {"pipeline": f"healthcheck {role}-server"},
        "filter:healthcheck": {"use": "egg:swift#healthcheck"},
        f"app:{role}-server": {"use": f"egg:swift#{role}"},
    }


def _proxy(site: Site, server: Mapping[str, str]) -> dict[str, dict[str, str]]:
    filters: dict[str, dict[str, str]] = {
        "catch_errors": {"use": "egg:swift#catch_errors"},
        "healthcheck": {"use": "egg:swift#healthcheck"},
        "proxy-logging": {"use": "egg:swift#proxy_logging"},
        # Swift's `cache` is left out, and with it memcached: each request asks for what it needs to know of account and
        # container, and what was learnt of a token is kept in the process.
        "authtoken": {
            "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
            **authtoken(site),
            # Who has no token is keystoneauth's affair: a container may be open to everyone.
            "delay_auth_decision": "true",
        },
        "keystoneauth": {"use": "egg:swift#keystoneauth", "operator_roles": "admin,member"},
        "copy": {"use": "egg:swift#copy"},
        "slo": {"use": "egg:swift#slo", **_UNLIMITED},
        "dlo": {"use": "egg:swift#dlo", **_UNLIMITED},
    }
    return {
        "DEFAULT": dict(server),
        "pipeline:main": {"pipeline": " ".join((*filters, "proxy-server"))},
        **{f"filter:{name}": options for name, options in filters.items()},
        "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true"},
    }
