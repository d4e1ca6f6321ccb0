"""What the two text headers, NRRD and MetaImage, share: numbers, units and the file that holds the voxels."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from ...errors import MedDLError
from ..verdict import Finding
from .header import warning

HEAD_BYTES = 4 << 20
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(
    r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(e[+-]?[0-9]{1,5})?|[+-]?(nan|inf)", re.IGNORECASE
)
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3, "cm": 10.0, "m": 1e3}


def whole_number(text: str, field: str) -> int:
    """The integer a field holds; E303 when it holds anything else."""
    if not _WHOLE.fullmatch(text):
        raise _no_number(field)
    return int(text)


def numbers(text: str, field: str, count: int, code: str = "E303") -> tuple[float, ...]:
    """The ``count`` numbers a field holds; ``code`` when it holds anything else."""
    parts = text.split()
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        raise _no_number(field, code)
    return tuple(float(part) for part in parts)


def millimetres(unit: str) -> tuple[float, tuple[Finding, ...]]:
    """Length of one unit in mm, and what is to be told about it."""
    scale = _MM_PER_UNIT.get(unit.lower())
    if scale is None:
        return 1.0, (warning("E306", "lengths in an unknown unit", "mm was assumed"),)
    return scale, () if scale == 1.0 else (warning("E306", f"lengths in units of {scale:g} mm", "converted to mm"),)


def data_file(header: Path, name: str) -> Path:
    """The file, in the header's own folder or below, that holds the voxels.

    Raises
    ------
    MedDLError : E311 for a name that leads elsewhere, also by a link, or stands for several files.
    """
    forms = (PurePosixPath(name), PureWindowsPath(name))
    if any(form.is_absolute() or form.drive or form.root or ".." in form.parts for form in forms):
        raise MedDLError("E311", "", "an absolute path or one with '..'", "put both files in one folder")
    if "%" in name or name.upper().split(maxsplit=1)[:1] == ["LIST"]:
        raise MedDLError("E311", "", "voxels spread over several files", "save the volume as one file")
    try:
        folder = header.parent.resolve()
        found = (folder / name).resolve()
    except (OSError, ValueError, RuntimeError) as exc:  # RuntimeError: a link that leads to itself
        raise MedDLError("E311", "", "the name of the data file cannot be used") from exc
    if found == header.resolve():
        raise MedDLError("E303", "", "the header names itself as its data", "the header is damaged")
    if not found.is_relative_to(folder):
        raise MedDLError("E311", "", "a link leads out of the folder", "put both files in one folder")
    return found


def _no_number(field: str, code: str = "E303") -> MedDLError:
    return MedDLError(code, "", f"{field} does not hold the numbers expected", "the header is damaged")
