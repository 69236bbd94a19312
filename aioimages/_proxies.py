"""Which proxy a request goes through."""

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aioimages._errors import ConfigurationError

__all__ = ["Proxies"]

_SCHEMES: Final = ("http", "https")


class Proxies:
    """The proxy that was given, or those that the environment's variables name, or none.

    aiohttp would read passwords out of `.netrc` as well, for proxies and services alike; so it is not asked.

    Args:
        given: The URL of a proxy for all requests.
        trust_env: Whether the environment has a say where none was given.
    """

    def __init__(self, given: str | None, *, trust_env: bool) -> None:
        self._given = given
        self._trust_env = trust_env
        self._named: dict[str, str] | None = None
        self._found: dict[tuple[str, str], str | None] = {}

    def of(self, url: str) -> str | None:
        """Return the URL of the proxy on the way to another one, or `None` where there is none.

        Raises:
            ConfigurationError: The environment names a proxy that cannot be used.
        """
        if self._given is not None or not self._trust_env:
            return self._given
        parts = urlsplit(url)
        service = parts.scheme, parts.netloc
        if service not in self._found:
            self._found[service] = self._of_environment(*service)
        return self._found[service]

    def _of_environment(self, scheme: str, host: str) -> str | None:
        if self._named is None:
            self._named = getproxies()
        named = self._named.get(scheme)
        if not named or proxy_bypass(host):
            return None
        url = named if "://" in named else f"http://{named}"
        try:
            parts = urlsplit(url)
            usable = parts.scheme in _SCHEMES and parts.hostname and (parts.port or True)
        except ValueError:
            usable = False
        if not usable:
            # It is not shown: it may hold a password.
            raise ConfigurationError(f"the environment's {scheme}_proxy is no http URL")
        return url
