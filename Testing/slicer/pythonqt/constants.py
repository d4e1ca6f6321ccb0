"""Enumerations: PythonQt has whole numbers where PySide6 has members."""

from __future__ import annotations

import enum
from typing import Any

from PySide6 import QtCore

from .listing import NotModelled


class Constant(int):
    """PythonQt's enumerations are whole numbers; PySide6 wants the member back."""

    member: Any

    def __or__(self, other: int) -> int:
        return _joined(self, other, "__or__")

    def __and__(self, other: int) -> int:
        return _joined(self, other, "__and__")

    def __xor__(self, other: int) -> int:
        return _joined(self, other, "__xor__")

    def __invert__(self) -> int:
        return int_of(~self.member) if isinstance(self.member, enum.Flag) else ~int(self)

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__


def _joined(one: Constant, other: int, operation: str) -> int:
    if isinstance(other, Constant) and isinstance(one.member, enum.Flag):
        joined = getattr(one.member, operation)(other.member)
        if joined is not NotImplemented:
            return int_of(joined)
    return int(getattr(int(one), operation)(int(other)))


def int_of(value: Any) -> int:
    """The whole number that PythonQt has for a member of an enumeration."""
    if not isinstance(value, enum.Enum):
        if not isinstance(value, int):
            raise TypeError(f"{value!r} is no constant")
        return value
    constant = Constant(value.value)
    constant.member = value
    return constant


def constant_of(cls: type, name: str) -> int:
    """The constant of that name in a class of PySide6; NotModelled if it is not there."""
    try:
        return int_of(getattr(cls, name))
    except (AttributeError, TypeError) as exc:
        raise NotModelled(f"{cls.__name__}.{name}: a true Slicer has this constant, the stand-in does not") from exc


_NAMESPACE_GROUPS = [
    "AlignmentFlag",
    "ApplicationState",
    "ArrowType",
    "AspectRatioMode",
    "BrushStyle",
    "CaseSensitivity",
    "CheckState",
    "ConnectionType",
    "ContextMenuPolicy",
    "CursorShape",
    "DateFormat",
    "DropAction",
    "FindChildOption",
    "FocusPolicy",
    "FocusReason",
    "GlobalColor",
    "ItemDataRole",
    "ItemFlag",
    "Key",
    "KeyboardModifier",
    "LayoutDirection",
    "MatchFlag",
    "MouseButton",
    "Orientation",
    "PenCapStyle",
    "PenJoinStyle",
    "PenStyle",
    "ScrollBarPolicy",
    "ShortcutContext",
    "SortOrder",
    "TextElideMode",
    "TextFlag",
    "TextFormat",
    "TextInteractionFlag",
    "TimerType",
    "ToolButtonStyle",
    "TransformationMode",
    "WidgetAttribute",
    "WindowModality",
    "WindowState",
    "WindowType",
]


class _Namespace:
    """``qt.Qt``: every constant as a plain whole number."""

    def __getattr__(self, name: str) -> int:
        for group in _NAMESPACE_GROUPS:
            members = getattr(QtCore.Qt, group).__members__
            if name in members:
                return int_of(members[name])
        raise AttributeError(f"qt.Qt has no constant {name} in the stand-in")


NAMESPACE = _Namespace()
