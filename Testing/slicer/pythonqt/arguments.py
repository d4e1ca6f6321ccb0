"""Which of Python's values PythonQt takes, and as what."""

from __future__ import annotations

import math
import pathlib
from typing import Any

from PySide6 import QtCore

UNFIT = object()


def fitting(kind: QtCore.QMetaProperty, value: Any) -> Any:
    """The value as the property's type; PythonQt rounds numbers down and takes no text for a number. UNFIT where it takes none."""
    type_name = kind.typeName()
    is_number = isinstance(value, (bool, int, float)) and not is_foreign(value)
    if kind.isEnumType():
        return int(value) if isinstance(value, int) else UNFIT
    if type_name == "QString":
        return value if isinstance(value, str) else UNFIT
    if type_name == "bool":
        return bool(value) if is_number else UNFIT
    if type_name in {"int", "uint", "qlonglong"}:
        return math.floor(value) if is_number else UNFIT
    if type_name in {"double", "float"}:
        return float(value) if is_number else UNFIT
    if type_name == "QStringList":
        fits = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return list(value) if fits else UNFIT
    if value is None or is_foreign(value):
        return UNFIT
    return value


def is_foreign(value: Any) -> bool:
    """Numbers of numpy and paths are no numbers and texts of Python."""
    return type(value).__module__.partition(".")[0] == "numpy" or isinstance(value, pathlib.PurePath)
