"""Writes the part of a full PythonQt API listing that the stand-in knows: ``python -m Testing.slicer.reduce_api FULL.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

API = Path(__file__).with_name("pythonqt_api.json")
QT = (
    "QByteArray QColor QComboBox QFile QFormLayout QHeaderView QIcon QLabel QLineEdit QObject QProcess "
    "QProcessEnvironment QProgressBar QPushButton QSettings QTableWidget QTableWidgetItem QTimer QUiLoader QVBoxLayout QWidget"
)
CTK = "ctkCollapsibleButton ctkPathLineEdit"
SLICER = "qMRMLNodeComboBox qMRMLWidget qSlicerModuleManager qSlicerScriptedLoadableModule qSlicerScriptedLoadableModuleWidget"
KNOWN = [
    f"{module}.{name}" for module, names in (("qt", QT), ("ctk", CTK), ("slicer", SLICER)) for name in names.split()
]


def reduce_api(full: dict[str, object]) -> dict[str, object]:
    """The entries of the classes that the stand-in has."""
    return {name: full[name] for name in KNOWN}


if __name__ == "__main__":
    reduced = reduce_api(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    API.write_text(json.dumps(reduced, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
