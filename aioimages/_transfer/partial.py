"""A file that is not whole yet, beside the one that it will be. Everything here blocks: it belongs into threads."""

import errno
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Final
from urllib.parse import quote

from aioimages._errors import TransferError
from aioimages._transfer.pump import PIECE_BYTES, Batch

try:
    import fcntl
except ImportError:  # Windows: then no program can tell whether another one is at it
    fcntl = None  # type: ignore[assignment]

__all__ = ["PartialFile"]

# What only some systems have.
_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"))
_SYNC_BYTES: Final = 16 * 2**20


class PartialFile:
    """A file under a name of its own until it is whole; then it takes the place of the one that it is for.

    Its name tells whose data it has, so that a program that was ended can go on with it later. While one download has
    it, it is locked; another one of the same data to the same place then writes a file of another name.

    Args:
        target: What it will be. A symbolic link is followed.
        key: What tells the data from others.
        resume: Whether to go on with what is there already, and to leave what there is should it not become whole.

    Attributes:
        size_bytes: How much was there when it was opened.
    """

    def __init__(self, target: str | os.PathLike[str], key: str, *, resume: bool) -> None:
        self.size_bytes = 0
        self._given = target
        self._target = Path(os.path.realpath(target))
        self._path = self._target.with_name(f".{self._target.name}.{quote(key, safe='')[:100]}.part")
        self._resume = resume
        self._descriptor: int | None = None
        # The disk is slower than memory: what was written goes there meanwhile, so that the end need not wait for it.
        self._syncer = ThreadPoolExecutor(1)
        self._syncing: Future[None] | None = None
        self._whole_bytes = 0
        self._unsynced_bytes = 0

    def open(self) -> None:
        """Open it.

        Raises:
            OSError: The target is a folder or a device, its folder is not there, or may not be written to.
        """
        if self._target.exists() and not self._target.is_file():
            code = errno.EISDIR if self._target.is_dir() else errno.EINVAL
            raise OSError(code, os.strerror(code), str(self._given))
        descriptor = _open_ours(self._path)
        if descriptor is None or not _lock(descriptor) or not _is_at(descriptor, self._path):
            if descriptor is not None:
                os.close(descriptor)
            # Nobody would find what is left under such a name.
            self._resume = False
            self._path = self._path.with_suffix(f".{token_hex(8)}.part")
            descriptor = _open(self._path, os.O_EXCL)
        self._descriptor = descriptor
        if self._resume:
            self.size_bytes = self._whole_bytes = os.fstat(descriptor).st_size
        else:
            self.clear()

    def read(self) -> bytes:
        """Return the next piece of what was there when it was opened; at its end nothing."""
        return os.read(self._file, PIECE_BYTES)

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size_bytes = self._whole_bytes = 0

    def write(self, batch: Batch) -> None:
        """Add data."""
        for piece in batch:
            left = memoryview(piece)
            while left:
                left = left[os.write(self._file, left) :]

        size = sum(map(len, batch))
        self._whole_bytes += size
        self._unsynced_bytes += size
        if self._unsynced_bytes >= _SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            self._end_syncing()
            self._unsynced_bytes = 0
            self._syncing = self._syncer.submit(os.fsync, self._file)

    def publish(self) -> None:
        """Put it in its place, once it is on the disk.

        Raises:
            TransferError: Somebody else has replaced or changed it.
        """
        self._end_syncing()
        os.fsync(self._file)
        if not _is_at(self._file, self._path) or os.fstat(self._file).st_size != self._whole_bytes:
            raise TransferError(f"{self._path} was changed by somebody else; {self._target} is what it was")
        if fcntl is None:
            # There an open file cannot be renamed; elsewhere it is locked until it has been.
            self._close()
        self._path.replace(self._target)
        self._close()
        _sync_folder(self._target.parent)

    def give_up(self) -> None:
        """Close it if it is not in its place: it is left for a later download to go on with, or removed."""
        if self._descriptor is not None and not self._resume:
            self._path.unlink(missing_ok=True)
        self._close()

    @property
    def _file(self) -> int:
        if self._descriptor is None:
            raise ValueError("the file is not open")
        return self._descriptor

    def _end_syncing(self) -> None:
        """Wait until what was begun to be put on the disk is there; what went wrong is told once, and so not lost."""
        if self._syncing is not None:
            self._syncing.result()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        self._syncer.shutdown()
        os.close(descriptor)


def _open(path: Path, more: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS | more, 0o666)


def _open_ours(path: Path) -> int | None:
    """Make a file, or open one of ours, but nothing that others have put there: a link, or a file that stays theirs."""
    with suppress(FileExistsError):
        return _open(path, os.O_EXCL)
    try:
        descriptor = _open(path)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if found.st_nlink == 1 and (os.name != "posix" or found.st_uid == os.geteuid()):
        return descriptor
    os.close(descriptor)
    return None


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
