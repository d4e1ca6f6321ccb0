"""What a disk answers, in MedDL's own words: full, or not usable."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import MedDLError

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_NO_FOLDER_SYNC = {errno.EINVAL, getattr(errno, "ENOTSUP", errno.EINVAL)}
_PROBE_BYTES = 1 << 20


def disk_error(exc: OSError) -> MedDLError:
    """E501 for a full disk or quota, else E503 with the system's own words (which hold no path)."""
    if exc.errno in _FULL:
        return disk_full()
    return MedDLError("E503", "", exc.strerror or type(exc).__name__, "choose another folder", detail=str(exc))


def disk_full() -> MedDLError:
    """E501, ready to be raised."""
    return MedDLError("E501", "disk full", "", "free some space or choose another folder")


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn each ``OSError`` of the ``with`` block into E501 or E503."""
    try:
        yield
    except OSError as exc:
        raise disk_error(exc) from exc


def flush(path: Path) -> None:
    """Have the system put a file, or the entries of a folder, onto the disk itself."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folder, and journals the entries itself
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def refusal_of_more(folder: Path) -> OSError | None:
    """What the system answers when another megabyte is written into ``folder``; None when it takes it."""
    probe = folder / "probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as exc:
        return exc
    return None
