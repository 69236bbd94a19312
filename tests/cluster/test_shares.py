"""What each worker of a cluster gets, and what is said where Dask is not there."""

import subprocess
import sys

import pytest

from aioimages import ConcurrencyPolicy
from aioimages.distributed._cluster import _share


@pytest.mark.parametrize(
    ("whole", "workers", "share"),
    [
        (ConcurrencyPolicy(), 2, ConcurrencyPolicy(most=32)),
        (ConcurrencyPolicy(most=8, least=4, rate=20), 4, ConcurrencyPolicy(most=2, least=2, rate=5)),
        (ConcurrencyPolicy(most=2), 3, ConcurrencyPolicy(most=1)),
    ],
)
def test_shares(whole: ConcurrencyPolicy, workers: int, share: ConcurrencyPolicy) -> None:
    """Each worker gets an equal part of the requests in flight and a second, and one request at the least."""
    assert _share(whole, workers) == share


def test_missing_extra() -> None:
    """Without Dask, the error names the extra."""
    program = "import sys; sys.modules['distributed'] = None\nimport aioimages.distributed"
    ran = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, capture_output=True, text=True)
    assert "ImportError: aioimages.distributed needs Dask: pip install 'aioimages[dask]'" in ran.stderr
