"""The widgets of CTK, made of plain Qt, with the properties and signals of the true ones."""

from __future__ import annotations

import fnmatch
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from . import dialogs, pythonqt

_Alignment = QtCore.Qt.AlignmentFlag
_HIDDEN_BY_ITSELF = "visibilityToParent"  # the property in which the true ones remember it, too


def _stored(kind: Any, name: str, default: Any) -> Any:
    """A property that is no more than a value."""
    return QtCore.Property(
        kind, lambda self: getattr(self, f"_{name}", default), lambda self, value: setattr(self, f"_{name}", value)
    )


class _Collapsing:
    """Shows or hides its children, and remembers which of them were hidden on their own account."""

    _is_forcing = False

    def _show_children(self, visible: bool) -> None:
        self._is_forcing = True
        for child in self.children():  # type: ignore[attr-defined]
            if isinstance(child, QtWidgets.QWidget) and not child.isWindow():
                wanted = child.property(_HIDDEN_BY_ITSELF)
                child.setVisible(visible and wanted is not False)
                if wanted is not False:
                    child.setAttribute(QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        self._is_forcing = False

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if child is not None and child.isWidgetType():
            if event.added():
                child.installEventFilter(self)  # type: ignore[arg-type]
            elif event.removed():
                child.removeEventFilter(self)  # type: ignore[arg-type]
        super().childEvent(event)  # type: ignore[misc]

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        told = {QtCore.QEvent.Type.ShowToParent: True, QtCore.QEvent.Type.HideToParent: False}.get(event.type())
        if told is not None and not self._is_forcing:
            child.setProperty(_HIDDEN_BY_ITSELF, told)
            if told and self.collapsed:  # type: ignore[attr-defined]
                self._show_children(False)
        return False

    def showEvent(self, event: Any) -> None:
        self._show_children(not self.collapsed)  # type: ignore[attr-defined]
        super().showEvent(event)  # type: ignore[misc]


class ctkCollapsibleButton(_Collapsing, QtWidgets.QAbstractButton):
    """A headline that shows or hides what is below it."""

    contentsCollapsed = QtCore.Signal(bool)
    HEIGHT = 24

    def __init__(self, *arguments: Any) -> None:
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        super().__init__(*arguments[1 if text else 0 :])
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self._was_collapsed, self._open_height = False, self.maximumHeight()
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Minimum, policy.Preferred)
        self.setContentsMargins(0, self.HEIGHT, 0, 0)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    def _set_collapsed(self, collapsed: bool) -> None:
        if self.isCheckable():
            self.setChecked(not collapsed)
        else:
            self._collapse(collapsed)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._was_collapsed:
            return
        self._was_collapsed = collapsed
        if collapsed:
            self._open_height = self.maximumHeight()
        self.setMaximumHeight(self.sizeHint().height() if collapsed else self._open_height)
        self._show_children(not collapsed)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def sizeHint(self) -> QtCore.QSize:
        inner = QtCore.QSize() if self._was_collapsed or self.layout() is None else self.layout().totalSizeHint()
        return inner.expandedTo(QtCore.QSize(80, self.HEIGHT + self.collapsedHeight))

    def minimumSizeHint(self) -> QtCore.QSize:
        inner = QtCore.QSize() if self._was_collapsed or self.layout() is None else self.layout().totalMinimumSize()
        return inner.expandedTo(QtCore.QSize(80, self.HEIGHT))

    def paintEvent(self, _event: Any) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), self.HEIGHT - 2)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, option)
        text = ("▸ " if self._was_collapsed else "▾ ") + self.text()
        painter.drawItemText(option.rect.adjusted(6, 0, 0, 0), _Alignment.AlignVCenter, self.palette(), True, text)

    collapsed = QtCore.Property(bool, lambda self: self._was_collapsed, _set_collapsed)
    collapsedHeight = _stored(int, "collapsed_height", 10)
    contentsFrameShape = _stored(int, "frame_shape", 0)
    contentsFrameShadow = _stored(int, "frame_shadow", 16)
    contentsLineWidth = _stored(int, "line_width", 1)
    contentsMidLineWidth = _stored(int, "mid_line_width", 0)
    buttonTextAlignment = _stored(int, "text_alignment", 0x81)
    indicatorAlignment = _stored(int, "indicator_alignment", 0x81)


class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """The same, of the MRML widgets."""

    SIGNATURES = {"mrmlSceneChanged": "mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)


class ctkCollapsibleGroupBox(_Collapsing, QtWidgets.QGroupBox):
    """A group box whose tick shows or hides what is in it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setCheckable(True)
        self.setChecked(True)
        self._open_height = self.maximumHeight()
        self.toggled.connect(self._expand)

    def _expand(self, checked: bool) -> None:
        if not checked:
            self._open_height = self.maximumHeight()
        self.setMaximumHeight(self._open_height if checked else self.fontMetrics().height() + self.collapsedHeight)
        self._show_children(checked)

    collapsed = QtCore.Property(
        bool, lambda self: not self.isChecked(), lambda self, collapsed: self.setChecked(not collapsed)
    )
    collapsedHeight = _stored(int, "collapsed_height", 14)


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that says something while nothing is chosen."""

    defaultText = _stored(str, "default_text", "")
    forceDefault = _stored(bool, "force_default", False)


class ctkSearchBox(QtWidgets.QLineEdit):
    """A line to search with."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)

    showSearchIcon = _stored(bool, "show_search_icon", False)


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text as high as its content. The part behind "Show details..." is not modelled."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Preferred, policy.Fixed)
        self.textChanged.connect(self.updateGeometry)

    def sizeHint(self) -> QtCore.QSize:
        document = self.document().clone()
        document.setTextWidth(max(self.viewport().width(), 100))
        return QtCore.QSize(max(self.width(), 100), int(document.size().height()) + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(100, self.sizeHint().height())

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.updateGeometry()


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path. An empty line is no valid path, so emptying it changes validity and tells no path."""

    SIGNATURES = {
        "currentPathChanged": "currentPathChanged(QString)",
        "validInputChanged": "validInputChanged(bool)",
    }
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    MAX_HISTORY = 5

    def __init__(self, *arguments: Any) -> None:
        parent = arguments[-1] if arguments and isinstance(arguments[-1], QtWidgets.QWidget) else None
        super().__init__(parent)
        given = [argument for argument in arguments if argument is not parent]
        self._label = given[0] if given else ""
        self._name_filters = list(given[1]) if len(given) > 1 else []
        self._filters = given[2] if len(given) > 2 else _PATHS.AllEntries | _PATHS.NoDotAndDotDot | _PATHS.Readable
        self._was_valid = False
        self._line, self._button = QtWidgets.QComboBox(self), QtWidgets.QToolButton(self)
        self._line.setEditable(True)
        self._line.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._line.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._button.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._line)
        layout.addWidget(self._button)
        self.setFocusProxy(self._line)
        self.retrieveHistory()  # of lines without a name: it has none yet
        self._line.lineEdit().textChanged.connect(self._tell)
        self._button.clicked.connect(self.browse)

    def sizeHint(self) -> QtCore.QSize:
        return self._at_least_as_wide_as_its_path(super().sizeHint(), self.sizeAdjustPolicy != 2)

    def minimumSizeHint(self) -> QtCore.QSize:
        return self._at_least_as_wide_as_its_path(super().minimumSizeHint(), self.minimumContentsLength == 0)

    def _at_least_as_wide_as_its_path(self, hint: QtCore.QSize, is_whole: bool) -> QtCore.QSize:
        width = self.fontMetrics().boundingRect(self._line.currentText()).width() if is_whole else 0
        return hint.expandedTo(QtCore.QSize(width + self._button.minimumSizeHint().width(), 0))

    def setCurrentPath(self, path: str) -> None:
        self._line.lineEdit().setText(path)

    def browse(self) -> None:
        choice = dialogs.QFileDialog
        if not self._filters & _PATHS.Files:
            path = choice.getExistingDirectory(self, "Select a directory...")
        elif self._filters & _PATHS.Writable:
            path = choice.getSaveFileName(self, "Select a file to save ")
        else:
            path = choice.getOpenFileName(self, "Open a file")
        if path:
            self.setCurrentPath(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._line

    def addCurrentPathToHistory(self) -> None:
        path = self._line.currentText()
        if not path:
            return
        history = [path, *(old for old in self._history() if old != path)]
        QtCore.QSettings().setValue(self._key(), history)
        self.retrieveHistory()

    def retrieveHistory(self) -> None:
        path, was_blocked = self._line.currentText(), self.blockSignals(True)
        self._line.clear()
        self._line.addItems(self._history()[: self.MAX_HISTORY])
        if path:
            self.setCurrentPath(path)
        self.blockSignals(was_blocked)

    def _history(self) -> list[str]:
        stored = QtCore.QSettings().value(self._key(), [])
        return [stored] if isinstance(stored, str) else list(stored or [])

    def _key(self) -> str:
        return f"ctkPathLineEdit/{self.settingKey or self.objectName()}"

    def _tell(self, path: str) -> None:
        patterns = [pattern for part in self._name_filters for pattern in part.partition("(")[2].rstrip(")").split()]
        fits = not patterns or any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
        is_valid, was_valid = bool(path) and fits, self._was_valid
        self._was_valid = is_valid
        if is_valid:
            self.currentPathChanged.emit(path)
        if is_valid != was_valid:
            self.validInputChanged.emit(is_valid)

    def _set_filters(self, filters: Any) -> None:
        self._filters = QtCore.QDir.Filter(int(filters)) if isinstance(filters, int) else filters

    currentPath = QtCore.Property(str, lambda self: self._line.currentText(), setCurrentPath)
    label = _stored(str, "label", "")
    nameFilters = _stored("QStringList", "name_filters", [])
    filters = QtCore.Property(int, lambda self: int(self._filters.value), _set_filters)
    options = _stored(int, "options", 0)
    settingKey = _stored(str, "setting_key", "")
    minimumContentsLength = QtCore.Property(
        int, lambda self: self._line.minimumContentsLength(), lambda self, n: self._line.setMinimumContentsLength(n)
    )
    showBrowseButton = QtCore.Property(
        bool, lambda self: not self._button.isHidden(), lambda self, shown: self._button.setVisible(shown)
    )
    showHistoryButton = _stored(bool, "show_history", True)
    sizeAdjustPolicy = _stored(int, "size_adjust", 1)


_PATHS = QtCore.QDir.Filter
for _name in [
    "AllDirs",
    "AllEntries",
    "CaseSensitive",
    "Dirs",
    "Drives",
    "Executable",
    "Files",
    "Hidden",
    "Modified",
    "NoDot",
    "NoDotAndDotDot",
    "NoDotDot",
    "NoFilter",
    "NoSymLinks",
    "Readable",
    "System",
    "Writable",
]:
    setattr(ctkPathLineEdit, _name, getattr(_PATHS, _name))
for _value, _name in enumerate(("AdjustToContents", "AdjustToContentsOnFirstShow", "AdjustToMinimumContentsLength")):
    setattr(ctkPathLineEdit, _name, _value)


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that says a folder, and asks for another when it is pressed."""

    SIGNATURES = {
        "directoryChanged": "directoryChanged(QString)",
        "directorySelected": "directorySelected(QString)",
    }
    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, *arguments: Any) -> None:
        directory = arguments[0] if arguments and isinstance(arguments[0], str) else "."
        super().__init__(*(argument for argument in arguments if not isinstance(argument, str)))
        self._button = QtWidgets.QPushButton(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._button.clicked.connect(self.browse)
        self._directory = QtCore.QDir(directory).absolutePath()
        self._button.setText(self._directory)

    def browse(self) -> None:
        path = dialogs.QFileDialog.getExistingDirectory(self, self.caption or "Select a directory")
        if path:
            self._set_directory(path)
            self.directorySelected.emit(path)

    def _set_directory(self, directory: str) -> None:
        directory = QtCore.QDir(directory).absolutePath()
        if directory != self._directory:
            self._directory = directory
            self._button.setText(self.text or directory)
            self.directoryChanged.emit(directory)

    directory = QtCore.Property(str, lambda self: self._directory, _set_directory)
    caption = _stored(str, "caption", "")
    text = _stored(str, "text", "")
    acceptMode = _stored(int, "accept_mode", 0)
    elideMode = _stored(int, "elide_mode", 3)
    options = _stored(int, "options", 1)
    icon = QtCore.Property(QtGui.QIcon, lambda self: self._button.icon(), lambda self, icon: self._button.setIcon(icon))


pythonqt.register(
    "ctk",
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkComboBox,
    ctkDirectoryButton,
    ctkFittedTextBrowser,
    ctkPathLineEdit,
    ctkSearchBox,
)
pythonqt.register("slicer", qMRMLCollapsibleButton)
