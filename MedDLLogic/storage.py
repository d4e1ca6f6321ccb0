"""The folders that MedDL writes to besides those its user names: where they are, how large, and away with them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .disk import disk_error
from .errors import MedDLError
from .scratch import is_locked, sweep

HOME_VARIABLE = "MEDDL_HOME"
EXCHANGE_PREFIX = "exchange-"


@dataclass(frozen=True)
class StoredFolder:
    """One folder that MedDL wrote, what it is for, and its size with everything in it."""

    path: Path
    purpose: str
    size_bytes: int


def cache_folder() -> Path:
    """Where downloads are kept; they can be fetched again."""
    return _base("cache") / "downloads"


def graphs_folder() -> Path:
    """Where networks lie as graphs, made from their weights; they are made again where they are missing."""
    return _base("cache") / "graphs"


def exchange_base() -> Path:
    """Where images lie while they go from one process to the other."""
    return _base("cache") / "exchange"


def wheels_folder() -> Path:
    """Where pip keeps what it downloaded while an environment is built."""
    return _base("cache") / "wheels"


def environments_folder() -> Path:
    """Where the packages lie that only the worker sees."""
    return _base("data") / "environments"


def models_folder() -> Path:
    """Where the user's own model cards lie."""
    return _base("data") / "models"


def settings_folder() -> Path:
    """Where choices of the user are kept."""
    return _base("config") / "settings"


def list_storage() -> tuple[StoredFolder, ...]:
    """The folders that are there; none lies inside another."""
    purposes = {
        cache_folder(): "downloaded weights and what was made of them",
        graphs_folder(): "networks as graphs for fast engines, made from their weights",
        exchange_base(): "images on their way between two processes",
        wheels_folder(): "packages that were downloaded for an environment that is not finished",
        environments_folder(): "the environment: PyTorch and what else the worker needs",
        models_folder(): "your own model cards",
        settings_folder(): "settings, and how long runs took",
    }
    return tuple(StoredFolder(path, why, _size(path)) for path, why in purposes.items() if path.is_dir())


def remove_storage(paths: Sequence[Path]) -> int:
    """Remove folders that ``list_storage`` names; returns how many bytes went.

    Exchange folders of processes that still run are kept.

    Raises
    ------
    MedDLError : E101 for any other folder, E503 when one cannot be removed, E601 while an environment is built.
    """
    known = {folder.path: folder.size_bytes for folder in list_storage()}
    if any(path not in known for path in paths):
        raise MedDLError("E101", "folder not removed", "MedDL did not make it")
    for path in paths:
        _remove(path)
    return sum(known[path] - _size(path) for path in paths)


def _remove(path: Path) -> None:
    if path == exchange_base():
        sweep(path, EXCHANGE_PREFIX)
        return
    if path == environments_folder() and is_locked(path):
        raise MedDLError("E601", "an environment is being built", "", "wait for its end, or cancel it")
    try:
        shutil.rmtree(path)
    except OSError as exc:
        raise disk_error(exc) from exc


def _size(path: Path) -> int:
    return sum(_file_size(Path(top) / name) for top, _, names in os.walk(path) for name in names)


def _file_size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # another process removed it in the meantime, or nobody may look
        return 0


def _base(purpose: str) -> Path:
    """The folder for a purpose, which need not be there yet; E503 where nobody may even look for it."""
    folder = _place_of(purpose)
    try:
        folder.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as exc:
        hint = f"set {HOME_VARIABLE} to a folder of your own"
        raise MedDLError("E503", "", exc.strerror or type(exc).__name__, hint, detail=str(exc)) from exc
    return folder


def _place_of(purpose: str) -> Path:
    """``purpose`` is ``"cache"``, ``"data"`` or ``"config"``."""
    if own := os.environ.get(HOME_VARIABLE):
        return Path(own).absolute() / purpose
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "MedDL" / purpose
    if sys.platform == "darwin":
        library = "Caches" if purpose == "cache" else "Application Support"
        return _home() / "Library" / library / "MedDL"
    defaults = {"cache": ".cache", "data": ".local/share", "config": ".config"}
    given = Path(os.environ.get(f"XDG_{purpose.upper()}_HOME", ""))
    # The XDG rules say that a relative path is to be ignored.
    return (given if given.is_absolute() else _home() / defaults[purpose]) / "meddl"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as exc:
        raise MedDLError("E503", "no home folder", "", f"set {HOME_VARIABLE} to a folder of your own") from exc
