"""Cases, the short ids that say nothing of the patient, and the one private table that says whose they are."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MedDLError
from ..io.write import write_csv
from ..job import InputRef

INDEX_NAME = "index.private.csv"
_INDEX_HEADER = ("case", "role", "path", "series")
_HEX_DIGITS = (8, 16, 32, 56)


@dataclass(frozen=True)
class Case:
    """Inputs by role, under an id that is also the name of the case's folder; empty until ``with_ids`` gives one."""

    id: str
    inputs: Mapping[str, InputRef]


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


def short_ids(digests: Mapping[int, str]) -> Mapping[int, str]:
    """Number of a case -> ``case-`` and as many first digits of its SHA-256 as tell it from the others."""
    names: dict[int, str] = {}
    for digits in _HEX_DIGITS:
        by_start = defaultdict(list)
        for number, digest in digests.items():
            by_start[digest[:digits]].append(number)
        for start, numbers in by_start.items():
            if len({digests[number] for number in numbers}) == 1 or digits == _HEX_DIGITS[-1]:
                names.update({number: f"case-{start}" for number in numbers if number not in names})
    return names


def require_distinct(ids: Sequence[str]) -> None:
    """Raise E102 when two cases have one id. Ids that differ in case alone would share a folder on Windows and macOS."""
    seen: dict[str, int] = {}
    for number, case_id in enumerate(ids, start=1):
        first = seen.setdefault(case_id.lower(), number)
        if first != number:
            why = f"cases {first} and {number}"
            raise MedDLError("E102", "two cases have one id or one image", why, "name them in a table's case column")


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
