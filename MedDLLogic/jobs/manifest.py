"""What happened to each case, line by line, in ``run.jsonl`` of the output folder.

A case's files are trusted only after a ``done`` line for the same job and inputs, and only while they have
the hashes written there. ``made`` stands before files get their final names, so that each of them
is known however a run ends. The open file carries the lock that keeps a second run out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from ..disk import disk_error, disk_errors
from ..errors import MedDLError
from ..io.write import describe
from ..records import parse_json, to_json_text
from ..scratch import lock

MANIFEST_NAME = "run.jsonl"
NOT_IDENTITY = ("at", "seconds", "inputs_state")
"""Keys whose values differ between two runs that did the same."""

_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class FileRecord:
    """A file as it was written."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Work:
    """What a case's files were made of.

    ``job_sha256`` is that of the job without its output folder; ``inputs_state`` stands for names,
    sizes and times of change of the input files.
    """

    job_sha256: str
    inputs_state: str


@dataclass(frozen=True)
class CasePlanned:
    """A case that a run is about to do; ``at`` is in UTC, as in all lines."""

    kind: ClassVar[str] = "planned"
    case: str
    at: str


@dataclass(frozen=True)
class CaseStarted:
    """What there was of the case before no longer counts."""

    kind: ClassVar[str] = "started"
    case: str
    at: str


@dataclass(frozen=True)
class CaseMade:
    """The files are complete, and about to get their final names."""

    kind: ClassVar[str] = "made"
    case: str
    outputs: Mapping[str, FileRecord]

    def __post_init__(self) -> None:
        _require_plain(self.outputs)


@dataclass(frozen=True)
class CaseDone:
    """All files of the case are in its folder; ``outputs`` by file name."""

    kind: ClassVar[str] = "done"
    case: str
    job_sha256: str
    inputs_state: str
    outputs: Mapping[str, FileRecord]
    versions: Mapping[str, str]
    warnings: tuple[str, ...]
    seconds: float
    at: str

    def __post_init__(self) -> None:
        _require_plain(self.outputs)


@dataclass(frozen=True)
class CaseFailed:
    """The case ended with an error, one line."""

    kind: ClassVar[str] = "failed"
    case: str
    code: str
    message: str
    at: str


@dataclass(frozen=True)
class CaseCancelled:
    """The user stopped the run in this case."""

    kind: ClassVar[str] = "cancelled"
    case: str
    at: str


Line = CasePlanned | CaseStarted | CaseMade | CaseDone | CaseFailed | CaseCancelled


@dataclass(frozen=True)
class _AnyLine:
    """Lets ``records`` tell the lines apart by their ``kind``."""

    line: Line


@dataclass(frozen=True)
class History:
    """The lines of a manifest, and in plain words what of it could not be read."""

    lines: tuple[Line, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def cases(self) -> frozenset[str]:
        """Every case that some line names."""
        return frozenset(line.case for line in self.lines)

    @cached_property
    def written(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """Case -> file name -> the SHA-256 of every version of it that was ever made."""
        found: dict[str, dict[str, frozenset[str]]] = {}
        for line in self.lines:
            if isinstance(line, CaseMade):
                names = found.setdefault(line.case, {})
                for name, record in line.outputs.items():
                    names[name] = names.get(name, frozenset()) | {record.sha256}
        return found


def read_history(folder: Path) -> History:
    """The manifest of an output folder, empty where there is none; E503 when it cannot be read."""
    try:
        return parse_history((folder / MANIFEST_NAME).read_bytes())
    except FileNotFoundError:
        return History()
    except OSError as exc:
        raise disk_error(exc) from exc


def parse_history(content: bytes) -> History:
    """The lines of a manifest; a line cut short by a kill, and lines that are none, are skipped and told."""
    *complete, torn = content.split(b"\n")
    lines: list[Line] = []
    unreadable = 0
    for text in complete:
        try:
            lines.append(parse_json(_AnyLine, b'{"line":%b}' % text).line)
        except MedDLError:
            unreadable += 1
    warnings = [f"{unreadable} lines of the manifest are not readable and do not count"] if unreadable else []
    warnings += ["the last line of the manifest was cut short"] if torn else []
    return History(tuple(lines), tuple(warnings))


def done_cases(folder: Path, history: History, wanted: Mapping[str, Work]) -> frozenset[str]:
    """The cases of ``wanted`` that are done: same work, and each file still has its recorded hash."""
    last = {line.case: line for line in history.lines if not isinstance(line, CasePlanned)}
    return frozenset(case for case, work in wanted.items() if _is_done(folder / case, last.get(case), work))


class Manifest:
    """An output folder's manifest, open for this run alone.

    Raises
    ------
    MedDLError : E601 when another run has it, E501 or E503 when it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with disk_errors():
            self._descriptor = _open(folder / MANIFEST_NAME)
            try:
                self.is_locked = _take(self._descriptor)
                self.history = parse_history(_content(self._descriptor))
                _cut_torn_line(self._descriptor)
            except BaseException:
                self.close()
                raise

    def append(self, *lines: Line) -> None:
        """Add lines by one write, and have them put onto the disk; a write that fails adds nothing."""
        text = b"".join(to_json_text(line, indent=None).encode() + b"\n" for line in lines)
        with disk_errors():
            before = os.fstat(self._descriptor)
            if before.st_nlink == 0:
                raise MedDLError("E503", "", "the folder went away during the run", "run again")
            try:
                _write(self._descriptor, text)
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, before.st_size)
                raise

    def close(self) -> None:
        """Let other runs have the folder."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def records_of(files: Iterable[Path]) -> Mapping[str, FileRecord]:
    """File name -> record of files that are there; ``OSError`` when one cannot be read."""
    found = [describe(path) for path in files]
    return {file.name: FileRecord(file.sha256, file.size_bytes) for file in found}


def _require_plain(names: Iterable[str]) -> None:
    """A manifest may come from elsewhere: it must not lead out of the case's folder."""
    if any(name in ("", ".", "..") or set(name) & set("/\\:\0") for name in names):
        raise MedDLError("E106", "output name not valid")


def _is_done(folder: Path, last: Line | None, work: Work) -> bool:
    if not isinstance(last, CaseDone) or Work(last.job_sha256, last.inputs_state) != work:
        return False
    try:
        return records_of(folder / name for name in last.outputs) == last.outputs
    except OSError:
        return False


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o644)


def _take(descriptor: int) -> bool:
    state = lock(descriptor)
    if state == "busy":
        raise MedDLError("E601", "", "another run writes into this folder", "wait for it or choose another folder")
    return state == "held"


def _content(descriptor: int) -> bytes:
    if os.fstat(descriptor).st_size > _MAX_BYTES:
        raise MedDLError("E503", "", "the manifest there is too large", "choose another folder")
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def _cut_torn_line(descriptor: int) -> None:
    content = _content(descriptor)
    if not content.endswith(b"\n"):
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
