"""A stand-in for the running application: real scene of slicer-core, real ``slicer.util``, Qt with PythonQt's manners."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer as headless
import slicer.util as headless_util
from PySide6 import QtCore, QtWidgets

from . import pythonqt, state, widgets

SCRIPT_FOLDER = "MedDLExtension"


class App:
    """``slicer.app``."""

    def __init__(self, version: tuple[int, int], folder: Path) -> None:
        self.majorVersion, self.minorVersion = version
        self.temporaryPath = str(folder)
        self.defaultScenePath = self.slicerHome = str(folder)
        self.status: int | None = None
        self._options = SimpleNamespace(runPythonAndExit=False, noMainWindow=True)
        self._module: Any = None
        self.at_start: list[Callable[[], None]] = []

    def connect(self, signature: str, slot: Callable[[], None]) -> bool:
        assert signature == "startupCompleted()"
        self.at_start.append(slot)
        return True

    def startupEnvironment(self) -> Any:
        return SimpleNamespace(keys=lambda: list(os.environ), value=os.environ.__getitem__)

    def commandOptions(self) -> Any:
        return self._options

    def testingEnabled(self) -> bool:
        return False

    def exit(self, status: int) -> None:
        self.status = status

    def moduleManager(self) -> Any:
        return SimpleNamespace(
            module=lambda name: self._module if name == "MedDL" else None,
            disconnect=lambda signature, slot: signature == "moduleAboutToBeUnloaded(QString)",
        )

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def topLevelWidgets(self) -> list[Any]:
        return []

    def coreIOManager(self) -> Any:
        return SimpleNamespace(loadNodes=_load_volume)


def _load_volume(file_type: str, properties: dict[str, Any], loaded: Any, _messages: Any) -> bool:
    assert file_type == "VolumeFile"
    storage, node = headless.vtkMRMLVolumeArchetypeStorageNode(), headless.vtkMRMLScalarVolumeNode()
    storage.SetFileName(properties["fileName"])
    if not storage.ReadData(node):
        return False
    node.SetName(properties.get("name", "Volume"))
    loaded.AddItem(sys.modules["slicer"].mrmlScene.AddNode(node))
    return True


class qSlicerScriptedLoadableModule:
    """``slicer.modules.meddl``."""

    def __init__(self, path: str) -> None:
        self.path, self.name = path, "MedDL"
        self.title, self.categories, self.dependencies, self.contributors = "", [], [], []
        self.helpText = self.acknowledgementText = ""
        self.icon: Any = None
        self._widget: Any = None

    def widgetRepresentation(self) -> Any:
        return self._widget


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent, self.moduleName = parent, type(self).__name__


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()

    def setup(self) -> None:
        pass

    def exit(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        pass

    def onReload(self) -> None:
        sys.modules["slicer"].util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        scene = sys.modules["slicer"].mrmlScene
        found = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is not None:
            return found
        node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        return scene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)


class Application:
    """All of it at once. ``install`` puts the modules in place through a setter, as ``monkeypatch.setitem`` is one."""

    def __init__(self, folder: Path, *, version: tuple[int, int] = (5, 12)) -> None:
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
        for scope in (QtCore.QSettings.Scope.UserScope, QtCore.QSettings.Scope.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, scope, str(folder))
        self.qt = pythonqt.make_module("qt")
        self.slicer = _slicer_module(App(version, folder))
        self.widget: Any = None

    def install(self, set_item: Callable[[dict[str, Any], str, Any], None]) -> None:
        """Let ``import qt`` and the like find the stand-ins."""
        modules = {"qt": self.qt, "ctk": pythonqt.make_module("ctk"), "slicer": self.slicer}
        modules |= {f"slicer.{n}": getattr(self.slicer, n) for n in ("util", "i18n", "parameterNodeWrapper")}
        modules["slicer.ScriptedLoadableModule"] = self.slicer.ScriptedLoadableModule
        for name, module in modules.items():
            set_item(sys.modules, name, module)

    def open(self, module: Any, path: Path) -> Any:
        """Make the module object and its panel of an imported ``MedDL.py``, as Slicer does; returns the panel's Python side."""
        entry = qSlicerScriptedLoadableModule(str(path))
        self.module = module.MedDL(entry)
        self.slicer.modules.meddl = entry
        frame = widgets.qSlicerScriptedLoadableModuleWidget()
        frame.setLayout(QtWidgets.QVBoxLayout())
        self.frame = frame
        self.widget = module.MedDLWidget(pythonqt.Wrapped(frame))
        frame.python_side = self.slicer.modules.MedDLWidget = self.widget
        entry._widget = pythonqt.Wrapped(frame)
        self.slicer.app._module = entry
        self.widget.setup()
        self._ui = self.slicer.util.childWidgetVariables(pythonqt.Wrapped(frame))
        self.enter()
        return self.widget

    def enter(self) -> None:
        """The user opens the module."""
        self.frame.entered = True
        self.widget.enter()

    def leave(self) -> None:
        """The user opens another module."""
        self.frame.entered = False
        self.widget.exit()

    def child(self, name: str) -> Any:
        """A named widget of the panel."""
        return getattr(self._ui, name)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let Qt go on until the condition holds."""
        timer = QtCore.QElapsedTimer()
        timer.start()
        while not condition():
            QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
            if timer.elapsed() > 1000 * seconds:
                raise TimeoutError("the panel did not get there")


def _slicer_module(app: App) -> ModuleType:
    module = ModuleType("slicer")
    module.__dict__.update({name: value for name, value in vars(headless).items() if name.startswith("vtk")})
    for cls in (widgets.qMRMLNodeComboBox, widgets.qMRMLWidget, widgets.qSlicerScriptedLoadableModuleWidget):
        setattr(module, cls.__name__, pythonqt.WrappedClass(cls))
    bases = ModuleType("slicer.ScriptedLoadableModule")
    for base in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(bases, base.__name__, base)
    wrapper = ModuleType("slicer.parameterNodeWrapper")
    for item in (state.Choice, state.Default, state.parameterNodeWrapper):
        setattr(wrapper, item.__name__, item)
    i18n = ModuleType("slicer.i18n")
    i18n.tr, i18n.translate = str, lambda _context, text: text  # type: ignore[attr-defined]
    content = {"app": app, "util": headless_util, "modules": SimpleNamespace(), "mrmlScene": headless.vtkMRMLScene()}
    content |= {"i18n": i18n, "parameterNodeWrapper": wrapper, "ScriptedLoadableModule": bases}
    content["qSlicerScriptedLoadableModule"] = qSlicerScriptedLoadableModule
    module.__dict__.update(content)
    return module
