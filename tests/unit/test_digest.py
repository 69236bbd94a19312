"""What data are checked with."""

import pytest

from aioimages import ChecksumMismatchError
from aioimages._transfer.digest import Expected


@pytest.mark.parametrize("value", ["", "\udcff", "d41d8", "ü"])
def test_digests_that_are_none(value: str) -> None:
    """A digest that a header cannot rightly have is one that the data do not have, and no other error."""
    with pytest.raises(ChecksumMismatchError, match="came damaged: their md5 is d41d8cd98f00b204"):
        Expected("md5", value).verifier().check("came damaged")
