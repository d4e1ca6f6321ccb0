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
            "usable; the result lies on exactly the volume's grid. What the models need is installed under Environment, "
            "into a folder of MedDL's own, when you ask for it. Sample Data has a head MRI to try it with."
        )
        parent.acknowledgementText = _(
            "Each model names its license and the publications of its authors in the panel, under More. "
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
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self._follow(self.logic.getParameterNode())

    def enter(self):
        """The user opens the module."""
        if self._panel is None:
            return
        if self._state is None:
            self._follow(self.logic.getParameterNode())
        self._panel.suggest()

    def exit(self):
        """The user opens another module; what runs goes on, and its result comes into the scene all the same."""

    def cleanup(self):
        """The module is unloaded or reloaded, or Slicer exits: nothing of it goes on."""
        if self._panel is not None:
            self._panel.stop()
            self._follow(None)
            self.logic.backstage.close()
        self.removeObservers()

    def onReload(self):
        """Reload reads the library from disk again too."""
        from MedDLLib import bootstrap

        bootstrap.forget("MedDLLib", bootstrap.LIBRARY)
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, _caller, _event):
        """The scene goes away. Runs go on: a result that no volume is there for any more is kept as a file."""
        from MedDLLogic.scene.closing import ease_closing

        self._follow(None)
        ease_closing(slicer.mrmlScene)

    def onSceneEndClose(self, _caller, _event):
        """A new scene is there."""
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

    No call opens a dialog or lets the application go on in between, so all of it works in a Slicer without
    windows and under ``--testing``. What cannot be done is a ``MedDLError`` of one line. Slicer's usual name for
    this class, MedDLLogic, is that of the library.
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
        self._states = []

    def getParameterNode(self):
        """The state of the panel; the same object as long as the scene has the same node for it."""
        from MedDLLib.parameters import MedDLParameterNode

        # Each wrapper leaves observers on the node for ever, so there must not be one a call. A scene
        # that is cleared with its singletons lets go of the node; node and wrapper would be a cycle of garbage then,
        # whose observers VTK may still call after Python emptied it. So each wrapper is kept.
        node = super().getParameterNode()
        if not self._states or self._states[-1].parameterNode is not node:
            self._states.append(MedDLParameterNode(node))
        return self._states[-1]

    def segment(self, volumes, model, device="auto", quality="standard", roi=None, replace=None, **computing):
        """Run a model and wait; returns the segmentation node, which is in the scene.

        volumes : a volume node, or role of the model -> volume node where it needs several.
        quality : "fast", "standard" or "fine".
        computing : further words on it, as in a job: precision, backend, mirroring, members.
        roi : markups ROI node; only that part of the volume is searched.
        replace : segmentation node whose content the result takes the place of; otherwise a new node is made.

        A model that is not here yet is downloaded: ``getModel`` does that by itself. The worker stays warm between
        calls.
        """
        outcome = self.backstage.segment(
            self._wish(volumes, model, roi, replace, device=device, quality=quality, **computing)
        )
        return slicer.mrmlScene.GetNodeByID(outcome.segmentation_id)

    def start(self, volumes, model, device="auto", quality="standard", roi=None, replace=None, **computing):
        """The same without waiting: it stands in the panel's queue and goes on while Slicer does.

        Returns a handle with ``id``, ``isFinished``, ``state``, ``result()``, ``cancel()`` and ``onFinished(callback)``.
        """
        from MedDLLib.run_handle import RunHandle

        wish = self._wish(volumes, model, roi, replace, device=device, quality=quality, **computing)
        return RunHandle(self.backstage.runs, self.backstage.runs.start(wish))

    def models(self):
        """The cards of the models there are: ``name``, ``title``, ``roles``, ``segments``, ``license`` and more."""
        return self.backstage.cards()

    def getModel(self, name):
        """Download what a model needs and wait; nothing happens when it is here. The call is the yes to the download."""
        self.backstage.download(name)

    def environmentState(self):
        """Whether what the worker needs is there: ``state`` is "missing", "ready", "broken" or "outdated"."""
        return self.backstage.environment_state()

    def installEnvironment(self, build="", wheelhouse=""):
        """Install what the worker needs into a folder of MedDL's own and wait. The call is the yes to the download.

        build : name of a torch build, such as "cpu"; empty for the one that fits this computer.
        wheelhouse : folder of wheels to install from without any network.
        """
        self.backstage.install_environment(build=build, wheelhouse=wheelhouse)

    def _wish(self, volumes, model, roi, replace, **computing):
        from MedDLLib.backstage import by_role
        from MedDLLib.run_state import Wish
        from MedDLLogic.job import Computing

        return Wish(model, by_role(volumes, model), roi, Computing(**computing), replace)


class MedDLTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: quick, needs no network and none of the heavy packages."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        from MedDLLib import self_test

        for test in self_test.TESTS:
            self.setUp()
            test(self)
