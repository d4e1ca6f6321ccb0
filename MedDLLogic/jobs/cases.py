"""From what the user names on the command line to cases: files, DICOM folders, folders of images, tables."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MedDLError
from ..io.guard.dispatch import is_volume_name
from ..io.pictures import is_picture_name
from ..job import InputRef, require_case_id
from .case_ids import with_ids
from .case_index import Case
from .manifest import read_history

TABLE_SUFFIXES = (".csv", ".tsv")
_CASE_COLUMN, _SERIES_SUFFIX = "case", "_series"
_RESULT_SUFFIXES = (".seg.nrrd", ".seg.nii.gz")
_MAX_TABLE_BYTES = 1 << 26
_BETWEEN_WORDS = re.compile(r"[-_. ]+")


def find_cases(arguments: Sequence[str | Path], roles: Sequence[str]) -> tuple[Case, ...]:
    """The cases that the user's arguments stand for, each with an input for every role.

    Parameters
    ----------
    arguments : each an image file; a DICOM file or folder; a folder of image files or of one folder
        a case; a ``.csv`` or ``.tsv`` table with a column a role (paths relative to the table),
        perhaps ``case`` and ``<role>_series``; or ``role=FILE``, all of which make up one case.
    roles : of the model's inputs. In a folder, files of one case differ by the role in their names.

    Raises
    ------
    MedDLError : E101 an argument, E102 a table or its ids, E301 a file that is not there, E302 a table that
        is no text, E331 roles without a file. Whether an image is good shows when its case runs.
    """
    named, plain = _split_roles(arguments, roles)
    found = [_case_of_named(named, roles)] if named else []
    for path in plain:
        found += _found_at(path, tuple(roles))
    if not found:
        raise MedDLError("E101", "no input given", "", "name a file, a folder or a table")
    return with_ids(found)


def images_at(path: Path) -> tuple[Path, ...]:
    """The images that a folder stands for, for a model of one input; any other path, or a folder of none, itself."""
    try:
        found = _in_folder(path, ("image",)) if path.is_dir() else []
    except MedDLError:
        return (path,)
    return tuple(Path(case.inputs["image"].path) for case in found) or (path,)


def _split_roles(arguments: Sequence[str | Path], roles: Sequence[str]) -> tuple[list[tuple[str, Path]], list[Path]]:
    named: list[tuple[str, Path]] = []
    plain: list[Path] = []
    for argument in arguments:
        role, equals, path = str(argument).partition("=")
        if equals and role in roles and not os.path.lexists(argument):
            named.append((role, _existing(path)))
        else:
            plain.append(_existing(argument))
    return named, plain


def _existing(argument: str | Path, where: str = "") -> Path:
    path = Path(argument).absolute()
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        raise MedDLError("E101", "file name is not valid Unicode", where, "rename the file")
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not a file name"
        raise MedDLError("E301", "input not found", f"{where}: {why}" if where else str(why), "check the name") from exc
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe or device may never end
        raise MedDLError("E301", "input is neither file nor folder", where, "check the name")
    return path


def _case_of_named(named: Sequence[tuple[str, Path]], roles: Sequence[str]) -> Case:
    files = dict(named)
    if len(files) != len(named):
        raise MedDLError("E101", "a role is given twice", "", "several cases go into a table (.csv)")
    _require_roles(files, roles)
    return Case("", {role: InputRef(str(path)) for role, path in files.items()})


def _require_roles(given: Iterable[str], roles: Sequence[str], where: str = "") -> None:
    missing = sorted(set(roles) - set(given))
    if missing:
        raise MedDLError("E331", f"{where or 'a case'} lacks inputs", ", ".join(missing), "each role needs a file")


def _found_at(path: Path, roles: tuple[str, ...]) -> list[Case]:
    if path.is_dir():
        return _in_folder(path, roles)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return list(_in_table(path, roles))
    return _in_files([path], roles)


def _in_folder(folder: Path, roles: tuple[str, ...]) -> list[Case]:
    try:
        files = _entries(folder, is_folder=False)
        if not _images(files) and any(_looks_like_dicom(file) for file in files):
            return _in_files([folder], roles)
        made_here = read_history(folder).cases  # a second run on a folder that holds results too
        found = _in_files(_images(files), roles)
        for sub_folder in _entries(folder, is_folder=True):
            if sub_folder.name not in made_here:
                found += _in_sub_folder(sub_folder, roles)
    except OSError as exc:
        raise MedDLError("E301", "folder not readable", exc.strerror or "") from exc
    if not found:
        raise MedDLError("E301", "no image found", "in the folder and the folders in it", "name files or use a table")
    return found


def _in_sub_folder(folder: Path, roles: tuple[str, ...]) -> list[Case]:
    if images := _images(_entries(folder, is_folder=False)):
        return _in_files(images, roles)
    return _in_files([folder], roles) if _looks_like_dicom(folder) and not _holds_others_alone(folder) else []


def _images(files: Sequence[Path]) -> list[Path]:
    """The volumes among the files, else the pictures; results of earlier runs are neither."""
    given = [file for file in files if not file.name.lower().endswith(_RESULT_SUFFIXES)]
    return [file for file in given if is_volume_name(file)] or [file for file in given if is_picture_name(file)]


def _entries(folder: Path, *, is_folder: bool) -> list[Path]:
    visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return sorted(entry for entry in visible if entry.is_dir() == is_folder)


def _looks_like_dicom(path: Path) -> bool:
    from ..io.dicom import looks_like_dicom

    return looks_like_dicom(path)


def _holds_others_alone(folder: Path) -> bool:
    """Whether its DICOM files are structure sets, segmentations or reports, as they lie beside an image's folder."""
    from ..io.dicom import list_series

    try:
        series = list_series(folder)
    except MedDLError:  # told when the case runs
        return False
    return bool(series) and not any(one.is_image for one in series)


def _in_files(files: Sequence[Path], roles: tuple[str, ...]) -> list[Case]:
    """One case a file for a model of one input; else files belong together that differ in the role alone."""
    if len(roles) == 1:
        return [Case("", {roles[0]: InputRef(str(_existing(file)))}) for file in files]
    groups: dict[tuple[str, ...], dict[str, InputRef]] = {}
    for file in files:
        words = _BETWEEN_WORDS.split(file.name.lower())
        for role in [role for role in roles if role.lower() in words]:
            rest = tuple(word for word in words if word != role.lower())
            if role in groups.setdefault(rest, {}):
                raise MedDLError("E331", f"two files for {role}", "in one case", "use a table (.csv) or role=FILE")
            groups[rest][role] = InputRef(str(_existing(file)))
    if files and not groups:
        raise MedDLError("E331", "no file is named after an input", ", ".join(roles), "use a table (.csv) or role=FILE")
    for inputs in groups.values():
        _require_roles(inputs, roles)
    return [Case("", inputs) for inputs in groups.values()]


def _in_table(path: Path, roles: tuple[str, ...]) -> Iterator[Case]:
    header, rows = _table(path)
    doubled = [name for name, count in Counter(header).items() if count > 1 and name]
    if doubled:
        raise MedDLError("E102", "table not usable", "a column stands twice", "give each column its own name")
    _require_roles(header, roles, "the table")
    for number, cells in rows:
        yield _case_of_row(path.parent, dict(zip(header, cells, strict=False)), roles, f"row {number}")


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and numbered rows that are not empty; a spreadsheet's BOM, semicolons and tabs are understood."""
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise MedDLError("E302", "table not readable", "too large for a table of cases")
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True))
    except (OSError, ValueError, csv.Error) as exc:
        raise MedDLError("E302", "table not readable", type(exc).__name__, "save it as CSV in UTF-8") from exc
    if len(rows) < 2:
        raise MedDLError("E102", "table not usable", "it has no row below the header")
    header, *body = [[cell.strip() for cell in row] for row in rows]
    return header, [(number, row) for number, row in enumerate(body, start=2) if any(row)]


def _case_of_row(folder: Path, row: Mapping[str, str], roles: tuple[str, ...], where: str) -> Case:
    _require_roles([role for role in roles if row.get(role)], roles, where)
    inputs = {
        role: InputRef(str(_existing(folder / row[role], where)), row.get(role + _SERIES_SUFFIX, "")) for role in roles
    }
    if _CASE_COLUMN not in row:
        return Case("", inputs)
    try:
        return Case(require_case_id(row[_CASE_COLUMN]), inputs)
    except MedDLError as exc:
        raise MedDLError(exc.code, exc.what, where, exc.hint) from exc
