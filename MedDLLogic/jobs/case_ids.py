"""Names of cases that carry nothing of the patient, and the one private table that says whose they are."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MedDLError
from ..io.guard.dispatch import is_volume_name
from ..io.pictures import is_picture_name
from ..io.write import describe, write_csv
from ..job import InputRef
from .manifest import MANIFEST_NAME

INDEX_NAME = "index.private.csv"
_INDEX_HEADER = ("case", "role", "path", "series")
_HEX_DIGITS = (8, 16, 32, 56)
_DETACHED_SUFFIXES = (".mhd", ".nhdr")


@dataclass(frozen=True)
class Case:
    """Inputs by role, under an id that is also the name of the case's folder; empty until ``with_ids`` gives one."""

    id: str
    inputs: Mapping[str, InputRef]


def with_ids(found: Sequence[Case]) -> tuple[Case, ...]:
    """The cases with ids: the given one, else ``case-`` and the first hex digits of the content's SHA-256.

    Content is the series UID of DICOM inputs, else the bytes of the file.

    Raises
    ------
    MedDLError : E102 when two cases have one id or one content, E301 when a file cannot be read.
    """
    given = [case.id or None for case in found]
    digests = {n: _content_sha256(case.inputs) for n, case in enumerate(found) if not case.id}
    short = _shortened(digests)
    ids = [given_id or short[n] for n, given_id in enumerate(given)]
    _require_distinct(ids)
    return tuple(Case(case_id, case.inputs) for case_id, case in zip(ids, found, strict=True))


def inputs_state(inputs: Mapping[str, InputRef], output_folder: Path) -> str:
    """SHA-256 that changes when an input file gets another name, size or time of change.

    What MedDL itself writes does not count, where the output folder lies in a DICOM folder.
    """
    digest = hashlib.sha256()
    for role, ref in sorted(inputs.items()):
        digest.update(f"{role}\n{ref.handle}\n".encode())
        for path in _given_files(ref, output_folder.absolute()):
            digest.update(os.fsencode(path.name) + f"\n{_state_of(path)}\n".encode())
    return digest.hexdigest()


def write_index(folder: Path, cases: Sequence[Case]) -> None:
    """Say in ``index.private.csv`` (mode 0600) of the output folder which input each case is; older rows stay.

    Raises
    ------
    MedDLError : E503 when another file of that name is there, and what the writer raises.
    """
    path = folder / INDEX_NAME
    rows = _read_index(path)
    for case in cases:
        rows.update({(case.id, role): (ref.path, ref.series) for role, ref in case.inputs.items() if ref.path})
    write_csv(path, [_INDEX_HEADER, *((*key, *value) for key, value in sorted(rows.items()))], private=True)


def _shortened(digests: Mapping[int, str]) -> Mapping[int, str]:
    names: dict[int, str] = {}
    for digits in _HEX_DIGITS:
        by_start = defaultdict(list)
        for number, digest in digests.items():
            by_start[digest[:digits]].append(number)
        for start, numbers in by_start.items():
            if len({digests[number] for number in numbers}) == 1 or digits == _HEX_DIGITS[-1]:
                names.update({number: f"case-{start}" for number in numbers if number not in names})
    return names


def _require_distinct(ids: Sequence[str]) -> None:
    """Ids that differ in case alone would share a folder on Windows and macOS."""
    seen: dict[str, int] = {}
    for number, case_id in enumerate(ids, start=1):
        first = seen.setdefault(case_id.lower(), number)
        if first != number:
            why = f"cases {first} and {number}"
            raise MedDLError("E102", "two cases have one id or one image", why, "name them in a table's case column")


def _content_sha256(inputs: Mapping[str, InputRef]) -> str:
    digests = [_image_sha256(ref) for _, ref in sorted(inputs.items())]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _image_sha256(ref: InputRef) -> str:
    path = Path(ref.path)
    try:
        if uids := _series_uids(path, ref.series):
            return hashlib.sha256("\n".join(uids).encode()).hexdigest()
        files = list(_files_of(path))
        if len(files) == 1:
            return describe(files[0]).sha256
        return hashlib.sha256("\n".join(describe(file).sha256 for file in files).encode()).hexdigest()
    except OSError as exc:
        raise MedDLError("E301", "input not readable", exc.strerror or "") from exc


def _series_uids(path: Path, chosen: str) -> list[str]:
    """UIDs of the image series meant; none for other formats, and where DICOM is too broken to have one."""
    if not path.is_dir() and (is_volume_name(path) or is_picture_name(path)):
        return []
    from ..io.dicom import list_series

    try:
        series = list_series(path)
    except MedDLError:
        return []
    meant = [one for number, one in enumerate(series, 1) if not chosen or chosen in (one.uid, str(number))]
    return sorted(one.uid for one in meant if one.uid and one.is_image)


def _files_of(path: Path) -> Iterator[Path]:
    """The file; all files of a folder; a header with the data beside it that has its stem."""
    if path.is_dir():
        yield from sorted(Path(top) / name for top, _, names in os.walk(path) for name in names)
    elif path.suffix.lower() in _DETACHED_SUFFIXES:
        yield from sorted(file for file in path.parent.iterdir() if file.name.startswith(f"{path.stem}."))
    else:
        yield path


def _given_files(ref: InputRef, output_folder: Path) -> Iterator[Path]:
    root = Path(ref.path).absolute()
    for path in _files_of(root) if ref.path else ():
        is_below = root in (output_folder, *output_folder.parents) and output_folder in path.parents
        if not is_below or (path.parent == output_folder and path.name not in (MANIFEST_NAME, INDEX_NAME)):
            yield path


def _state_of(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # what cannot be read is told when the case runs
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _read_index(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, strict=True)
            return {(row["case"], row["role"]): (row["path"], row["series"]) for row in rows}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, csv.Error) as exc:
        why = "its table of cases is not one that MedDL can read"
        raise MedDLError("E503", "", why, "choose another folder", detail=str(exc)) from exc
