"""What nobody may see by accident: in messages, in logs, in what `repr` shows, in journals."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

__all__ = ["Secret", "cleaned", "echoes", "shown", "without_secrets", "without_user"]

# None of these takes longer than a text is long, whatever it is.
_URL: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+")
_USER: Final = re.compile(r"//[^\s/@]*@")
_QUERY: Final = re.compile(r"\?[^\s?=]*=\S*")
# How the names end under which URLs are signed, where they stand without their URL.
_SIGNED: Final = re.compile(r"(?i)((?:sig|signature|token|password|secret|credential)=)[^\s&;,\"'<>]+")
# What is shorter stands in every other word, and is no secret worth the name.
_SHORTEST_SECRET: Final = 6


class Secret(str):
    """A text that `repr` does not show, and so neither does a traceback with local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def without_secrets(text: str) -> str:
    """Return a text without what may be secret in its URLs, or parts of them: user and password, query and fragment."""
    if "/" not in text and "=" not in text:
        return text
    shorter = _URL.sub(lambda found: _cut(found[0], keep_query=False), text)
    return _SIGNED.sub(r"\1***", _QUERY.sub("", _USER.sub("//", shorter)))


def without_user(text: str) -> str:
    """Return a text without the user and password that URLs in it may begin with."""
    return _URL.sub(lambda found: _cut(found[0], keep_query=True), text)


def _cut(url: str, *, keep_query: bool) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query if keep_query else "", ""))


def cleaned(value: Any) -> Any:
    """Return a JSON value whose texts are without secrets."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return value


def shown(value: Any) -> str:
    """Return the `repr` of a JSON value without secrets."""
    return repr(cleaned(value))


def echoes(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of secrets in all forms in which a server may repeat them, or `None` where there are none.

    They may come as they are, or escaped for HTML, JSON or a URL, or for several of these.
    """
    worthy = sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
    return re.compile("|".join("".join(map(_escaped, secret)) for secret in worthy)) if worthy else None


def _escaped(letter: str) -> str:
    if letter.isascii() and letter.isalnum():
        return letter
    json, url = r"(?:\\+u[0-9A-Fa-f]{4}){1,2}", "(?:%(?:25)*[0-9A-Fa-f]{2}){1,4}"
    return rf"(?:\\*{re.escape(letter)}|&(?:amp;)*#?\w{{1,8}};|{url}|{json}|\+)"
