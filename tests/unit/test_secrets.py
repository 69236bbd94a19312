"""What messages and journals must not tell."""

import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest

from aioimages._secrets import echoes, without_secrets, without_user


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://user:it'spa55@h/x", "https://h/x"),
        ("https://h/x?sig=ab'tail", "https://h/x"),
        ("//user:pa55@h/x?sig=1", "//h/x"),
        ("container/object?temp_url_sig=5&temp_url_expires=6", "container/object"),
        ("could not fetch https://h/x?sig=tail: 403", "could not fetch https://h/x 403"),
        ("https://[h/x?sig=tail", "https://…"),
        ("what? nothing = nothing", "what? nothing = nothing"),
    ],
)
def test_secrets(text: str, kept: str) -> None:
    """Users, passwords and signatures of URLs, or of parts of them, are left out, and nothing else is."""
    assert without_secrets(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "https" + "://" * 500_000,
        "a." * 500_000,
        "?" * 1_000_000,
        "?a" * 500_000,
        "//" * 500_000,
        "//a" * 400_000,
        "sig" * 400_000,
        "a-" * 500_000 + "sig",
        "token=" * 200_000,
        "http://a/?" * 100_000,
    ],
    ids=lambda text: text[:10],
)
def test_long_texts(text: str) -> None:
    """No text of a million characters takes long, whatever it is."""
    begun_at = time.process_time()
    without_secrets(text)
    without_user(text)
    assert time.process_time() - begun_at < 10


def test_secrets_in_other_clothes() -> None:
    """A secret is found however a server has escaped it, and what is too short for one is not looked for."""
    secret = "a\"b<c>d&e'f?g=h/é☃\U0001f511"
    pattern = echoes([secret, "short", "another-secret"])
    assert pattern is not None
    forms = [secret, html.escape(secret), html.escape(html.escape(secret)), quote(secret), quote(secret, safe="")]
    forms += [quote_plus(secret), quote(quote(secret)), json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3]]
    forms += [json.dumps(secret, ensure_ascii=False)[1:-1], secret.encode("ascii", "xmlcharrefreplace").decode()]
    for form in forms:
        assert pattern.sub("***", f"you sent {form}, or another-secret; short") == "you sent ***, or ***; short", form
    assert echoes(["short", ""]) is None
