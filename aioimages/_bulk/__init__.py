"""Many at once: bounded, with an outcome for each."""

from aioimages._bulk.bulk import Bulk

__all__ = ["Bulk"]
