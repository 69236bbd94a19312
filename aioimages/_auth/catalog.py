"""Where the catalog says that a service is: pure functions."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from aioimages._auth.credentials import service_url
from aioimages._errors import ConfigurationError, EndpointNotFoundError
from aioimages._models import CatalogEndpoint, Token

__all__ = ["find_endpoint", "has_version", "refuse_plain_http", "without_version"]

_VERSIONED: Final = re.compile(r"/v2(?:\.\d+)?(?:/[^/]+)?$")


def find_endpoint(token: Token, service_type: str, *, region: str | None, interface: str) -> str:
    """Return the URL of a service in a region; without a region, in the user's own, or the first one.

    Raises:
        EndpointNotFoundError: There is none; it lists what there is.
    """
    offers = [endpoint for endpoint in token.catalog if endpoint.service_type == service_type]
    if not offers:
        known = sorted({endpoint.service_type for endpoint in token.catalog})
        raise EndpointNotFoundError(
            f"the catalog has no service of type {service_type!r}; it has {', '.join(known) or 'no service at all'}",
        )
    fitting = [endpoint for endpoint in offers if endpoint.interface == interface]
    if not fitting:
        raise EndpointNotFoundError(
            f"the {service_type} service has no {interface} endpoint; it has {_each(offers, 'interface')}",
        )
    wanted = region or token.default_region
    here = [endpoint for endpoint in fitting if wanted is None or endpoint.region in {wanted, None}]
    if not here and region is None:
        # The user's own region lacks the service, and none was asked for.
        here = fitting
    if not here:
        raise EndpointNotFoundError(
            f"the {service_type} service is not in region {region!r}; it is in {_each(fitting, 'region')}",
        )
    # One for all regions is of an older generation where there is one of the region's own.
    url = min(here, key=lambda endpoint: endpoint.region is None).url
    try:
        return service_url(f"the catalog's endpoint of the {service_type} service", url)
    except ValueError as error:
        problem = EndpointNotFoundError(str(error))
    raise problem


def _each(endpoints: list[CatalogEndpoint], field: str) -> str:
    return ", ".join(sorted({str(getattr(endpoint, field)) for endpoint in endpoints}))


def has_version(url: str) -> bool:
    """Say whether a URL names the version of its API: `…/v2`, or `…/v2/{tenant}`."""
    return _VERSIONED.search(urlsplit(url).path) is not None


def without_version(url: str) -> str:
    """Return where the service lists its versions: the URL without the version that it ends with."""
    return _VERSIONED.sub("", url)


def refuse_plain_http(url: str, identity_url: str) -> None:
    """Raise when a catalog that came over https sends the token over plain http, other than on this machine."""
    plain = urlsplit(url).scheme == "http" and urlsplit(identity_url).scheme == "https"
    if plain and not _is_loopback(urlsplit(url).hostname or ""):
        raise ConfigurationError(
            f"the catalog names a plain http endpoint, {url}: the token would go there unencrypted; "
            "give endpoint= if that is what you want",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
