"""A module made up for the tests of the stand-in: a little of everything, and nothing of MedDL."""

from pathlib import Path
from typing import Annotated

import qt
import slicer
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


@parameterNodeWrapper
class MadeUpParameterNode:
    volume: slicer.vtkMRMLScalarVolumeNode
    kind: Annotated[str, Choice(["small", "large"]), Default("large")]
    count: Annotated[int, WithinRange(0, 9), Default(3)]
    note: str
    loud: bool


class MadeUp(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Made up"
        slicer.app.connect("startupCompleted()", lambda: setattr(MadeUp, "started", True))


class MadeUpWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.events = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(str(Path(__file__).with_name("MadeUp.ui")))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MadeUpLogic()
        self.timer = qt.QTimer()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.on_closed)
        self.state = MadeUpParameterNode(self.logic.getParameterNode())
        self.tag = self.state.connectParametersToGui(
            {
                "volume": self.ui.volumeSelector,
                "kind": self.ui.kindBox,
                "count": self.ui.countBox,
                "note": self.ui.noteLine,
            }
        )

    def on_closed(self, caller, event):
        self.events.append("closed")

    def enter(self):
        self.events.append("enter")

    def exit(self):
        self.events.append("exit")

    def cleanup(self):
        self.events.append("cleanup")
        self.timer.stop()
        self.state.disconnectGui(self.tag)
        self.removeObservers()


class MadeUpLogic(ScriptedLoadableModuleLogic):
    pass


class MadeUpTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.delayDisplay("ran")
