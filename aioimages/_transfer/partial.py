"""A file that is not whole yet, beside the one that it will be. Everything here blocks: it belongs into threads."""

import errno
import os
import stat
from pathlib import Path
from secrets import token_hex
from typing import Self

from aioimages._transfer.pump import PIECE_BYTES, Batch

try:
    import fcntl
except ImportError:  # Windows: then no program can tell whether another one is at it
    fcntl = None  # type: ignore[assignment]

__all__ = ["PartialFile"]


class PartialFile:
    """A file under a name of its own until it is whole; then it takes the place of the one that it is for.

    Its name tells the image, so that a program that was ended can go on with it later. While one download has it, it is
    locked; another one of the same image to the same place then writes a file of another name.

    Attributes:
        size_bytes: How much was there when it was opened.
    """

    def __init__(self, target: Path, path: Path, descriptor: int) -> None:
        self.size_bytes = os.fstat(descriptor).st_size
        self._target = target
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, target: str | os.PathLike[str], image_id: str, *, resume: bool) -> Self:
        """Open the file for an image's data.

        Args:
            target: What it will be. A symbolic link is followed.
            image_id: The image.
            resume: Whether to keep what is there already.

        Raises:
            OSError: The target is a folder or a device, its folder is not there, or may not be written to.
        """
        final = Path(os.path.realpath(target))
        if final.exists() and not final.is_file():
            code = errno.EISDIR if final.is_dir() else errno.EINVAL
            raise OSError(code, os.strerror(code), str(target))
        path = final.with_name(f".{final.name}.{image_id}.part")
        descriptor = _open(path)
        if not _lock(descriptor) or not _is_at(descriptor, path):
            os.close(descriptor)
            path = path.with_name(f".{final.name}.{image_id}.{token_hex(8)}.part")
            descriptor = _open(path, os.O_EXCL)
        partial = cls(final, path, descriptor)
        if not resume:
            partial.clear()
        return partial

    def read(self) -> bytes:
        """Return the next piece of what was there when it was opened; at its end nothing."""
        return os.read(self._descriptor, PIECE_BYTES)

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size_bytes = 0

    def write(self, batch: Batch) -> None:
        """Add data."""
        for piece in batch:
            left = memoryview(piece)
            while left:
                left = left[os.write(self._descriptor, left) :]

    def publish(self) -> None:
        """Put it in its place, once it is on the disk."""
        os.fsync(self._descriptor)
        self._path.replace(self._target)
        self.close()
        _sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave it where it is."""
        os.close(self._descriptor)


def _open(path: Path, more: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | more, 0o666)


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether a file is still under its name: between opening and locking, its owner may have moved it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat()) and stat.S_ISREG(os.fstat(descriptor).st_mode)
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
