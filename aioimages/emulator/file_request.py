"""What a request to Cloud Files says in its path, its query and its headers."""

import re
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import attrs
from aiohttp import web

from aioimages.emulator.context import CONTEXT
from aioimages.emulator.objects import Shelf
from aioimages.emulator.refusal import FILES, Refusal, refused

__all__ = ["FileRequest", "check_size", "own_path"]

_KEPT: Final = re.compile("x-object-meta-.|content-disposition$|cache-control$")
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_LONGEST: Final = {"Container": 256, "Object": 1024}


def own_path(request: web.Request) -> str:
    """Return what follows the account in a request's path, as it was sent. The account is the caller's own."""
    context = request[CONTEXT]
    account, _, rest = FILES.sub("", request.rel_url.raw_path, count=1).partition("/")
    if unquote(account) != context.region.files_account(context.account):
        raise refused(403)
    return rest


def _checked(kind: str, name: str) -> str:
    length = len(name.encode())
    if length > _LONGEST[kind]:
        raise Refusal(400, f"{kind} name length of {length} longer than {_LONGEST[kind]}")
    return name


@attrs.frozen(eq=False)
class FileRequest:
    """A request about an account, a container or an object."""

    request: web.Request
    shelf: Shelf
    container: str
    name: str

    @classmethod
    def of(cls, request: web.Request) -> "FileRequest":
        """Return what a request is about."""
        context = request[CONTEXT]
        try:
            path = unquote_to_bytes(own_path(request)).decode()
        except UnicodeDecodeError:
            raise Refusal(412, "Invalid UTF8 or contains NULL") from None
        container, _, name = path.partition("/")
        shelf = context.world.shelf(context.region, context.account)
        return cls(request, shelf, _checked("Container", container), _checked("Object", name))

    @property
    def path(self) -> str:
        """Where the object is."""
        return f"/{self.container}/{self.name}"

    @property
    def manifest(self) -> str | None:
        """What is to be done with the manifest of a large object."""
        return self.request.query.get("multipart-manifest")

    @property
    def limit_bytes(self) -> int:
        """How large an object may be."""
        return self.request[CONTEXT].world.settings.object_limit_bytes

    @property
    def accepts_json(self) -> bool:
        """Whether the answer may be JSON."""
        return "application/json" in self.request.headers.get("Accept", "")

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)

    def etag(self, name: str = "ETag") -> str | None:
        """Return the digest in a header."""
        said = self.header(name)
        return None if said is None else said.strip().strip('"')

    def metadata(self) -> dict[str, str]:
        """Return the headers that are to come back with the object."""
        return {name.title(): value for name, value in self.request.headers.items() if _KEPT.match(name.lower())}

    def delete_at(self) -> int | None:
        """Return the second from which the object is to be gone."""
        now = self.shelf.clock.now()
        for name, origin in (("X-Delete-After", int(now)), ("X-Delete-At", 0)):
            said = self.header(name)
            if said is None:
                continue
            if not re.fullmatch(r"-?\d+", said):
                raise Refusal(400, f"Non-integer {name}")
            if origin + int(said) <= now:
                raise Refusal(400, f"{name} in past")
            return origin + int(said)
        return None

    def other_path(self, header: str) -> str:
        """Return the path that a header of a copy names."""
        said = unquote(self.header(header) or "").lstrip("/")
        if not said:
            raise Refusal(412, f"{header} header required")
        container, _, name = said.partition("/")
        if not container or not name:
            raise Refusal(412, f"{header} header must be of the form <container name>/<object name>")
        return f"/{said}"

    def wanted(self, size: int) -> range | None:
        """Return which bytes are wanted of so many: none where there are none; where it is not understood, all."""
        found = _RANGE.fullmatch((self.header("Range") or "").strip())
        if found is None or not any(found.groups()):
            return None
        first, last = found.groups()
        if first:
            is_backwards = bool(last) and int(last) < int(first)
            return None if is_backwards else range(int(first), min(int(last) + 1 if last else size, size))
        return range(max(size - int(last), 0), size) if size or not int(last) else None

    async def body(self, limit_bytes: int) -> bytes:
        """Return the request's body, which has a length or comes in chunks, and is not too large."""
        if self.header("Content-Length") is None and self.header("Transfer-Encoding") is None:
            raise Refusal(411, "Missing Content-Length header.")
        check_size(self.request.content_length or 0, limit_bytes)
        body = bytearray()
        async for chunk in self.request.content.iter_any():
            body += chunk
            check_size(len(body), limit_bytes)
        return bytes(body)


def check_size(size: int, limit_bytes: int) -> None:
    """Refuse what is too large."""
    if size > limit_bytes:
        raise Refusal(413, "Your request is too large.")
