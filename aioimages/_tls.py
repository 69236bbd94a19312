"""How a server proves who it is, and how we do."""

import ssl
from functools import cache
from pathlib import Path

import attrs

from aioimages._errors import ConfigurationError

__all__ = ["TlsOptions"]


@cache
def _usual() -> ssl.SSLContext:
    return ssl.create_default_context()


@attrs.frozen(kw_only=True)
class TlsOptions:
    """How a server proves who it is, and how we do."""

    context: ssl.SSLContext | None = None
    cacert: str | None = None
    cert: str | None = None
    key: str | None = attrs.field(default=None, repr=False)
    insecure: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.context is not None and not isinstance(self.context, ssl.SSLContext):
            raise TypeError(f"ssl is an ssl.SSLContext, not {type(self.context).__name__}")
        if not isinstance(self.insecure, bool):
            raise TypeError(f"insecure is a bool, not {type(self.insecure).__name__}")
        files = (self.cacert, self.cert, self.key)
        if self.context is not None and (self.insecure or any(files)):
            raise ValueError("ssl already says it all: give cacert, cert, key and insecure without it")
        if self.key is not None and self.cert is None:
            raise ValueError("key is of no use without cert")
        if self.insecure and self.cacert:
            raise ValueError("insecure checks no certificate, so cacert is of no use with it")

    @property
    def names_files(self) -> bool:
        """Whether `load` reads files."""
        return self.cert is not None or self.cacert is not None

    def load(self, *, is_borrowed: bool = False) -> ssl.SSLContext | bool:
        """Return a context, or whether the usual checks are made. It may read files: leave it to a worker thread.

        Args:
            is_borrowed: Whether the connections are somebody else's, who may have told them to check nothing.
        """
        if self.context is not None:
            return self.context
        if self.names_files:
            return self._made_of_files()
        return _usual() if is_borrowed and not self.insecure else not self.insecure

    def _made_of_files(self) -> ssl.SSLContext:
        for path in filter(None, (self.cacert, self.cert, self.key)):
            if not Path(path).is_file():
                raise ConfigurationError(f"there is no certificate file {path}")
        try:
            context = ssl.create_default_context(cafile=self.cacert)
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ValueError) as error:
            problem = ConfigurationError(f"cacert, cert and key cannot be used: {error}")
        else:
            return context
        raise problem
