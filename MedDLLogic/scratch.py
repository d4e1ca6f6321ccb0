"""Private folders that belong to one process and are swept away after its death.

Each holds a file that stays locked as long as its process lives. The system gives the lock back
however the process ends, so a folder whose lock can be had is a stray. Unlike process ids this also
holds between containers and machines that share a folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Literal

LockState = Literal["held", "busy", "unsupported"]

_LOCK_NAME = "lock"
_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, getattr(errno, "EOPNOTSUPP", errno.ENOSYS)}
_STRAY_AGE_S = 24 * 3600.0  # where the file system has no locks, only age tells

if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 0x7FFF_FFF0  # far behind any content: a locked byte of Windows cannot be read by others

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock(descriptor: int) -> LockState:
    """Take the lock of an open file without waiting; it lasts until the descriptor is closed."""
    try:
        _lock(descriptor)
    except OSError as exc:
        if exc.errno in _BUSY:
            return "busy"
        if exc.errno in _UNSUPPORTED:
            return "unsupported"
        raise
    return "held"


class ScratchFolder:
    """A new private folder (mode 0700) inside ``parent``, named ``prefix`` and a random part.

    It goes with its content on ``close`` or at the end of a ``with`` block, which gives its path.

    Raises
    ------
    OSError : when the folder cannot be made.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        self.path, self._descriptor = _new_locked_folder(parent, prefix)

    def close(self) -> None:
        """Remove the folder; what cannot be removed now is swept later."""
        if self._descriptor >= 0:
            os.close(self._descriptor)  # Windows removes no open file
            self._descriptor = -1
            shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class FolderLock:
    """The lock of a folder that stays, so that one process at a time changes what is in it.

    Raises
    ------
    OSError : when the folder cannot be written to; ``BlockingIOError`` while another process holds the lock.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _open_lock(folder)
        if lock(self._descriptor) == "busy":
            self.close()
            raise BlockingIOError(errno.EAGAIN, "in use by another process")

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> None:
        """The lock is held since the object was made."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def is_locked(folder: Path) -> bool:
    """Whether a living process holds the folder's lock."""
    try:
        FolderLock(folder).close()
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def sweep(parent: Path, prefix: str) -> int:
    """Remove the scratch folders in ``parent`` whose process is gone; returns how many went."""
    strays = [folder for folder in parent.glob(f"{prefix}*") if not folder.is_symlink() and _is_stray(folder)]
    for folder in strays:
        shutil.rmtree(folder, ignore_errors=True)
    return sum(not folder.exists() for folder in strays)


def _new_locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = parent / f"{prefix}{secrets.token_hex(6)}"
        folder.mkdir(mode=0o700)
        try:
            descriptor = _open_lock(folder)
        except OSError:
            if not folder.exists() and parent.is_dir():
                continue  # a sweep came between folder and lock
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if lock(descriptor) != "busy":
            return folder, descriptor
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    return os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _is_stray(folder: Path) -> bool:
    try:
        descriptor = _open_lock(folder)
    except OSError:
        return False
    try:
        state = lock(descriptor)
        return state == "held" or (state == "unsupported" and time.time() - folder.stat().st_mtime > _STRAY_AGE_S)
    finally:
        os.close(descriptor)
