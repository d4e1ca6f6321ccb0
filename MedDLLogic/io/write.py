"""The one way in which MedDL writes a file: complete and verified under its final name, or not there.

A file is made in a hidden folder beside its place, put onto the disk, read back and compared, and
only then renamed. What a library says about its own success is no evidence: some report none of the
errors of a full disk.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..disk import disk_error, disk_errors, flush, refusal_of_more
from ..errors import MedDLError
from ..scratch import ScratchFolder, sweep

PARTIAL_PREFIX = ".meddl-partial-"
PRIVATE_MODE = 0o600
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | None


@dataclass(frozen=True)
class WrittenFile:
    """A file as it was put under its final name."""

    name: str
    sha256: str
    size_bytes: int


def write_atomically(path: Path, write: Callable[[Path], object], verify: Callable[[Path], object]) -> WrittenFile:
    """The file that ``write`` made, after ``verify`` found in it what was meant.

    Parameters
    ----------
    path : final place; a file or link that is there is replaced, a link's target stays.
    write : makes the file at the path it is given, which has the final name but lies in a hidden folder.
    verify : opens that path anew and raises ``differs(...)`` unless the content is what was meant.

    Raises
    ------
    MedDLError : E501 disk full, E502 memory, E503 folder or name not usable, E505 content differs;
        nothing is left behind then, and what was at ``path`` before is untouched. Other errors
        that ``write`` or ``verify`` raise on purpose pass through.
    """
    with disk_errors():
        _require_no_folder(path)
        with ScratchFolder(path.parent, PARTIAL_PREFIX) as working:
            partial = working / path.name
            _make(partial, write, verify)
            written = describe(partial)
            partial.replace(path)
            flush(path.parent)
    return written


def sweep_partials(folder: Path) -> int:
    """Remove what writers that were killed left in ``folder``; returns how many went."""
    return sweep(folder, PARTIAL_PREFIX)


def differs(why: str) -> MedDLError:
    """E505 for ``verify`` to raise; ``why`` holds no path and no patient data."""
    return MedDLError("E505", "", why, "write to another disk; check this one")


def describe(path: Path) -> WrittenFile:
    """Name, SHA-256 and size of a file that is there; ``OSError`` when it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return WrittenFile(path.name, digest, file.tell())


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> WrittenFile:
    """Write bytes; a private file can be read by its owner only (mode 0600)."""

    def write(partial: Path) -> None:
        partial.write_bytes(content)
        if private:
            partial.chmod(PRIVATE_MODE)

    def verify(partial: Path) -> None:
        if partial.read_bytes() != content:
            raise differs("other bytes were read back")

    return write_atomically(path, write, verify)


def write_text(path: Path, text: str, *, private: bool = False) -> WrittenFile:
    """Write text as UTF-8 with the line ends it has."""
    # A file name that is no valid Unicode comes here as half surrogate pairs.
    return write_bytes(path, text.encode("utf-8", "backslashreplace"), private=private)


def write_csv(path: Path, rows: Sequence[Sequence[Cell]], *, private: bool = False) -> WrittenFile:
    """Write a table, its header being the first row, as comma-separated UTF-8; None is an empty cell.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, as spreadsheets
    themselves mark plain text.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_cell(value) for value in row] for row in rows])
    return write_text(path, text.getvalue(), private=private)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return repr(float(value)) if isinstance(value, float) else str(value)  # float(): numpy's own repr names its type


def _require_no_folder(path: Path) -> None:
    """Find out before the work that the final name is too long, or names a folder."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise MedDLError("E503", "file not written", "a folder of that name is there", "choose another name")


def _make(partial: Path, write: Callable[[Path], object], verify: Callable[[Path], object]) -> None:
    try:
        with _libraries_silent():
            write(partial)
        flush(partial)
        verify(partial)
    except Exception as exc:
        failure = _failure(partial, exc)
        if failure is exc:
            raise
        raise failure from exc


def _failure(partial: Path, exc: Exception) -> MedDLError:
    """What really went wrong; the disk is asked, since libraries often say nothing or something else."""
    if isinstance(exc, MedDLError) and exc.code != "E505":
        return exc
    if isinstance(exc, MemoryError):
        return MedDLError("E502", "file not written", "", "close other programs")
    if refusal := _refusal(partial, exc):
        return refusal
    return exc if isinstance(exc, MedDLError) else _not_written(exc)


def _refusal(partial: Path, exc: Exception) -> MedDLError | None:
    if not partial.parent.is_dir():
        return MedDLError("E503", "", "the folder went away during the run", "run again")
    if isinstance(exc, OSError) and exc.errno not in (None, errno.ENOENT):
        return disk_error(exc)
    refusal = refusal_of_more(partial.parent)
    return disk_error(refusal) if refusal else None


def _not_written(exc: Exception) -> MedDLError:
    return MedDLError("E505", "file not written", type(exc).__name__, detail=str(exc))


@contextmanager
def _libraries_silent() -> Iterator[None]:
    """Keep C and C++ libraries from printing pages, with paths, about a full disk that E501 tells in one line."""
    try:
        kept = os.dup(2)
    except OSError:  # a process without a standard error, as of a windowed program
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
