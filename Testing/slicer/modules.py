"""The base classes of a scripted module, after the source of the true ones, and the module object."""

from __future__ import annotations

import importlib
import os
import sys
import unittest
from typing import Any

from . import pythonqt


class qSlicerScriptedLoadableModule:
    """``slicer.modules.meddl``."""

    _PROPERTIES = set(pythonqt.API["slicer.qSlicerScriptedLoadableModule"]["properties"])

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        self.title, self.categories, self.dependencies, self.contributors = "", [], [], []
        self.helpText = self.acknowledgementText = ""
        self.icon: Any = None
        self._widget: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._PROPERTIES | {"_widget"}:
            raise AttributeError(f"qSlicerScriptedLoadableModule: creating new attributes is not allowed: {name}")
        object.__setattr__(self, name, value)

    def widgetRepresentation(self) -> Any:
        return self._widget


class ScriptedLoadableModule:
    """What ``MedDL.py`` derives the entry in the module list from."""

    def __init__(self, parent: Any) -> None:
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title, parent.categories, parent.dependencies = "", [], []
        parent.contributors = ["(the template's)"]
        parent.helpText = parent.acknowledgementText = "(the template's)"
        slicer = sys.modules["slicer"]
        slicer.selfTests = {**getattr(slicer, "selfTests", {}), self.moduleName: self.runTest}  # type: ignore[attr-defined]

    def resourcePath(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", name)  # noqa: PTH118, PTH120 - as Slicer

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:  # noqa: N803 - Slicer's name
        return f'<p>For more information see the <a href="{docPage or self.moduleName}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **keywords: Any) -> None:
        case = getattr(importlib.import_module(self.__module__), f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**keywords)


class ScriptedLoadableModuleWidget:
    """What ``MedDL.py`` derives its panel from."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        slicer = sys.modules["slicer"]
        self.moduleName = type(self).__name__.removesuffix("Widget")
        converter = slicer.util.toBool
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=converter)
        if parent is None:
            raise pythonqt.NotModelled("a module's panel without a parent")
        self.parent, self.layout = parent, parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        path = sys.modules["slicer"].util.modulePath(self.moduleName)
        return os.path.join(os.path.dirname(path), "Resources", name)  # noqa: PTH118, PTH120 - as Slicer

    def setup(self) -> None:
        """The developer's buttons, which the stand-in does not have."""

    def enter(self) -> None:
        """The user opens the module."""

    def exit(self) -> None:
        """The user opens another module."""

    def cleanup(self) -> None:
        """The module goes."""

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            manager = sys.modules["slicer"].app.moduleManager()
            manager.disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        sys.modules["slicer"].util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """What ``MedDL.py`` derives its logic from."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        scene = sys.modules["slicer"].mrmlScene
        found = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is None:
            return scene.AddNode(self.createParameterNode())
        if found.GetAttribute("ModuleName") != self.moduleName:
            found.SetAttribute("ModuleName", self.moduleName)
        return found

    def getAllParameterNodes(self) -> list[Any]:
        nodes = sys.modules["slicer"].util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        scene = sys.modules["slicer"].mrmlScene
        node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(scene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """What ``MedDL.py`` derives its self-test from."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:  # noqa: N803
        """Says the message; the true one shows it for a moment."""
        print(message)

    def runTest(self) -> None:
        """To be overridden."""


BASES = (
    ScriptedLoadableModule,
    ScriptedLoadableModuleWidget,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)
