"""How the finished files of a case get into its folder, and whose files there must not be touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..disk import disk_errors, flush
from ..errors import MedDLError
from ..io.write import describe
from ..job import InputRef

Hashes = Mapping[str, frozenset[str]]


def publish(made: Path, case_folder: Path, written: Hashes) -> None:
    """Give the files in ``made`` their final names: at once where the case has no folder yet, else one by one.

    Files that an earlier run made, that this one does not make and nobody changed go away. Other
    files in the case's folder stay. E501, E503.
    """
    with disk_errors():
        names = {path.name for path in made.iterdir()}
        if not case_folder.exists():
            made.rename(case_folder)
        else:
            for name in sorted(names):
                (made / name).replace(case_folder / name)
            for name in _as_made(case_folder, set(written) - names, written):
                (case_folder / name).unlink()
            flush(case_folder)
        flush(case_folder.parent)


def require_as_made(case_folder: Path, names: Iterable[str], written: Hashes) -> None:
    """Raise E105 when one of ``names`` is there other than an earlier run made it, as a corrected segmentation is."""
    with disk_errors():
        there = [name for name in names if (case_folder / name).exists()]
        changed = len(there) - len(_as_made(case_folder, there, written))
    if changed:
        raise MedDLError("E105", "", f"{changed} files were changed since, or are not MedDL's", "move them, or replace")


def require_no_input(case_folder: Path, names: Iterable[str], inputs: Iterable[InputRef]) -> None:
    """Raise E101 when one of ``names`` in the case's folder is an input of the case."""
    paths = [Path(ref.path) for ref in inputs if ref.path]
    for target in (case_folder / name for name in names):
        if target.exists() and any(path.exists() and path.samefile(target) for path in paths):
            raise MedDLError("E101", "", "a result would overwrite its own input", "choose another output folder")


def _as_made(case_folder: Path, names: Iterable[str], written: Hashes) -> list[str]:
    """Those of ``names`` that are there just as an earlier run made them."""
    there = [name for name in sorted(names) if (case_folder / name).is_file()]
    return [name for name in there if describe(case_folder / name).sha256 in written.get(name, ())]
