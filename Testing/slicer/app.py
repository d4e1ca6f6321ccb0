"""``slicer.app`` and what hangs on it: options, signals, readers and writers, module manager, main window, views."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer as headless
from PySide6 import QtCore, QtWidgets
from vtkmodules.vtkCommonCore import vtkCollection

from . import pythonqt

SLICE_VIEWS = ("Red", "Green", "Yellow")
_LISTED = set(pythonqt.API["slicer.app"]) | pythonqt.listing_of(QtWidgets.QApplication).methods
_LISTED |= pythonqt.listing_of(QtWidgets.QApplication).properties | {"connect", "disconnect"}


class Signals:
    """Signals of an object that is no QObject here: known names only, slots called with PythonQt's care."""

    def __init__(self, *signatures: str) -> None:
        self._slots: dict[str, list[Callable[..., Any]]] = {signature: [] for signature in signatures}

    def connect(self, signature: str, slot: Callable[..., Any]) -> bool:
        full = pythonqt.normalized(signature)[1]
        if full not in self._slots:
            pythonqt.failed_connections.append(signature)
            return False
        self._slots[full].append(slot)
        return True

    def disconnect(self, signature: str, slot: Callable[..., Any]) -> bool:
        slots = self._slots.get(pythonqt.normalized(signature)[1], [])
        if slot not in slots:
            return False
        slots.remove(slot)
        return True

    def emit(self, signature: str, *arguments: Any) -> None:
        for slot in list(self._slots[signature]):
            pythonqt.guarded(slot, len(arguments))(*arguments)

    def count(self, signature: str) -> int:
        return len(self._slots[signature])


class App:
    """``slicer.app``: what the listing names and the stand-in models; anything else is an AttributeError."""

    def __init__(self, version: tuple[int, int], folder: Path, *, main_window: bool, testing: bool) -> None:
        self.majorVersion, self.minorVersion = version
        self.applicationVersion = f"{version[0]}.{version[1]}.0"
        self.applicationName = self.mainApplicationName = "Slicer"
        self.temporaryPath = self.cachePath = str(folder)
        self.defaultScenePath = self.slicerHome = str(folder)
        self.status: int | None = None
        self.window = MainWindow() if main_window else None
        self.signals = Signals(
            "startupCompleted()", "aboutToQuit()", "lastWindowClosed()", "mrmlSceneChanged(vtkMRMLScene*)"
        )
        self._modules = ModuleManager()
        self._options = SimpleNamespace(
            runPythonAndExit=False, noMainWindow=not main_window, isTestingEnabled=testing, noSplash=True
        )
        self._testing = testing
        self._layout: LayoutManager | None = None
        self._logic: Any = None
        self.environment_at_start: Mapping[str, str] = dict(os.environ)
        self.on_quit: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        if name in _LISTED:
            raise pythonqt.NotModelled(f"slicer.app.{name}: a true Slicer has this, the stand-in does not")
        raise AttributeError(f"slicer.app has no attribute {name}")

    @property
    def at_start(self) -> list[Callable[[], None]]:
        """What wants to be called when the application has started."""
        return list(self.signals._slots["startupCompleted()"])

    def connect(self, signature: str, slot: Callable[..., Any]) -> bool:
        return self.signals.connect(signature, slot)

    def disconnect(self, signature: str, slot: Callable[..., Any]) -> bool:
        return self.signals.disconnect(signature, slot)

    @property
    def aboutToQuit(self) -> Any:
        return SimpleNamespace(connect=lambda slot: self.connect("aboutToQuit()", slot))

    @property
    def startupCompleted(self) -> Any:
        return SimpleNamespace(connect=lambda slot: self.connect("startupCompleted()", slot))

    def startupEnvironment(self) -> Any:
        known = self.environment_at_start
        return SimpleNamespace(keys=lambda: list(known), value=lambda name: known.get(name, ""))

    environment = startupEnvironment

    def commandOptions(self) -> Any:
        return self._options

    def testingEnabled(self) -> bool:
        return self._testing

    def exit(self, status: int = 0) -> None:
        self.status = status
        self.on_quit()

    def quit(self) -> None:
        self.exit(0)

    def restart(self) -> None:
        self.exit(0)

    def moduleManager(self) -> ModuleManager:
        return self._modules

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def topLevelWidgets(self) -> list[Any]:
        return [self.window] if self.window is not None else []

    def coreIOManager(self) -> Any:
        return InputOutput()

    ioManager = coreIOManager

    def layoutManager(self) -> LayoutManager | None:
        if self._layout is None and self.window is not None:
            self._layout = LayoutManager()
        return self._layout

    def applicationLogic(self) -> Any:
        if self._logic is None:
            self._logic = headless.vtkSlicerApplicationLogic()
            self._logic.SetMRMLScene(sys.modules["slicer"].mrmlScene)
        return self._logic

    def mrmlScene(self) -> Any:
        return sys.modules["slicer"].mrmlScene

    def settings(self) -> Any:
        return sys.modules["qt"].QSettings()

    userSettings = revisionUserSettings = settings

    def clipboard(self) -> Any:
        return sys.modules["qt"].QApplication.clipboard()

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(QtCore.Qt.CursorShape(int(cursor)))

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def pauseRender(self) -> None:
        self.renders_paused = getattr(self, "renders_paused", 0) + 1

    def resumeRender(self) -> None:
        self.renders_paused -= 1

    def setRenderPaused(self, paused: bool) -> None:
        self.pauseRender() if paused else self.resumeRender()

    def toSlicerHomeAbsolutePath(self, path: str) -> str:
        return str(Path(self.slicerHome, path))


class ModuleManager:
    """The modules by name, and the signal that one of them goes."""

    def __init__(self) -> None:
        self.modules: dict[str, Any] = {}
        self.signals = Signals("moduleAboutToBeUnloaded(QString)", "moduleLoaded(QString)")
        self.connect, self.disconnect = self.signals.connect, self.signals.disconnect

    def module(self, name: str) -> Any:
        return self.modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self.modules)

    def factoryManager(self) -> Any:
        return SimpleNamespace(loadedModuleNames=lambda: list(self.modules))

    def unload(self, name: str) -> None:
        """What happens to a module when the application ends."""
        self.signals.emit("moduleAboutToBeUnloaded(QString)", name)


class MainWindow(pythonqt.Wrapped):
    """The main window: status bar and module selector are modelled."""

    def __init__(self) -> None:
        window = QtWidgets.QMainWindow()
        window.setObjectName("qSlicerMainWindow")
        super().__init__(window)
        self.__dict__["status_messages"] = []
        self.__dict__["selected"] = ""
        self.__dict__["select"] = lambda _name: None

    def statusBar(self) -> Any:
        return SimpleNamespace(showMessage=lambda text, _ms=0: self.status_messages.append(text))

    def moduleSelector(self) -> Any:
        return SimpleNamespace(selectModule=self.select, selectedModule=self.selected)


class LayoutManager(Signals):
    """The views: real slice nodes and view nodes in the scene, nothing drawn."""

    threeDViewCount = 1

    def __init__(self) -> None:
        super().__init__("layoutChanged(int)")
        self.layout = 3
        self.was_reset: list[str] = []
        self._logics = vtkCollection()
        scene = sys.modules["slicer"].mrmlScene
        self._slices = {name: _slice_widget(scene, name, self._logics, self.was_reset) for name in SLICE_VIEWS}
        view = _singleton(scene, "vtkMRMLViewNode", "1")
        three_d = SimpleNamespace(
            resetFocalPoint=lambda: self.was_reset.append("3D"),
            resetCamera=lambda: self.was_reset.append("3D"),
            forceRender=lambda: None,
            mrmlViewNode=lambda: view,
        )
        self._three_d = SimpleNamespace(
            threeDView=lambda: three_d, mrmlViewNode=lambda: view, threeDController=lambda: three_d
        )

    def __getattr__(self, name: str) -> Any:
        names = pythonqt.API["slicer.qSlicerLayoutManager"]
        if name in names["methods"] or name in names["properties"]:
            raise pythonqt.NotModelled(f"layoutManager.{name}: a true Slicer has this, the stand-in does not")
        raise AttributeError(f"qSlicerLayoutManager has no attribute {name}")

    def sliceViewNames(self) -> tuple[str, ...]:
        return SLICE_VIEWS

    def sliceWidget(self, name: str) -> Any:
        return self._slices.get(name)

    def threeDWidget(self, index: int) -> Any:
        return self._three_d if index == 0 else None

    def mrmlSliceLogics(self) -> Any:
        return self._logics

    def setLayout(self, layout: int) -> None:
        self.layout = int(layout)

    def resetSliceViews(self) -> None:
        self.was_reset.append("slices")

    def resetThreeDViews(self) -> None:
        self.was_reset.append("3D")

    def pauseRender(self) -> None:
        """Nothing is drawn."""

    resumeRender = pauseRender


def _singleton(scene: Any, class_name: str, name: str) -> Any:
    found = scene.GetSingletonNode(name, class_name)
    if found is not None:
        return found
    node = scene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetSingletonTag(name)
    node.SetName(name)
    if hasattr(node, "SetLayoutName"):
        node.SetLayoutName(name)
    return scene.AddNode(node)


def show_views(scene: Any) -> None:
    """The nodes of the views, which are in the scene as soon as there is a main window."""
    for name in SLICE_VIEWS:
        _singleton(scene, "vtkMRMLSliceCompositeNode", name)
        _singleton(scene, "vtkMRMLSliceNode", name)
    _singleton(scene, "vtkMRMLViewNode", "1")


def _slice_widget(scene: Any, name: str, logics: Any, was_reset: list[str]) -> Any:
    composite = _singleton(scene, "vtkMRMLSliceCompositeNode", name)
    node = _singleton(scene, "vtkMRMLSliceNode", name)
    logic = headless.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    logic.SetSliceNode(node)
    logic.SetSliceCompositeNode(composite)
    logics.AddItem(logic)
    return SimpleNamespace(
        mrmlSliceNode=lambda: node,
        mrmlSliceCompositeNode=lambda: composite,
        sliceLogic=lambda: logic,
        fitSliceToBackground=lambda: was_reset.append(name),
    )


class InputOutput:
    """Readers and writers: volumes, segmentations and scenes, by the storage nodes of slicer-core."""

    _NODES = {
        "VolumeFile": ("vtkMRMLVolumeArchetypeStorageNode", "vtkMRMLScalarVolumeNode"),
        "SegmentationFile": ("vtkMRMLSegmentationStorageNode", "vtkMRMLSegmentationNode"),
        "TableFile": ("vtkMRMLTableStorageNode", "vtkMRMLTableNode"),
    }

    def fileType(self, path: str) -> str:
        if path.endswith((".mrb", ".mrml")):
            return "SceneFile"
        return "SegmentationFile" if path.endswith(".seg.nrrd") else "VolumeFile"

    def fileWriterFileType(self, node: Any) -> str:
        return next((kind for kind, (_, name) in self._NODES.items() if node.IsA(name)), "")

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any = None, _messages: Any = None) -> bool:
        scene, path = sys.modules["slicer"].mrmlScene, properties["fileName"]
        if kind == "SceneFile":
            return _load_scene(scene, path, clear=properties.get("clear", False))
        storage, node = (getattr(headless, name)() for name in self._NODES[kind])
        storage.SetFileName(path)
        if not storage.ReadData(node):
            return False
        node.SetName(properties.get("name", Path(path).name.split(".")[0]))
        node = scene.AddNode(node)
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict[str, Any], _messages: Any = None) -> bool:
        scene, path = sys.modules["slicer"].mrmlScene, properties["fileName"]
        if kind == "SceneFile":
            return _save_scene(scene, path)
        node = scene.GetNodeByID(properties["nodeID"])
        storage = getattr(headless, self._NODES[kind][0])()
        storage.SetFileName(path)
        return bool(storage.WriteData(node))


def _load_scene(scene: Any, path: str, *, clear: bool) -> bool:
    if clear:
        scene.Clear(False)
    if path.endswith(".mrb"):
        return bool(scene.ReadFromMRB(path, False))
    scene.SetURL(path)
    return bool(scene.Import())


def _save_scene(scene: Any, path: str) -> bool:
    if path.endswith(".mrb"):
        return bool(scene.WriteToMRB(path))
    scene.SetURL(path)
    return bool(scene.Commit(path))
