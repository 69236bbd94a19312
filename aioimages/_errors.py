"""Everything that goes wrong, as one tree.

AioImagesError
├── ConfigurationError          credentials, clouds.yaml or options that cannot work
├── ClientClosedError           a call after `close()`
├── UnsupportedOperationError   this cloud or dialect lacks it
├── TransportError              no usable answer
│   ├── ConnectError · TlsError · ProxyError · PoolTimeoutError
│   └── TransportTimeoutError   (also TimeoutError)
├── ProtocolError               an answer that breaks the rules
│   ├── DecodeError             not understood; says where
│   ├── PaginationLoopError     a listing that came back to a marker it had given before
│   └── UnsafeLinkError         `next` or a redirect that leaves the service's origin
├── AuthenticationError         no token to be had
│   └── MultiFactorRequiredError
├── EndpointNotFoundError       the catalog has no such service, region or interface
├── StatusError                 the server refused
│   ├── BadRequestError · UnauthorizedError · ForbiddenError · NotFoundError · ConflictError · GoneError
│   ├── UnsupportedMediaTypeError
│   ├── RateLimitedError · QuotaExceededError
│   └── ServerError             5xx
├── AmbiguousOutcomeError       it may have happened
├── TaskError                   carries the task
│   ├── TaskFailedError · TaskExpiredError
│   └── TaskTimeoutError        (also TimeoutError)
├── TransferError               image data that could not be moved whole
│   ├── ChecksumMismatchError · TransferInterruptedError · UnreplayableBodyError
│   └── SourceChangedError · NoImageDataError
├── VhdError                    a disk that the service would refuse
└── JournalError                a bulk journal that cannot be used

Mistakes of the program (an empty id, an unknown filter) are `ValueError` and `TypeError`, raised before any request.
"""

from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from aioimages._models import Task, TaskFailureCode
from aioimages._secrets import without_secrets
from aioimages._text import one_line

__all__ = [
    "AioImagesError",
    "AmbiguousOutcomeError",
    "AuthenticationError",
    "BadRequestError",
    "ChecksumMismatchError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "DecodeError",
    "EndpointNotFoundError",
    "ForbiddenError",
    "GoneError",
    "JournalError",
    "MultiFactorRequiredError",
    "NoImageDataError",
    "NotFoundError",
    "PaginationLoopError",
    "PoolTimeoutError",
    "ProtocolError",
    "ProxyError",
    "QuotaExceededError",
    "RateLimitedError",
    "ServerError",
    "SourceChangedError",
    "StatusError",
    "TaskError",
    "TaskExpiredError",
    "TaskFailedError",
    "TaskTimeoutError",
    "TlsError",
    "TransferError",
    "TransferInterruptedError",
    "TransportError",
    "TransportTimeoutError",
    "UnauthorizedError",
    "UnreplayableBodyError",
    "UnsafeLinkError",
    "UnsupportedMediaTypeError",
    "UnsupportedOperationError",
    "VhdError",
]

E = TypeVar("E", bound="AioImagesError")

# Servers have a say in most messages, and none of them may fill the log.
_LONGEST_MESSAGE: Final = 1000
_LONGEST_REQUEST_ID: Final = 64


def _revive(cls: type[E], args: tuple[Any, ...], state: dict[str, Any]) -> E:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class AioImagesError(Exception):
    """The root of everything that this library raises by itself. Its message is one printable line.

    Attributes:
        attempts: How many requests were sent for the call that failed; 0 where that is not what went wrong.
    """

    attempts: int = 0

    def __init__(self, message: str = "") -> None:
        # Servers have a say in most messages, and may repeat a signed URL.
        super().__init__(one_line(without_secrets(message), _LONGEST_MESSAGE))

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.attempts <= 1 else f"{text}, after {self.attempts} attempts"

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive `pickle` whatever the arguments of the constructor are."""
        return _revive, (type(self), self.args, dict(self.__dict__))


class ConfigurationError(AioImagesError):
    """Credentials, `clouds.yaml` or options that cannot work."""


class ClientClosedError(AioImagesError):
    """The client was closed before or during the call."""


class UnsupportedOperationError(AioImagesError):
    """This cloud, or its dialect of the API, lacks the operation."""


class TransportError(AioImagesError):
    """No usable answer came. The cause is an `OSError`, `ssl.SSLError` or `TimeoutError` where there is one."""


class ConnectError(TransportError):
    """No connection could be made: nothing was sent."""


class TlsError(TransportError):
    """The TLS handshake or the certificate failed: nothing was sent, and it is not tried again."""


class ProxyError(TransportError):
    """The proxy refused, or could not be reached."""


class PoolTimeoutError(TransportError):
    """No connection of the pool became free in time: nothing was sent."""


class TransportTimeoutError(TransportError, TimeoutError):
    """The answer did not come in time (`TimeoutPolicy`)."""


class ProtocolError(AioImagesError):
    """The server's answer breaks the rules of the API."""


class DecodeError(ProtocolError):
    """The server's answer could not be understood; the message says where (`$.images[3].size`)."""


class PaginationLoopError(ProtocolError):
    """A listing came back to a marker that it had given before, so it would never end."""


class UnsafeLinkError(ProtocolError):
    """A link or redirect leaves the service's origin. It is not followed, so the token stays at home."""


class AuthenticationError(AioImagesError):
    """No token was to be had: wrong credentials, a disabled user, or an identity service that does not answer."""


class MultiFactorRequiredError(AuthenticationError):
    """The account signs in with a second factor. Give `RackspacePassword(…, passcode=…)`."""


class EndpointNotFoundError(AioImagesError):
    """The catalog has no such service, region or interface; the message lists those that it has."""


class StatusError(AioImagesError):
    """The server refused the request.

    Attributes:
        status: The HTTP status.
        method: The request's method.
        url: The request's URL without its query.
        request_id: What to quote to the operator's support, where the server said it.
        detail: The server's sentence, cut at 200 characters.
        retry_after: Seconds that the server asks to wait, where it does.
        challenge: How the server wants to be signed in to, where it says so (`WWW-Authenticate`).
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        method: str,
        url: str,
        request_id: str | None = None,
        retry_after: float | None = None,
        challenge: str | None = None,
    ) -> None:
        request_id = request_id and one_line(request_id, _LONGEST_REQUEST_ID)
        where = ", ".join(filter(None, (f"{method} {urlsplit(url).path}", request_id)))
        super().__init__(f"{status} {detail} ({where})")
        self.status = status
        self.method = method
        self.url = url
        self.request_id = request_id
        self.detail = without_secrets(detail)
        self.retry_after = retry_after
        self.challenge = challenge


class BadRequestError(StatusError):
    """400: the server did not accept the arguments."""


class UnauthorizedError(StatusError):
    """401: the token was refused, also after a fresh sign-in."""


class ForbiddenError(StatusError):
    """403: the account may not do this, or the image is protected."""


class NotFoundError(StatusError):
    """404: there is no such resource, or this account cannot see it."""


class ConflictError(StatusError):
    """409: the resource's state, or something that exists already, stands in the way."""


class GoneError(StatusError):
    """410: the resource was deleted meanwhile."""


class UnsupportedMediaTypeError(StatusError):
    """415: the server does not take this kind of body."""


class RateLimitedError(StatusError):
    """429, or Rackspace's 413 "over limit": too many requests. `retry_after` says how long to wait, where known."""


class QuotaExceededError(StatusError):
    """413: a quota or a size limit was reached; waiting does not help."""


class ServerError(StatusError):
    """5xx: the service or something before it is in trouble."""


class AmbiguousOutcomeError(AioImagesError):
    """The answer never came, and the request may have been carried out.

    Attributes:
        candidates: What may have come of it, where that could be found out.
    """

    def __init__(self, message: str, *, candidates: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates


class TaskError(AioImagesError):
    """Something about a task. `task` is its last known state, where there is one."""

    def __init__(self, message: str, *, task: Task | None = None) -> None:
        super().__init__(message)
        self.task = task


class TaskFailedError(TaskError):
    """The service ended the task with `failure`.

    Attributes:
        task: The task.
        code: Why Cloud Images refused the disk, or `None` where the message has no code (all of Glance).
        reason: The service's message, without the users and the queries of URLs in it; `task.message` has it whole.
    """

    def __init__(self, message: str, *, task: Task, code: TaskFailureCode | None, reason: str | None) -> None:
        super().__init__(message, task=task)
        self.code = code
        self.reason = reason and without_secrets(reason)


class TaskTimeoutError(TaskError, TimeoutError):
    """The wait ended before the work did. Nothing was changed on the server: wait again to go on."""


class TaskExpiredError(TaskError):
    """The task was deleted by the service while it was being watched; how it ended is unknown."""


class TransferError(AioImagesError):
    """Image data is not, or will never be, whole."""


class ChecksumMismatchError(TransferError):
    """The data is not what the service says it is.

    Attributes:
        expected: The digest that the service gave.
        actual: The digest of what was read.
    """

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TransferInterruptedError(TransferError):
    """The connection broke or stalled, and could not be resumed."""


class UnreplayableBodyError(TransferError):
    """The data was sent once, is needed again, and its source cannot be read twice."""


class SourceChangedError(TransferError):
    """The source changed while it was being read."""


class NoImageDataError(TransferError):
    """The image has no data yet."""


class VhdError(AioImagesError):
    """The service would refuse this disk. `code` says why."""

    def __init__(self, message: str, *, code: TaskFailureCode) -> None:
        super().__init__(message)
        self.code = code


class JournalError(AioImagesError):
    """A bulk journal that cannot be used: of another run, corrupt, held by another process, or on a full disk."""
