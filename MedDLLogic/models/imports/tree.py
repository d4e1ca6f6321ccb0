"""A model's files in a folder, a zip or by themselves, read with caps; nothing is unpacked or followed."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from ...archives import ARCHIVE_ERRORS
from ...errors import MedDLError
from ..card import MAX_WEIGHTS_BYTES
from ..content import ZIP_STARTS, kind_of_archive

MAX_FILES = 10_000
MAX_TEXT_BYTES = 16_000_000
MAX_TOTAL_BYTES = 4 * MAX_WEIGHTS_BYTES
MAX_RATIO, RATIO_FREE_BYTES = 200, 1 << 20
"""How much larger than packed a member may be, once it is larger than a megabyte."""

_ENCRYPTED = 1
_JUNK = "__MACOSX/"
"""What macOS puts beside a folder that it archives."""
_LINK, _REGULAR_FILE, _FOLDER = 0o120000, 0o100000, 0o040000

_Reader = Callable[[], bytes]
_Entry = tuple[str, tuple[int, _Reader]]


@dataclass(frozen=True)
class ModelTree:
    """Names with ``/`` between folders, sizes, and how to read each."""

    title: str
    _readers: Mapping[str, tuple[int, _Reader]]

    @property
    def names(self) -> tuple[str, ...]:
        """All files, sorted."""
        return tuple(sorted(self._readers))

    def called(self, *file_names: str) -> tuple[str, ...]:
        """The files with one of these last names, wherever they lie, those nearest to the top first."""
        found = (name for name in self.names if PurePosixPath(name).name in file_names)
        return tuple(sorted(found, key=lambda name: (name.count("/"), name)))

    def below(self, folder: str) -> ModelTree:
        """The files of one folder, by their names in it; all of them for the empty name."""
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        readers = self._readers.items()
        inside = {name.removeprefix(prefix): reader for name, reader in readers if name.startswith(prefix)}
        return ModelTree(self.title, inside)

    def unwrapped(self) -> ModelTree:
        """The files of the one folder that holds all others, as archives of a folder have it; else these."""
        tops = {name.partition("/")[0] if "/" in name else "" for name in self.names if not name.startswith(_JUNK)}
        return self.below(tops.pop()) if len(tops) == 1 else self

    def text(self, name: str) -> str:
        """A text file; E403 when it is not there, E408 when too large, E401 when it is no UTF-8."""
        content = self.content(name, MAX_TEXT_BYTES)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise MedDLError("E401", "file of the model is not text", PurePosixPath(name).name[:40]) from exc

    def content(self, name: str, max_bytes: int = MAX_WEIGHTS_BYTES) -> bytes:
        """A file's bytes; E403 when it is not there or not readable, E408 when larger than ``max_bytes``."""
        short = PurePosixPath(name).name[:40]
        if name not in self._readers:
            raise MedDLError("E403", "file of the model not there", short)
        size, read = self._readers[name]
        if size > max_bytes:
            raise MedDLError("E408", "file of the model too large", short)
        try:
            content = read()
        except ARCHIVE_ERRORS as exc:
            raise MedDLError("E408", "file of the model not readable", short, detail=str(exc)) from exc
        if len(content) != size:
            raise MedDLError("E408", "file of the model has another size than it says", short)
        return content

    def only(self, *endings: str) -> str:
        """The one file with such an ending, or the one file there is; empty when there are none or several."""
        ending = [name for name in self.names if name.lower().endswith(endings)]
        found = ending or self.names
        return found[0] if len(found) == 1 else ""

    def watched(self, on_read: Callable[[str, bytes], object]) -> ModelTree:
        """The same files; ``on_read`` is told of each that is read, and what was in it."""
        readers = {name: (size, partial(_told, name, read, on_read)) for name, (size, read) in self._readers.items()}
        return ModelTree(self.title, readers)


class Fingerprint:
    """SHA-256 of the files of a tree that were read, whatever order they were read in."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        """Count a file in; for ``ModelTree.watched``."""
        self._files[name] = hashlib.sha256(content).hexdigest()

    def sha256(self) -> str:
        """That of the one file, or of the list of names and SHA-256 where there were several."""
        if len(self._files) == 1:
            return next(iter(self._files.values()))
        lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self._files.items()))
        return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def open_tree(path: Path) -> ModelTree:
    """The files of a folder, of a zip archive, or the one file itself.

    Raises
    ------
    MedDLError : E403 when there is no such thing, E408 for links, devices, names that leave the folder or stand
        twice, too many or too large files, and members that are encrypted or grow beyond reason.
    """
    try:
        if path.is_dir():
            entries = _of_folder(path)
        elif path.is_file():
            entries = _of_zip(path) if _is_plain_zip(path) else iter([_of_file(path, path.name)])
        else:
            raise MedDLError("E403", "model not found", "no such file or folder")
        return ModelTree(path.stem, dict(_counted(entries)))
    except (OSError, ValueError) as exc:
        why = exc.strerror or type(exc).__name__ if isinstance(exc, OSError) else "name not usable"
        raise MedDLError("E403", "model not readable", why, detail=str(exc)) from exc


def _counted(entries: Iterable[_Entry]) -> Iterator[_Entry]:
    total = 0
    for number, (name, (size, read)) in enumerate(entries):
        total += size
        if number >= MAX_FILES:
            raise MedDLError("E408", "model has too many files", f"over {MAX_FILES}")
        if total > MAX_TOTAL_BYTES:
            raise MedDLError("E408", "files of the model too large", f"over {MAX_TOTAL_BYTES >> 30} GiB together")
        yield name, (size, read)


def _of_folder(folder: Path) -> Iterator[_Entry]:
    for top, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in (*folders, *files):
            path = Path(top, name)
            if path.is_symlink():
                raise MedDLError("E408", "folder of the model holds a link", name[:40])
        for name in sorted(files):
            path = Path(top, name)
            if not path.is_file():
                raise MedDLError("E408", "folder of the model holds a device or pipe", name[:40])
            yield _of_file(path, path.relative_to(folder).as_posix())


def _raise(exc: OSError) -> None:
    raise exc


def _of_file(path: Path, name: str) -> _Entry:
    size = path.stat().st_size
    return name, (size, partial(_read, path, size))


def _of_zip(path: Path) -> Iterator[_Entry]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except ARCHIVE_ERRORS as exc:
        raise MedDLError("E408", "archive of the model damaged", detail=str(exc)) from exc
    _require_each_once(members[: MAX_FILES + 1])
    for member in members:
        _require_inside(member)
        _require_fair(member)
        if not member.is_dir():
            yield member.filename, (member.file_size, partial(_member, path, member))


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size + 1)


def _member(path: Path, member: zipfile.ZipInfo) -> bytes:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        return file.read(member.file_size + 1)


def _told(name: str, read: _Reader, on_read: Callable[[str, bytes], object]) -> bytes:
    content = read()
    on_read(name, content)
    return content


def _require_each_once(members: Iterable[zipfile.ZipInfo]) -> None:
    """Names that differ in case alone count as one: on many disks they are."""
    for name, count in Counter(member.filename.casefold().rstrip("/") for member in members).items():
        if count > 1:
            raise MedDLError("E408", "archive of the model holds a name twice", PurePosixPath(name).name[:40])


def _require_inside(member: zipfile.ZipInfo) -> None:
    """The name as it stands in the archive, before Python cut it at a zero byte."""
    written = str(member.orig_filename)
    name = PurePosixPath(written)
    kind = (member.external_attr >> 16) & 0o170000
    if kind not in (0, _REGULAR_FILE, _FOLDER):
        what = "a link" if kind == _LINK else "a device or pipe"
        raise MedDLError("E408", f"archive of the model holds {what}", name.name[:40])
    is_odd = not written.isprintable() or any(sign in written for sign in ':\\"<>|?*')
    if is_odd or name.is_absolute() or ".." in name.parts or written != member.filename:
        raise MedDLError("E408", "archive of the model holds an unsafe name", name.name[:40])


def _require_fair(member: zipfile.ZipInfo) -> None:
    short = PurePosixPath(member.filename).name[:40]
    if member.flag_bits & _ENCRYPTED:
        raise MedDLError("E408", "archive of the model is encrypted", short)
    if member.file_size > RATIO_FREE_BYTES and member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise MedDLError("E408", "archive of the model grows beyond reason", short)


def _is_plain_zip(path: Path) -> bool:
    """A zip of files, not one of those that torch writes, which is a file of weights itself."""
    with path.open("rb") as file:
        return file.read(4) in ZIP_STARTS and kind_of_archive(file, path.stat().st_size) == "zip"
