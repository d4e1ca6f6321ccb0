"""The MedDL module as Slicer loads it: what the module list shows, the life of the panel, and the logic for scripts."""

import qt
import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

try:
    from slicer.i18n import tr as _, translate
except ImportError:  # a Slicer far too old; the sentence below says so

    def _(text):
        return text

    def translate(_context, text):
        """The text as it is."""
        return text


OLDEST_SLICER = (5, 10)


def too_old():
    """The sentence for users of an older Slicer; empty when this one will do."""
    version = (int(slicer.app.majorVersion), int(slicer.app.minorVersion))
    if version >= OLDEST_SLICER:
        return ""
    text = _("MedDL needs 3D Slicer 5.10 or newer; this is {major}.{minor}. Please update Slicer.")
    return text.format(major=version[0], minor=version[1])


class MedDL(ScriptedLoadableModule):
    """The entry in Slicer's module list."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "MedDL"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = []
        parent.contributors = ["The MedDL contributors"]
        parent.helpText = too_old() or _(
            "Runs a deep learning model on a volume and puts segments and measurements into the scene. "
            "Choose a volume and a model, then press Apply. The model runs in a process of its own, so Slicer stays "
            "usable; the result lies on exactly the volume's grid. Sample Data has a head MRI to try it with."
        )
        parent.acknowledgementText = _(
            "Each model names its authors, license and publication in the tool tip of the model list. "
            "MedDL is for research; it is not a medical device."
        )
        if too_old():
            return
        from MedDLLib import bootstrap

        icon = bootstrap.use_library() / "Resources" / "Icons" / "MedDL.png"
        parent.icon = qt.QIcon(str(icon))
        slicer.app.connect("startupCompleted()", register_sample_data)


def register_sample_data():
    """Offer the demo's head MRI in the Sample Data module; nothing is downloaded before a click there."""
    from MedDLLib import sample

    sample.register()


class MedDLWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The life of the panel; what it shows is in MedDLLib."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._panel = None
        self._state = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        if too_old():
            self.layout.addWidget(qt.QLabel(too_old()))
            self.layout.addStretch(1)
            return
        from MedDLLib import bootstrap
        from MedDLLib.panel import Panel

        root = bootstrap.use_library()
        widget = slicer.util.loadUI(str(root / "Resources" / "UI" / "MedDL.ui"))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedDLModuleLogic()
        self._panel = Panel(slicer.util.childWidgetVariables(widget), self.logic.backstage)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_scene_closes)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._on_scene_closed)
        self._follow(self.logic.getParameterNode())

    def enter(self):
        """The user opens the module."""
        if self._panel is None:
            return
        if self._state is None:
            self._follow(self.logic.getParameterNode())
        self._panel.suggest()

    def cleanup(self):
        """The module is unloaded or reloaded, or Slicer exits."""
        if self._panel is not None:
            self._panel.stop()
            self._follow(None)
        self.removeObservers()

    def onReload(self):
        """Reload reads the library from disk again too."""
        from MedDLLib import bootstrap

        bootstrap.forget("MedDLLib", bootstrap.LIBRARY)
        ScriptedLoadableModuleWidget.onReload(self)

    def _on_scene_closes(self, _caller, _event):
        self._panel.stop()
        self._follow(None)

    def _on_scene_closed(self, _caller, _event):
        if self.parent.isEntered:
            self._follow(self.logic.getParameterNode())

    def _follow(self, state):
        if self._state is not None:
            self.removeObserver(self._state, vtk.vtkCommand.ModifiedEvent, self._panel.refresh)
        self._state = state
        self._panel.set_parameter_node(state)
        if state is not None:
            self.addObserver(state, vtk.vtkCommand.ModifiedEvent, self._panel.refresh)


class MedDLModuleLogic(ScriptedLoadableModuleLogic):
    """What scripts use: ``slicer.util.getModuleLogic("MedDL").segment(volumeNode, "brain-t1")``.

    Slicer's usual name for it, MedDLLogic, is that of the library.
    """

    def __init__(self):
        if too_old():
            raise RuntimeError(too_old())
        ScriptedLoadableModuleLogic.__init__(self)
        self.moduleName = "MedDL"
        from MedDLLib import bootstrap

        bootstrap.use_library()
        from MedDLLib.backstage import Backstage

        self.backstage = Backstage()

    def getParameterNode(self):
        from MedDLLib.parameters import MedDLParameterNode

        return MedDLParameterNode(super().getParameterNode())

    def segment(self, volumes, model, device="auto"):
        """Run a model and wait; returns the segmentation node, which is in the scene.

        volumes : a volume node, or role of the model -> volume node where it needs several.
        """
        return self.backstage.segment(volumes, model, device=device).segmentation


class MedDLTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: quick, needs no network and none of the heavy packages."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for test in (
            self.test_models_are_listed,
            self.test_a_volume_is_handed_over,
            self.test_apply_waits_for_a_volume,
        ):
            self.setUp()
            test()

    def test_models_are_listed(self):
        self.assertTrue(slicer.util.getModuleLogic("MedDL").backstage.cards())

    def test_a_volume_is_handed_over(self):
        import numpy

        volume = slicer.util.addVolumeFromArray(numpy.zeros((4, 5, 6), "int16"))
        backstage = slicer.util.getModuleLogic("MedDL").backstage
        card = backstage.cards()[0]
        run = backstage.prepare(dict.fromkeys(card.roles, volume), card, "cpu")
        try:
            self.assertTrue((run.folder / "job.json").is_file())
        finally:
            run.discard()

    def test_apply_waits_for_a_volume(self):
        widget = slicer.util.getModuleWidget("MedDL")
        self.assertFalse(slicer.util.findChild(widget.parent, "applyButton").enabled)
