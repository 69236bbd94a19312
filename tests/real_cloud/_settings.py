"""The configuration files of Keystone and Glance, and the commands that prepare their databases."""

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from real_cloud._run import run

REGIONS = ("RegionOne", "RegionTwo")
_COMMAND_LIMIT = 120.0
_DATABASE = "database.sqlite"
_GLANCE_CONFIG = "glance-api.conf"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the configuration has to know."""

    environment: Path
    """The virtual environment."""
    data: Path
    """The temporary folder."""
    password: str
    """Of the administrator."""
    keystone_url: str
    glance_urls: Mapping[str, str]
    """By region."""
    swift_url: str
    import_ports: tuple[int, ...]
    """From where on loopback Glance may import: the ports of all regions and the file server's."""


def prepare_keystone(site: Site) -> dict[str, str]:
    """Write the configuration, make database, keys and administrator; returns the server's environment."""
    folder = site.data / "keystone"
    folder.mkdir()
    config = folder / "keystone.conf"
    write(config, _keystone(folder))
    manage: list[str | Path] = [site.environment / "bin" / "keystone-manage", "--config-file", config]
    keys_of: tuple[str, ...] = ("--keystone-user", folder.owner(), "--keystone-group", folder.group())
    run([*manage, "db_sync"], timeout=_COMMAND_LIMIT)
    run([*manage, "fernet_setup", *keys_of], timeout=_COMMAND_LIMIT)
    run([*manage, "credential_setup", *keys_of], timeout=_COMMAND_LIMIT)
    run(
        [
            *(*manage, "bootstrap", "--bootstrap-password", site.password, "--bootstrap-region-id", REGIONS[0]),
            *(f"--bootstrap-{interface}-url={site.keystone_url}/v3/" for interface in ("admin", "internal", "public")),
        ],
        timeout=_COMMAND_LIMIT,
    )
    _let_readers_be(folder)
    return {"OS_KEYSTONE_CONFIG_DIR": str(folder)}


def prepare_glance(site: Site) -> dict[str, dict[str, str]]:
    """Write each region's configuration, make the databases; returns the servers' environments by region."""
    folders = {region: site.data / f"glance-{region}" for region in site.glance_urls}
    for region, folder in folders.items():
        folder.mkdir()
        write(folder / _GLANCE_CONFIG, _glance(site, folder, site.glance_urls[region]))
    first, *others = folders.values()
    manage: list[str | Path] = [site.environment / "bin" / "glance-manage", "--config-file", first / _GLANCE_CONFIG]
    run([*manage, "db_sync"], timeout=_COMMAND_LIMIT)
    run([*manage, "db_load_metadefs"], timeout=_COMMAND_LIMIT)
    # Metadata definitions take seconds to load, and know nothing of their region. Without a write-ahead log as yet, the
    # database is one file.
    for folder in others:
        shutil.copyfile(first / _DATABASE, folder / _DATABASE)
    for folder in folders.values():
        _let_readers_be(folder)
    return {region: {"OS_GLANCE_CONFIG_DIR": str(folder)} for region, folder in folders.items()}


def _keystone(folder: Path) -> dict[str, dict[str, str]]:
    return {
        "DEFAULT": {},
        "database": _database(folder),
        "token": {"provider": "fernet"},
        "fernet_tokens": {"key_repository": f"{folder}/fernet-keys"},
        "credential": {"key_repository": f"{folder}/credential-keys"},
        # Without it, looking at one token takes 400 queries and a third of a second. One process: no stale answers.
        "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
        # Hashing that withstands attackers costs a quarter of a second for each sign-in.
        "identity": {"password_hash_algorithm": "bcrypt", "password_hash_rounds": "4"},
    }


def _glance(site: Site, folder: Path, url: str) -> dict[str, dict[str, str]]:
    stores = {}
    for name in ("fast", "cheap", "os_glance_staging_store", "os_glance_tasks_store"):
        (folder / name).mkdir()
        stores[name] = {"filesystem_store_datadir": f"{folder}/{name}"}
    etc = site.environment / "etc" / "glance"
    return {
        "DEFAULT": {
            # What is in `web` stays where it is: at an http URL.
            "enabled_backends": "fast:file, cheap:file, web:http",
            "enabled_import_methods": "[glance-direct,web-download,copy-image,glance-download]",
            "public_endpoint": url,
            "worker_self_reference_url": url,
            "show_multiple_locations": "true",
            "metadata_source_path": f"{etc}/metadefs",
        },
        "database": _database(folder),
        "glance_store": {"default_backend": "fast"},
        **stores,
        "keystone_authtoken": authtoken(site),
        # Without it, the task that digests what is at an added location dies.
        "oslo_concurrency": {"lock_path": str(folder)},
        "paste_deploy": {"flavor": "keystone", "config_file": f"{etc}/glance-api-paste.ini"},
        "task": {"task_executor": "taskflow", "work_dir": f"{folder}/os_glance_tasks_store"},
        # Loopback is refused without these two.
        "import_filtering_opts": {
            "allowed_hosts": "[127.0.0.1]",
            "allowed_ports": f"[{','.join(str(port) for port in (80, 443, *site.import_ports))}]",
        },
    }


def authtoken(site: Site) -> dict[str, str]:
    """How a service asks Keystone about tokens."""
    return {
        "www_authenticate_uri": f"{site.keystone_url}/v3",
        "auth_url": f"{site.keystone_url}/v3",
        "auth_type": "password",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "username": "admin",
        "password": site.password,
        "project_name": "admin",
        # Five minutes by default: a test that revokes a token wants to see the 401.
        "token_cache_time": "1",
    }


def _database(folder: Path) -> dict[str, str]:
    # Writers wait for each other (see _gunicorn.py); what is thrown away at the end need not survive a power cut.
    return {"connection": f"sqlite:///{folder}/{_DATABASE}?timeout=60", "sqlite_synchronous": "false"}


def _let_readers_be(folder: Path) -> None:
    """Write-ahead logging, which stays with the file: one writer no longer shuts out the readers."""
    with closing(sqlite3.connect(folder / _DATABASE)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()


def write(path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
    """Write a configuration file, as oslo.config and PasteDeploy read them."""
    blocks = [
        [f"[{name}]", *(f"{key} = {value}" for key, value in options.items())] for name, options in sections.items()
    ]
    path.write_text("\n\n".join("\n".join(block) for block in blocks) + "\n")
