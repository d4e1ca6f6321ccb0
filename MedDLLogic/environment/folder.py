"""The folders that environments lie in, the pointer to the one in use, and what state it is in.

``environments/env-<fingerprint>/`` holds the packages and ``environment.json``, the record of how they came there.
``environments/current.json`` names the one in use. While one is built it lies in ``partial-<random>``, a scratch folder
that is swept when its process is gone.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..disk import disk_error, disk_errors
from ..errors import MedDLError
from ..io.write import write_text
from ..records import parse_json, to_json_text
from ..scratch import FolderLock
from ..storage import environments_folder
from .machine import platform_name
from .stack import Stack, fingerprint, python_tag, standard_stack

PREFIX = "env-"
PARTIAL_PREFIX = "partial-"
RECORD_NAME = "environment.json"
_POINTER = "current.json"
_BROKEN_NAME = "broken.txt"
_LARGE_BYTES = 1 << 20

Kind = Literal["missing", "ready", "broken", "outdated"]


@dataclass(frozen=True)
class EnvironmentState:
    """What the environment is, and one sentence about it for people.

    Parameters
    ----------
    build, device : torch build, and the device that its test ran on; empty when missing.
    versions : package -> version.
    path : its folder, empty when missing. Never shown in a report.
    is_usable : whether the worker can run with it; an outdated one can while its Python is the worker's.
    """

    kind: Kind
    message: str
    build: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    is_usable: bool = False


@dataclass(frozen=True)
class EnvironmentRecord:
    """How an environment was made; ``files`` are those that tell a broken one soonest, with their sizes."""

    build: str
    fingerprint: str
    python: str
    platform: str
    device: str
    versions: Mapping[str, str]
    files: Mapping[str, int]
    schema_version: Literal[1] = 1


@dataclass(frozen=True)
class _Pointer:
    folder: str
    schema_version: Literal[1] = 1


def environment_state(
    *, python: str = "", stack_of: Callable[[str], Stack] = standard_stack, base: Path | None = None
) -> EnvironmentState:
    """State of the environment in use; it looks at some hundred files, imports nothing and starts no process.

    Parameters
    ----------
    python : version of the worker's Python, such as ``"3.12"``; this Python's when empty.
    stack_of : build name -> what would be installed today.
    base : folder of environments, the user's when None.
    """
    base = base or environments_folder()
    try:
        folder = _pointed(base)
    except MedDLError:
        return EnvironmentState("broken", "Its pointer cannot be read. Repair builds it anew.")
    if folder is None:
        return EnvironmentState("missing", "It is not installed yet.")
    try:
        record = read_record(folder)
    except MedDLError:
        return EnvironmentState("broken", "Its record is missing. Repair builds it anew.", path=str(folder))
    kind, message, is_usable = _judge(folder, record, python or python_tag(), stack_of)
    return EnvironmentState(
        kind, message, record.build, record.device, record.versions, str(folder), is_usable=is_usable
    )


def current_environment(*, python: str = "", base: Path | None = None) -> Path | None:
    """The folder that the worker puts first on ``sys.path``; None when there is none that it can use."""
    state = environment_state(python=python, base=base)
    return Path(state.path) if state.is_usable else None


def read_record(folder: Path) -> EnvironmentRecord:
    """The record in an environment's folder; E507 when there is none."""
    try:
        return parse_json(EnvironmentRecord, (folder / RECORD_NAME).read_bytes(), code="E507")
    except OSError as exc:
        raise MedDLError("E507", "environment has no record", exc.strerror or "", "repair it") from exc


def record_files(folder: Path) -> dict[str, int]:
    """Relative path -> size of the files that tell a broken installation soonest.

    These are each package's own list of files and its first module, and whatever is large: compiled libraries.
    """
    found = {}
    for listing in _listings(folder):
        found[listing.relative_to(folder).as_posix()] = listing.stat().st_size
        for name, (size, _) in listed_files(listing).items():
            is_first = "/" not in name or (name.count("/") == 1 and name.endswith("/__init__.py"))
            if is_first or size >= _LARGE_BYTES:
                found[name] = size
    return found


def listed_files(listing: Path) -> dict[str, tuple[int, str]]:
    """Relative path -> (size, ``sha256=...``) of the files that a package's RECORD holds to account."""
    with listing.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.reader(lines) if len(row) == 3]
    # Scripts lie outside of the packages, and what Python compiled itself has no hash.
    return {name: (int(size), digest) for name, digest, size in rows if digest and size and not name.startswith("..")}


def all_listed(folder: Path) -> dict[str, tuple[int, str]]:
    """The same for all packages of an environment."""
    return {name: facts for listing in _listings(folder) for name, facts in listed_files(listing).items()}


def mark_broken(folder: Path, why: str) -> None:
    """Let ``environment_state`` tell what a test found, until the environment is built anew or passes."""
    write_text(folder / _BROKEN_NAME, why)


def unmark_broken(folder: Path) -> None:
    """The environment passed its test."""
    with disk_errors():
        (folder / _BROKEN_NAME).unlink(missing_ok=True)


@contextmanager
def only_one(base: Path) -> Iterator[None]:
    """Hold the environments for this process alone; E601 while another one builds, E503 where it may not write."""
    with disk_errors():
        base.mkdir(parents=True, exist_ok=True)
    try:
        lock = FolderLock(base)
    except BlockingIOError as exc:
        raise MedDLError("E601", "an environment is being built", "", "wait for its end, or cancel it") from exc
    except OSError as exc:
        raise disk_error(exc) from exc
    with lock:
        yield


def free_place(base: Path, fingerprint_hex: str) -> Path:
    """A folder that is not there yet: repairing builds beside the environment that is in use."""
    names = [f"{PREFIX}{fingerprint_hex[:8]}"]
    while (base / names[-1]).exists():
        names.append(f"{names[0]}-{len(names) + 1}")
    return base / names[-1]


def point_to(folder: Path) -> None:
    """Make a folder the environment in use."""
    write_text(folder.parent / _POINTER, to_json_text(_Pointer(folder.name)) + "\n")


def remove_others(base: Path, keep: Path | None) -> None:
    """Remove all environments but one; what Windows holds open goes the next time."""
    for folder in base.glob(f"{PREFIX}*"):
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)


def remove_environment(base: Path | None = None) -> int:
    """Remove the environment; returns how many bytes went. No worker may use it.

    Raises
    ------
    MedDLError : E601 while one is built, E503 when a file cannot be removed.
    """
    base = base or environments_folder()
    if not base.is_dir():
        return 0
    with only_one(base), disk_errors():
        freed = sum(path.lstat().st_size for path in base.rglob("*") if not path.is_dir())
        (base / _POINTER).unlink(missing_ok=True)  # first, so that no half of one is in use
        for folder in base.glob(f"{PREFIX}*"):
            shutil.rmtree(folder)
    return freed


def _judge(
    folder: Path, record: EnvironmentRecord, python: str, stack_of: Callable[[str], Stack]
) -> tuple[Kind, str, bool]:
    why = _why_broken(folder, record)
    if why:
        return "broken", f"{why} Repair builds it anew.", False
    if (record.python, record.platform) != (python, platform_name()):
        return "outdated", f"It was made for Python {record.python}, the worker has {python}. Install it anew.", False
    if record.fingerprint != _fingerprint_today(record.build, python, stack_of):
        return "outdated", "This MedDL was made for newer packages. It still works; install it anew.", True
    return "ready", f"Ready: torch {record.versions.get('torch', '')} on {record.device}.", True


def _fingerprint_today(build: str, python: str, stack_of: Callable[[str], Stack]) -> str:
    try:
        return fingerprint(stack_of(build), python, platform_name())
    except MedDLError:  # a build that is no longer offered
        return ""


def _why_broken(folder: Path, record: EnvironmentRecord) -> str:
    try:
        return (folder / _BROKEN_NAME).read_text(encoding="utf-8")
    except OSError:
        pass
    wrong = [name for name, size in record.files.items() if _size(folder / name) != size]
    packages = sorted({name.split("/")[0].split("-")[0] for name in wrong})
    return f"{len(wrong)} files are missing or changed: {', '.join(packages)[:80]}." if wrong else ""


def _pointed(base: Path) -> Path | None:
    try:
        text = (base / _POINTER).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise disk_error(exc) from exc
    name = parse_json(_Pointer, text, code="E507").folder
    if not name.startswith(PREFIX) or Path(name).name != name:
        raise MedDLError("E507", "pointer to the environment not usable")
    return base / name


def _listings(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.dist-info/RECORD"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
