"""The one error of this package."""


class RealCloudError(Exception):
    """The cloud cannot be installed, started or filled; the message says what to do, with the tail of the log."""
