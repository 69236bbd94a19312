"""`clouds.yaml`, `secure.yaml` and the `OS_*` variables."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aioimages import (
    Client,
    ConfigurationError,
    KeystoneApplicationCredential,
    KeystonePassword,
    KeystoneToken,
    RackspaceApiKey,
    RackspacePassword,
    RackspaceToken,
    StaticToken,
    connect,
)
from aioimages._config import load

AUTH = {"auth_url": "https://cloud.example:5000/v3", "username": "me", "password": "a-secret"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder without any configuration around it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(path: Path, **clouds: Any) -> Path:
    """Write a file of clouds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"clouds": clouds}))
    return path


def configured(home: Path, section: dict[str, Any]) -> Any:
    """Return what the section of a cloud comes to."""
    write(home / "clouds.yaml", mine=section)
    return load("mine", environ={})


@pytest.mark.parametrize(
    ("section", "credentials"),
    [
        ({"auth": AUTH}, KeystonePassword(AUTH["auth_url"], "me", "a-secret")),
        (
            {"auth": {**AUTH, "project_name": "p", "user_domain_name": "U", "project_domain_id": "d"}},
            KeystonePassword(
                AUTH["auth_url"], "me", "a-secret", project_name="p", user_domain_name="U", project_domain_id="d"
            ),
        ),
        (
            {"auth": {**AUTH, "tenant_name": "p", "domain_name": "D"}, "auth_type": "v3password"},
            KeystonePassword(
                AUTH["auth_url"], "me", "a-secret", project_name="p", user_domain_name="D", project_domain_name="D"
            ),
        ),
        (
            {"auth": {"auth-url": AUTH["auth_url"], "user_name": "me", "password": "a-secret", "project-id": 5}},
            KeystonePassword(AUTH["auth_url"], "me", "a-secret", project_id="5"),
        ),
        (
            {"auth": {"auth_url": AUTH["auth_url"], "token": "t", "project_name": "p"}},
            KeystoneToken(AUTH["auth_url"], "t", project_name="p"),
        ),
        (
            {
                "auth_type": "v3applicationcredential",
                "auth": {
                    "auth_url": AUTH["auth_url"],
                    "application_credential_id": "i",
                    "application_credential_secret": "s",
                },
            },
            KeystoneApplicationCredential(AUTH["auth_url"], "i", "s"),
        ),
        (
            {"auth_type": "admin_token", "auth": {"token": "t", "url": "https://images.example/v2"}},
            StaticToken("t", "https://images.example/v2"),
        ),
        ({"profile": "rackspace", "auth": {"username": "me", "api_key": "k"}}, RackspaceApiKey("me", "k")),
        ({"profile": "rackspace", "auth": {"username": "me", "password": "p"}}, RackspacePassword("me", "p")),
        (
            {"auth_type": "rackspace_apikey", "auth": {"username": "me", "api_key": "k", "tenant_id": 123}},
            RackspaceApiKey("me", "k", tenant_id="123"),
        ),
        (
            {
                "auth_type": "rackspace_token",
                "auth": {"token": "t", "tenant_id": "1", "auth_url": "https://lon.example"},
            },
            RackspaceToken("t", "1", auth_url="https://lon.example"),
        ),
    ],
)
def test_credentials(home: Path, section: dict[str, Any], credentials: object) -> None:
    """Every kind of credentials can stand in `clouds.yaml`."""
    assert configured(home, section).credentials == credentials


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ({}, {"interface": "public", "insecure": False}),
        (
            {"region_name": "R1", "interface": "internalURL"},
            {"interface": "internal", "insecure": False, "region": "R1"},
        ),
        ({"endpoint_type": "admin"}, {"interface": "admin", "insecure": False}),
        ({"interface": ["internal", "public"]}, {"interface": "internal", "insecure": False}),
        ({"regions": ["R1", "R2"]}, {"interface": "public", "insecure": False, "region": "R1"}),
        ({"regions": [{"name": "R3"}]}, {"interface": "public", "insecure": False, "region": "R3"}),
        ({"verify": False}, {"interface": "public", "insecure": True}),
        ({"insecure": "yes"}, {"interface": "public", "insecure": True}),
        (
            {"cacert": "/ca.pem", "cert": "/c.pem", "key": "/k.pem", "image_endpoint_override": "https://i.example"},
            {
                "interface": "public",
                "insecure": False,
                "cacert": "/ca.pem",
                "cert": "/c.pem",
                "key": "/k.pem",
                "endpoint": "https://i.example",
            },
        ),
    ],
)
def test_options(home: Path, section: dict[str, Any], options: dict[str, Any]) -> None:
    """What `clouds.yaml` says of region, interface and TLS become the client's options."""
    assert configured(home, {"auth": AUTH, **section}).options == options


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"auth": {"auth_url": "https://x", "username": "me"}}, "auth lacks password"),
        ({"auth": {"auth_url": "https://x", "user_id": "5", "password": "p"}}, "auth lacks username"),
        ({"auth": {"token": "t"}, "auth_type": "admin_token"}, "auth lacks endpoint"),
        ({"auth": AUTH, "auth_type": "v3kerberos"}, "'v3kerberos' is not supported; there are admin_token"),
        ({"auth": AUTH, "profile": "vexxhost"}, "'vexxhost' is not known"),
        ({"auth": {**AUTH, "auth_url": "cloud.example"}}, "auth_url is an http"),
        ({"auth": AUTH, "verify": "maybe"}, "verify is true or false"),
        ({"auth": {**AUTH, "project_id": "a", "project_name": "b"}}, "not both"),
    ],
)
def test_what_cannot_work(home: Path, section: dict[str, Any], words: str) -> None:
    """What cannot work is a `ConfigurationError` that names the cloud and shows no secret."""
    with pytest.raises(ConfigurationError, match=rf"cloud 'mine' cannot be used: .*{words}") as raised:
        configured(home, section)
    assert "a-secret" not in str(raised.value)


def test_places(home: Path) -> None:
    """The working folder counts before the user's, and a file that a variable names before both."""
    write(home / "config/openstack/clouds.yml", mine={"auth": {**AUTH, "username": "user's"}})
    assert "user's" in repr(load("mine", environ={"XDG_CONFIG_HOME": str(home / "config")}).credentials)
    write(home / "clouds.yaml", mine={"auth": {**AUTH, "username": "here"}})
    assert "here" in repr(load("mine", environ={"XDG_CONFIG_HOME": str(home / "config")}).credentials)
    named = write(home / "elsewhere.yaml", mine={"auth": {**AUTH, "username": "named"}})
    assert "named" in repr(load("mine", environ={"OS_CLIENT_CONFIG_FILE": str(named)}).credentials)


def test_secrets_of_their_own(home: Path) -> None:
    """`secure.yaml` adds what `clouds.yaml` leaves out."""
    open_auth = {key: value for key, value in AUTH.items() if key != "password"}
    write(home / "clouds.yaml", mine={"auth": open_auth, "region_name": "R1"})
    write(home / "secure.yaml", mine={"auth": {"password": "a-secret"}})
    found = load("mine", environ={})
    assert found.credentials == KeystonePassword(AUTH["auth_url"], "me", "a-secret")
    assert found.options["region"] == "R1"


def test_the_only_cloud(home: Path) -> None:
    """The only cloud of a file need not be named; of several, one must be."""
    write(home / "clouds.yaml", mine={"auth": AUTH})
    assert load(environ={}).credentials == load("mine", environ={}).credentials
    write(home / "clouds.yaml", mine={"auth": AUTH}, yours={"auth": AUTH})
    with pytest.raises(ConfigurationError, match="choose one of mine, yours"):
        load(environ={})
    assert load(environ={"OS_CLOUD": "yours"}).credentials == load("mine", environ={}).credentials
    with pytest.raises(ConfigurationError, match="no cloud 'ours'; it has mine, yours"):
        load("ours", environ={})


def test_no_configuration(home: Path) -> None:
    """Without any configuration the error says where it was looked for."""
    with pytest.raises(ConfigurationError, match=rf"clouds.yaml in {home}, "):
        load(environ={})


def test_variables(home: Path) -> None:
    """The `OS_*` variables describe a cloud; a name counts more, and a region counts with both."""
    environ = {
        "OS_AUTH_URL": AUTH["auth_url"],
        "OS_USERNAME": "me",
        "OS_PASSWORD": "a-secret",
        "OS_PROJECT_NAME": "p",
        "OS_REGION_NAME": "R9",
        "OS_CACERT": "/ca.pem",
        "OS_TEST_PATH": "x",
    }
    found = load(environ=environ)
    assert found.credentials == KeystonePassword(AUTH["auth_url"], "me", "a-secret", project_name="p")
    assert (found.options["region"], found.options["cacert"]) == ("R9", "/ca.pem")
    write(home / "clouds.yaml", mine={"auth": {**AUTH, "username": "file's"}, "region_name": "R1"})
    found = load("mine", environ=environ)
    assert "file's" in repr(found.credentials)
    assert found.options["region"] == "R9"
    with pytest.raises(ConfigurationError, match=r"the OS_\* variables cannot be used: auth lacks password"):
        load(environ={"OS_AUTH_URL": AUTH["auth_url"], "OS_USERNAME": "me"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"clouds: [a-secret", r"cannot be read at line 1: ParserError"),
        (b"clouds: \xff", "cannot be read: (UnicodeDecodeError|ReaderError)"),
        (b"- a-secret", "has no clouds in it"),
        (b"#" * (2**20 + 1), "is larger than"),
    ],
)
def test_files_that_are_none(home: Path, content: bytes, words: str) -> None:
    """A file that cannot be read is an error with its name, and without what stands in it."""
    (home / "clouds.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=words) as raised:
        load("mine", environ={})
    assert "a-secret" not in str(raised.value)


def test_without_yaml(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyYAML the error says what to install; variables alone need none."""
    write(home / "clouds.yaml", mine={"auth": AUTH})
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'aioimages\[config\]'"):
        load("mine", environ={})
    variables = {"OS_AUTH_URL": AUTH["auth_url"], "OS_USERNAME": "me", "OS_PASSWORD": "p"}
    assert load(environ=variables).credentials == KeystonePassword(AUTH["auth_url"], "me", "p")


def test_connect(home: Path) -> None:
    """`connect` makes a client of a cloud's name, and takes options that count more."""
    write(home / "clouds.yaml", mine={"auth": AUTH, "region_name": "R1"})
    assert isinstance(connect("mine"), Client)
    assert connect("mine", region="R2").images._session._endpoint._region == "R2"
    with pytest.raises(TypeError, match="colour"):
        connect("mine", colour="red")
