"""The widgets of CTK and MRML that the panel uses, made of plain Qt, with the properties and signals of the true ones."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from . import pythonqt


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A headline that shows or hides what is below it."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, 22, 0, 0)

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self._hide_children()
        self.setMaximumHeight(24 if collapsed else 16777215)
        self.contentsCollapsed.emit(collapsed)

    def _hide_children(self) -> None:
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(not self._collapsed)

    def _set_text(self, text: str) -> None:
        self._text = text

    def showEvent(self, event: Any) -> None:
        self._hide_children()
        super().showEvent(event)

    def paintEvent(self, _event: Any) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width(), 22)
        option.text = ("▸ " if self._collapsed else "▾ ") + self._text
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)

    text = QtCore.Property(str, lambda self: self._text, _set_text)
    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _set_collapsed)


class ctkPathLineEdit(QtWidgets.QLineEdit):
    """A line for a path. An empty line is no valid path, so emptying it changes validity and tells no path."""

    SIGNATURES = {
        "currentPathChanged": "currentPathChanged(QString)",
        "validInputChanged": "validInputChanged(bool)",
    }
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._was_valid = False
        self.textChanged.connect(self._tell)

    def _tell(self, path: str) -> None:
        is_valid, was_valid = bool(path), self._was_valid
        self._was_valid = is_valid
        if is_valid:
            self.currentPathChanged.emit(path)
        if is_valid != was_valid:
            self.validInputChanged.emit(is_valid)

    currentPath = QtCore.Property(str, lambda self: self.text(), lambda self, path: self.setText(path))


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene."""

    SIGNATURES = {"mrmlSceneChanged": "mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = QtCore.Signal(object)
    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of a module's panel; ``self`` gives the Python side."""

    python_side: Any = None
    entered = False

    def self(self) -> Any:
        return self.python_side

    def reload(self) -> None:
        """A new Python side of the class that the module has now, as Reload makes one."""
        self.python_side = sys.modules["MedDL"].MedDLWidget(pythonqt.Wrapped(self))
        sys.modules["slicer"].modules.MedDLWidget = self.python_side
        self.python_side.setup()

    isEntered = QtCore.Property(bool, lambda self: self.entered)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    """A list of the scene's nodes of some classes, up to date by the scene's events."""

    SIGNATURES = {
        "currentNodeChanged": "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeIDChanged": "currentNodeIDChanged(QString)",
    }
    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._types: list[str] = []
        self._told = ""
        self._flags = {"addEnabled": True, "removeEnabled": True, "noneEnabled": False, "showChildNodeTypes": True}
        self.currentIndexChanged.connect(lambda _index: self._tell())

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
                scene.AddObserver(event, self._update)
        self._update()

    def mrmlScene(self) -> Any:
        return self._scene

    def currentNode(self) -> Any:
        node_id = self.currentData()
        return self._scene.GetNodeByID(node_id) if self._scene is not None and node_id else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str) -> None:
        self.setCurrentIndex(self.findData(node_id or ""))

    def nodeCount(self) -> int:
        return len(self._nodes())

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        every = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        exact = not self._flags["showChildNodeTypes"]
        return [n for n in every if any(n.GetClassName() == t if exact else n.IsA(t) for t in self._types)]

    def _update(self, *event: Any) -> None:
        before, was_empty = self.currentData(), bool(event) and not self.count()
        self.blockSignals(True)
        self.clear()
        if self._flags["noneEnabled"]:
            self.addItem("None", "")
        for node in self._nodes():
            self.addItem(node.GetName(), node.GetID())
        # Qt takes the first line when lines come into an empty list, and a neighbor of one that went;
        # where nothing was selected among others, nothing is.
        fallback = 0 if self.count() and (before or was_empty or self._flags["noneEnabled"]) else -1
        found = self.findData(before) if before else -1
        self.setCurrentIndex(found if found >= 0 else fallback)
        self.blockSignals(False)
        self._tell()

    def _tell(self) -> None:
        node = self.currentNode()
        node_id = node.GetID() if node is not None else ""
        if node_id != self._told:
            self._told = node_id
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node_id)

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)

    def _get_flag(name: str) -> Any:  # type: ignore[misc]
        return QtCore.Property(
            bool, lambda self: self._flags[name], lambda self, value: self._flags.update({name: bool(value)})
        )

    nodeTypes = QtCore.Property("QStringList", lambda self: self._types, _set_types)
    currentNodeID = QtCore.Property(
        str, lambda self: self.currentData() or "", lambda self, i: self.setCurrentNodeID(i)
    )
    addEnabled = _get_flag("addEnabled")
    removeEnabled = _get_flag("removeEnabled")
    noneEnabled = _get_flag("noneEnabled")
    showChildNodeTypes = _get_flag("showChildNodeTypes")


CUSTOM = (ctkCollapsibleButton, ctkPathLineEdit, qMRMLNodeComboBox, qMRMLWidget)


class QUiLoader(QtUiTools.QUiLoader):
    """Reads a ``.ui`` file; a class, property, signal or slot that a true Slicer lacks is refused."""

    def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
        tree = ET.fromstring(Path(file.fileName()).read_text(encoding="utf-8"))
        _require_known_properties(tree)
        connections = tree.find("connections")
        wired = list(connections) if connections is not None else []
        if connections is not None:
            tree.remove(connections)
        for cls in CUSTOM:
            self.registerCustomWidget(cls)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget: QtWidgets.QWidget = super().load(buffer)
        for connection in wired:
            _wire(widget, *(str(connection.findtext(key)) for key in ("sender", "signal", "receiver", "slot")))
        return widget


def _require_known_properties(tree: ET.Element) -> None:
    custom = {cls.__name__: cls for cls in CUSTOM}
    for widget in tree.iter("widget"):
        cls = custom.get(widget.get("class", "")) or getattr(QtWidgets, widget.get("class", ""))
        known = pythonqt.Listing(cls).properties
        for item in widget.findall("property"):
            if item.get("stdset") != "0" and item.get("name") not in known:
                raise ValueError(f"{widget.get('class')} has no property {item.get('name')}")


def _wire(root: QtWidgets.QWidget, sender: str, signal: str, receiver: str, slot: str) -> None:
    def named(name: str) -> Any:
        return root if root.objectName() == name else root.findChild(QtCore.QObject, name)

    target = named(receiver)
    if slot.partition("(")[0] not in pythonqt.Listing(type(target)).methods:
        raise ValueError(f"{receiver} has no slot {slot}")
    if not pythonqt.Wrapped(named(sender)).connect(signal, getattr(target, slot.partition("(")[0])):
        raise ValueError(f"{sender} has no signal {signal}")


pythonqt.register("ctk", ctkCollapsibleButton, ctkPathLineEdit)
pythonqt.register("slicer", qMRMLNodeComboBox, qMRMLWidget, qSlicerScriptedLoadableModuleWidget)
pythonqt.register("qt", QUiLoader)
