"""Writes the part of a true Slicer's API listing that the stand-in knows.

``python -m Testing.slicer.reduce_api pythonqt_api.json python_api.md``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

API = Path(__file__).with_name("pythonqt_api.json")
QT = (
    "QAbstractItemView QAction QActionGroup QApplication QBrush QButtonGroup QByteArray QCheckBox QClipboard QColor QComboBox "
    "QCompleter QCoreApplication QCursor QDateTime QDesktopServices QDialog QDialogButtonBox QDir QDoubleSpinBox QElapsedTimer "
    "QEvent QFile QFileDialog QFileInfo QFont QFormLayout QFrame QGridLayout QGroupBox QHBoxLayout QHeaderView QIcon QImage "
    "QInputDialog QKeySequence QLabel QLineEdit QListView QListWidget QListWidgetItem QMainWindow QMenu QMessageBox QObject "
    "QPainter QPen QPixmap QPlainTextEdit QPoint QProcess QProcessEnvironment QProgressBar QProgressDialog QPushButton "
    "QRadioButton QRect QScrollArea QSettings QShortcut QSize QSizePolicy QSlider QSpacerItem QSpinBox QSplitter QStackedWidget "
    "QStandardPaths QSysInfo QTabWidget QTableView QTableWidget QTableWidgetItem QTextBrowser QTextCursor QTextDocument "
    "QTextEdit QThread QTimer QToolButton QTreeView QTreeWidget QTreeWidgetItem QUiLoader QUrl QVBoxLayout QValidator QWidget"
)
CTK = (
    "ctkCollapsibleButton ctkCollapsibleGroupBox ctkComboBox ctkDirectoryButton ctkFittedTextBrowser ctkMessageBox "
    "ctkPathLineEdit ctkSearchBox"
)
SLICER = (
    "qMRMLCollapsibleButton qMRMLNodeComboBox qMRMLSliceWidget qMRMLThreeDWidget qMRMLWidget qSlicerLayoutManager "
    "qSlicerModuleManager qSlicerScriptedLoadableModule qSlicerScriptedLoadableModuleWidget"
)
KNOWN = [
    f"{module}.{name}" for module, names in (("qt", QT), ("ctk", CTK), ("slicer", SLICER)) for name in names.split()
]


def reduce_api(full: dict[str, object], python_api: str) -> dict[str, object]:
    """The entries of the classes that the stand-in has, and the names that ``slicer.app`` has."""
    _, _, after = python_api.partition("## slicer.app")
    names = after.split("\n## ")[0].partition("\n")[2]
    return {name: full[name] for name in KNOWN} | {"slicer.app": sorted(names.replace("\n", " ").split(", "))}


if __name__ == "__main__":
    listing, functions = (Path(path).read_text(encoding="utf-8") for path in sys.argv[1:3])
    reduced = reduce_api(json.loads(listing), functions)
    API.write_text(json.dumps(reduced, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
