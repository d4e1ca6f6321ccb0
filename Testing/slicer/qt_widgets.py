"""Classes of Qt where PySide6 and PythonQt differ in more than manners."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore

from . import pythonqt


class QProcess(QtCore.QProcess):
    """A child process; as under PythonQt, text may be written to it as well as bytes."""

    def write(self, data: bytes | str) -> int:
        return int(super().write(data.encode() if isinstance(data, str) else data))


class QSettings(QtCore.QSettings):
    """The user's settings, with ``value``'s default by position."""

    def value(self, key: str, default: Any = None) -> Any:
        return super().value(key, default)


pythonqt.register("qt", QProcess, QSettings)
