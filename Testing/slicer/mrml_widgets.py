"""The widgets that know the scene, made of plain Qt, after the source of the true ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_OBJECT

from . import dialogs, pythonqt

_NODE_ID = QtCore.Qt.ItemDataRole.UserRole + 1
Tie = tuple[Any, int, Any]  # subject, tag, event
observers: list[Tie] = []  # what the stand-in's own widgets observe; a true one's are in C++


def observe(subject: Any, event: Any, callback: Callable[..., None]) -> Tie:
    """An observer of the stand-in itself."""
    observers.append((subject, int(subject.AddObserver(event, callback)), event))
    return observers[-1]


def unobserve(tied: list[Tie]) -> None:
    """Take these observers away."""
    for tie in tied:
        tie[0].RemoveObserver(tie[1])
        observers.remove(tie)
    tied.clear()


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene."""

    SIGNATURES = {"mrmlSceneChanged": "mrmlSceneChanged(vtkMRMLScene*)"}
    mrmlSceneChanged = QtCore.Signal(object)
    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent of a module's panel; ``self`` gives the Python side."""

    python_side: Any = None
    entered = False
    module_name = ""

    def self(self) -> Any:
        return self.python_side

    def enter(self) -> None:
        self.entered = True
        self.python_side.enter()

    def exit(self) -> None:
        self.entered = False
        self.python_side.exit()

    def reload(self) -> None:
        """A new Python side of the class that the module has now, as Reload makes one."""
        name = f"{self.module_name}Widget"
        self.python_side = getattr(sys.modules[self.module_name], name)(pythonqt.Wrapped(self))
        setattr(sys.modules["slicer"].modules, name, self.python_side)
        self.python_side.setup()

    isEntered = QtCore.Property(bool, lambda self: self.entered)
    moduleName = QtCore.Property(str, lambda self: self.module_name)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A list of the scene's nodes of some classes.

    As in the true one: it follows each node that comes, goes or is renamed, also during batch
    processing, but not while the scene closes; without a scene it is disabled and remembers what it is
    asked to choose; the first node that comes into an empty list is chosen; when the chosen one goes,
    the next in the list is, or the last.
    """

    SIGNATURES = {
        "currentNodeChanged": "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeIDChanged": "currentNodeIDChanged(QString)",
        "currentNodeRenamed": "currentNodeRenamed(QString)",
        "nodeAboutToBeEdited": "nodeAboutToBeEdited(vtkMRMLNode*)",
        "nodeAboutToBeRemoved": "nodeAboutToBeRemoved(vtkMRMLNode*)",
        "nodeActivated": "nodeActivated(vtkMRMLNode*)",
        "nodeAdded": "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser": "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAddedByUserAction": "nodeAddedByUserAction(vtkMRMLNode*)",
    }
    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    currentNodeRenamed = QtCore.Signal(str)
    nodeAboutToBeEdited = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._types: list[str] = []
        self._hidden_types: list[str] = []
        self._attributes: dict[tuple[str, str], Any] = {}
        self._labels: dict[str, str] = {}
        self._base_names: dict[str, str] = {}
        self._flags = {"addEnabled": True, "removeEnabled": True, "editEnabled": False, "renameEnabled": False}
        self._flags |= {"noneEnabled": False, "showChildNodeTypes": True, "showHidden": False}
        self._flags |= {"selectNodeUponCreation": True}
        self._none_display = "None"
        self._requested = ""
        self._is_switching = False
        self._scene_ties: list[Tie] = []
        self._name_ties: dict[str, list[Tie]] = {}
        self._combo = QtWidgets.QComboBox(self)
        self._model = QtGui.QStandardItemModel(self._combo)
        self._combo.setModel(self._model)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._combo.currentIndexChanged.connect(lambda _index: self._tell())
        self._combo.activated.connect(self._on_activated)
        # The object may be gone before its ties are cut: only what Python holds is used then.
        ties, names = self._scene_ties, self._name_ties
        self.destroyed.connect(lambda *_: _cut_all(ties, names))
        self.setEnabled(False)

    # -- the scene --------------------------------------------------------------------------------------

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        before, had_nodes = self.currentNodeID, self.nodeCount() > 0
        self._is_switching = True
        self._set_scene(scene)
        self._is_switching = False
        chosen = before if had_nodes else self._requested or self.currentNodeID
        self._requested = ""
        self._choose(chosen)
        if chosen == self.currentNodeID != before:
            self._tell()
        self.setEnabled(scene is not None)

    def _set_scene(self, scene: Any) -> None:
        _cut_all(self._scene_ties, self._name_ties)
        self._scene = scene
        if scene is not None:
            events = {
                scene.NodeAddedEvent: self._on_added,
                scene.NodeAboutToBeRemovedEvent: self._on_removed,
                scene.EndCloseEvent: self._on_closed,
            }
            self._scene_ties.extend(observe(scene, event, call) for event, call in events.items())
        self._fill()

    def mrmlScene(self) -> Any:
        return self._scene

    @calldata_type(VTK_OBJECT)
    def _on_added(self, _scene: Any, _event: str, node: Any) -> None:
        if self._is_wanted(node) and self._row(node.GetID()) < 0:
            self._insert(node)
            self.nodeAdded.emit(node)

    @calldata_type(VTK_OBJECT)
    def _on_removed(self, scene: Any, _event: str, node: Any) -> None:
        if scene.IsClosing():
            return
        row = self._row(node.GetID())
        if row >= 0:
            self.nodeAboutToBeRemoved.emit(node)
            unobserve(self._name_ties.pop(node.GetID(), []))
            self._model.removeRow(row)
            self._refresh_if_gone()

    def _on_closed(self, *_event: Any) -> None:
        self._fill()
        self._refresh_if_gone()

    def _refresh_if_gone(self) -> None:
        if self.currentNode() is None:
            self.setCurrentNode(None)

    def _wanted(self) -> list[Any]:
        if self._scene is None:
            return []
        every = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in every if self._is_wanted(node)]

    def _is_wanted(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(hidden) for hidden in self._hidden_types):
            return False
        of_type = node.IsA if self.showChildNodeTypes else lambda name: node.GetClassName() == name
        if not any(of_type(name) for name in self._types):
            return False
        asked = [(name, value) for (kind, name), value in self._attributes.items() if node.IsA(kind)]
        return all(node.GetAttribute(name) == (value or node.GetAttribute(name) or "") for name, value in asked)

    # -- the list ---------------------------------------------------------------------------------------

    def _fill(self) -> None:
        item = self._model.item(self._combo.currentIndex())
        chosen = item.data(_NODE_ID) if item is not None else ""
        for ties in self._name_ties.values():
            unobserve(ties)
        self._name_ties.clear()
        was_blocked = self._combo.blockSignals(True)
        self._model.clear()
        if self._flags["noneEnabled"] and self._scene is not None:
            self._model.appendRow(_line(self._none_display, ""))
        self._append_actions()
        for node in self._wanted():
            self._insert(node)
        self._choose(chosen)
        self._combo.blockSignals(was_blocked)
        if chosen not in {self.currentNodeID, _ACTION}:
            self._tell()

    def _insert(self, node: Any) -> None:
        ends = [row for row in range(self._model.rowCount()) if self._model.item(row).data(_NODE_ID) == _ACTION]
        was_first = not self._ids() and not self._flags["noneEnabled"]
        self._model.insertRow(ends[0] if ends else self._model.rowCount(), _line(node.GetName(), node.GetID()))
        modified = observe(node, "ModifiedEvent", lambda *_: self._on_renamed(node))
        self._name_ties[node.GetID()] = [modified]
        if was_first and self._combo.currentIndex() < 0 and not ends:
            self._combo.setCurrentIndex(0)

    def _on_renamed(self, node: Any) -> None:
        row = self._row(node.GetID())
        item = self._model.item(row) if row >= 0 else None
        if item is None or self._scene is None or self._scene.IsClosing() or item.text() == (node.GetName() or ""):
            return
        item.setText(node.GetName() or "")
        if row == self._combo.currentIndex():
            self._tell()  # the text of the chosen line changed, and the true one listens to that

    def _append_actions(self) -> None:
        if self._scene is None or not any(self._flags[name] for name in _ACTION_FLAGS):
            return
        texts = ["Rename current node"] if self._flags["renameEnabled"] else []
        texts += ["Edit current node"] if self._flags["editEnabled"] else []
        texts += [f"Create new {self.nodeTypeLabel(kind)}" for kind in self._types] if self._flags["addEnabled"] else []
        texts += ["Delete current node"] if self._flags["removeEnabled"] else []
        for text in texts:
            self._model.appendRow(_line(text, _ACTION))

    def _ids(self) -> list[str]:
        ids = [self._model.item(row).data(_NODE_ID) for row in range(self._model.rowCount())]
        return [node_id for node_id in ids if node_id not in {"", _ACTION}]

    def _row(self, node_id: str) -> int:
        rows = range(self._model.rowCount())
        return next((row for row in rows if node_id and self._model.item(row).data(_NODE_ID) == node_id), -1)

    def _tell(self) -> None:
        if self._is_switching:
            return
        node, index = self.currentNode(), self._combo.currentIndex()
        if node is None and index != (0 if self._flags["noneEnabled"] else -1):
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged.emit(node)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    # -- what is chosen ---------------------------------------------------------------------------------

    def currentNode(self) -> Any:
        item = self._model.item(self._combo.currentIndex())
        node_id = item.data(_NODE_ID) if item is not None else ""
        return self._scene.GetNodeByID(node_id) if self._scene is not None and node_id else None

    def setCurrentNode(self, node: Any) -> None:
        self._require_node(node)
        self.setCurrentNodeID((node.GetID() or "") if node is not None else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        if self._scene is None:
            self._requested = node_id or ""
        self._choose(node_id or "")

    def setCurrentNodeIndex(self, index: int) -> None:
        wanted = index if index < self.nodeCount() else -1
        self._combo.setCurrentIndex(wanted + self._flags["noneEnabled"])

    def _choose(self, node_id: str) -> None:
        row = self._row(node_id)
        nothing = 0 if self._flags["noneEnabled"] and self._scene is not None else -1
        self._combo.setCurrentIndex(row if row >= 0 else nothing)

    @staticmethod
    def _require_node(node: Any) -> None:
        if node is not None and not hasattr(node, "GetID"):
            raise TypeError("setCurrentNode takes a node")

    def nodeCount(self) -> int:
        return len(self._ids())

    def nodeFromIndex(self, index: int) -> Any:
        ids = self._ids()
        return self._scene.GetNodeByID(ids[index]) if 0 <= index < len(ids) else None

    def _on_activated(self, index: int) -> None:
        item = self._model.item(index)
        if item.data(_NODE_ID) != _ACTION:
            self.nodeActivated.emit(self.currentNode())

    # -- nodes made here --------------------------------------------------------------------------------

    def addNode(self, kind: str = "") -> Any:
        kind = kind or next(iter(self._types), "")
        if kind not in self._types or self._scene is None:
            return None
        default = self._scene.CreateNodeByClass(kind)
        name = self._base_names.get(kind) or default.GetNodeTagName()
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(name))
        for (type_name, attribute), value in self._attributes.items():
            if type_name == kind and value:
                node.SetAttribute(attribute, str(value))
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    def editCurrentNode(self) -> None:
        self.nodeAboutToBeEdited.emit(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        name = dialogs.QInputDialog.getText(self, "Rename node", "New name:") if node is not None else ""
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def addAttribute(self, kind: str, name: str, value: Any = None) -> None:
        self._attributes[kind, name] = value
        self._fill()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._attributes.pop((kind, name), None)
        self._fill()

    def setNodeTypeLabel(self, label: str, kind: str) -> None:
        self._labels[kind] = label
        self._fill()

    def nodeTypeLabel(self, kind: str) -> str:
        label = self._labels.get(kind, "")
        if not label and self._scene is not None:
            label = self._scene.GetTypeDisplayNameByClassName(kind)
        return label or "node"

    # -- properties -------------------------------------------------------------------------------------

    def _set_types(self, types: list[str]) -> None:
        self._types = [name for name in types if name]
        self._fill()

    def _set_hidden_types(self, types: list[str]) -> None:
        self._hidden_types = list(types)
        self._fill()

    def _set_none_display(self, text: str) -> None:
        self._none_display = text
        self._fill()

    def _set_base_name(self, name: str) -> None:
        if not self._types:
            print("qMRMLNodeComboBox::setBaseName failed: no node types have been set yet")
        self._base_names = dict.fromkeys(self._types, name)

    def _set_flag(self, name: str, value: bool) -> None:
        if self._flags[name] != bool(value):
            self._flags[name] = bool(value)
            self._fill()

    @staticmethod
    def _flag(name: str) -> Any:
        return QtCore.Property(bool, lambda self: self._flags[name], lambda self, value: self._set_flag(name, value))

    nodeTypes = QtCore.Property("QStringList", lambda self: self._types, _set_types)
    hideChildNodeTypes = QtCore.Property("QStringList", lambda self: self._hidden_types, _set_hidden_types)
    noneDisplay = QtCore.Property(str, lambda self: self._none_display, _set_none_display)
    baseName = QtCore.Property(str, lambda self: next(iter(self._base_names.values()), ""), _set_base_name)
    currentNodeID = QtCore.Property(
        str,
        lambda self: node.GetID() if (node := self.currentNode()) is not None else "",
        lambda self, node_id: self.setCurrentNodeID(node_id),
    )
    sizeAdjustPolicy = QtCore.Property(
        int,
        lambda self: self._combo.sizeAdjustPolicy().value,
        lambda self, policy: self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy(int(policy))),
    )
    addEnabled = _flag("addEnabled")
    editEnabled = _flag("editEnabled")
    noneEnabled = _flag("noneEnabled")
    removeEnabled = _flag("removeEnabled")
    renameEnabled = _flag("renameEnabled")
    selectNodeUponCreation = _flag("selectNodeUponCreation")
    showChildNodeTypes = _flag("showChildNodeTypes")
    showHidden = _flag("showHidden")


_ACTION = "action"
_ACTION_FLAGS = ("addEnabled", "removeEnabled", "editEnabled", "renameEnabled")


def _line(text: str, node_id: str) -> QtGui.QStandardItem:
    item = QtGui.QStandardItem(text)
    item.setData(node_id, _NODE_ID)
    return item


def _cut_all(ties: list[Tie], names: dict[str, list[Tie]]) -> None:
    unobserve(ties)
    for tied in names.values():
        unobserve(tied)
    names.clear()


pythonqt.register("slicer", qMRMLNodeComboBox, qMRMLWidget, qSlicerScriptedLoadableModuleWidget)
