"""What can be fetched, as one thing: an image's data, or an object."""

from collections.abc import Callable
from typing import Any

import attrs

from aioimages._call import Call
from aioimages._transfer.digest import Expected, ExpectedSegments

__all__ = ["Remote"]


@attrs.frozen(kw_only=True)
class Remote:
    """Data that a service has.

    Attributes:
        name: What they are called in errors: `image 1a2b`, `object exports/web.vhd`.
        key: What tells them from others: the image's id, or `exports/web.vhd`.
        part: Makes the call that asks for them from a byte on, to the byte before another one.
        size: How many bytes they have, where that is known.
        expected: What they are to be checked with.
        takes_md5: Whether an MD5 that comes with them is to be believed, where nothing else is there.
    """

    name: str
    key: str
    part: Callable[[int, int | None], Call[Any]]
    size: int | None
    expected: Expected | ExpectedSegments | None
    takes_md5: bool = False
