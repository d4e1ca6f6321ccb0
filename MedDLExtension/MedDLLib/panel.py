"""The panel: what the widgets report goes to the presenter, what the presenter says goes to the widgets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Event, Finished
from MedDLLogic.models.card import ModelCard

from .backstage import Backstage
from .i18n import _
from .launch import SETTING_PYTHON
from .presenter import Needs, Presenter, Row, View
from .process import WorkerProcess
from .run import Outcome, SceneRun

REFERENCE_PREFIX = "input."
VOLUME_CLASS = "vtkMRMLScalarVolumeNode"
_logger = logging.getLogger("MedDL")
TONES = {"hint": "", "busy": "", "done": "color: #2e8b57;", "error": "color: #c0392b;"}


class Panel:
    """Wires the widgets of ``MedDL.ui``.

    Parameters
    ----------
    ui : its named widgets as attributes.
    backstage : starts what Apply asks for.
    """

    def __init__(self, ui: Any, backstage: Backstage) -> None:
        self._ui, self._backstage = ui, backstage
        self._presenter = Presenter()
        self._cards: Sequence[ModelCard] = ()
        self._state: Any = None
        self._gui_tag: Any = None
        self._selectors: dict[str, Any] = {}
        self._process: WorkerProcess | None = None
        self._run: SceneRun | None = None
        self._connect()
        self._fill_models()

    def set_parameter_node(self, state: Any) -> None:
        """Show and follow this state of the scene; None when the scene goes away."""
        if self._state is not None:
            self._state.disconnectGui(self._gui_tag)
        self._state = state
        if state is not None:
            # connectGui gives no tag back, and what it ties could not be untied again.
            bound = {"inputVolume": self._ui.inputSelector, "device": self._ui.deviceSelector}
            self._gui_tag = state.connectParametersToGui(bound)
        self.suggest()

    def suggest(self) -> None:
        """Choose the first volume and the first model where none is chosen yet, then refresh."""
        state, card = self._state, self._chosen_card()
        if state is not None and state.inputVolume is None and (volume := _first_volume()) is not None:
            state.inputVolume = volume
        if state is not None and not state.model and card is not None:
            state.model = card.name
        self.refresh()

    def refresh(self, *_ignored: Any) -> None:
        """Take over what is chosen now, and show what follows from it."""
        if self._state is not None:
            self._select_model(self._state.model)
        card = self._chosen_card()
        self._show_selectors(card)
        volumes = {role: node is not None for role, node in self._nodes().items()}
        self._tell(self._presenter.chosen(card, volumes, self._backstage.needs(card) if card else Needs()))

    def stop(self) -> None:
        """Drop a run that is still going on: the scene closes, or the panel does."""
        if self._process is not None:
            self._process.abandon()
        if self._run is not None:
            self._run.discard()
        was_running = self._presenter.is_running
        self._process = self._run = None
        if was_running:
            self._tell(self._presenter.failed(_("The run was stopped because the scene was closed.")))

    # -- from the widgets ----------------------------------------------------------------------------

    def _connect(self) -> None:
        self._ui.applyButton.connect("clicked(bool)", self._on_apply)
        self._ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.refresh)
        self._ui.modelSelector.connect("currentIndexChanged(int)", self._on_model)
        self._ui.workerPython.currentPath = slicer.util.settingsValue(SETTING_PYTHON, "")
        self._ui.workerPython.connect("currentPathChanged(QString)", self._on_worker_python)
        # A line that was emptied tells no new path, only that it is not valid.
        self._ui.workerPython.connect("validInputChanged(bool)", self._on_worker_python)

    def _on_apply(self, _checked: bool) -> None:
        if self._presenter.is_running:
            self._tell(self._presenter.cancelling())
            self._process.cancel()
            return
        self._tell(self._presenter.started())
        self._attempt(self._start)

    def _on_model(self, _index: int) -> None:
        card = self._chosen_card()
        if self._state is not None and card is not None:
            self._state.model = card.name
        self.refresh()

    def _on_worker_python(self, _told: object) -> None:
        qt.QSettings().setValue(SETTING_PYTHON, self._ui.workerPython.currentPath)

    # -- the run -------------------------------------------------------------------------------------

    def _start(self) -> None:
        card = self._presenter.card
        self._run = self._backstage.prepare(self._nodes(), card, self._ui.deviceSelector.currentText)
        if self._presenter.needs.download_bytes:
            self._begin(WorkerProcess(self._backstage.fetch_launch(card), self._on_event, self._on_fetched))
        else:
            self._start_run()

    def _on_fetched(self, ending: Event) -> None:
        if isinstance(ending, Finished):
            self._attempt(self._start_run)
        else:
            self._on_ended(ending)

    def _start_run(self) -> None:
        self._begin(WorkerProcess(self._backstage.run_launch(self._run), self._on_event, self._on_ended))

    def _begin(self, process: WorkerProcess) -> None:
        self._process = process
        process.start()

    def _on_event(self, event: Event) -> None:
        self._tell(self._presenter.told(event))

    def _on_ended(self, ending: Event) -> None:
        run, self._run, self._process = self._run, None, None
        if isinstance(ending, Finished):
            self._attempt(lambda: self._show_outcome(run.collect()))
        else:
            self._tell(self._presenter.told(ending))
        run.discard()
        self.refresh()

    def _show_outcome(self, outcome: Outcome) -> None:
        message = _("Done: {name} is in the scene.").format(name=outcome.segmentation.GetName())
        self._tell(self._presenter.done(message, outcome.rows, outcome.warnings))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except MedDLError as error:
            self._give_up(error)
        except Exception as error:  # a slot that raises would leave the panel running for ever
            _logger.exception("panel")
            self._give_up(MedDLError("E901", "", type(error).__name__, "the error log holds the details"))

    def _give_up(self, error: MedDLError) -> None:
        if self._run is not None:
            self._run.discard()
        self._run = self._process = None
        self._tell(self._presenter.failed(str(error)))

    # -- what is chosen --------------------------------------------------------------------------------

    def _fill_models(self) -> None:
        try:
            self._cards = self._backstage.cards()
        except MedDLError as error:
            self._presenter = self._presenter.failed(str(error))
        for card in self._cards:
            self._ui.modelSelector.addItem(card.title, card.name)

    def _chosen_card(self) -> ModelCard | None:
        index = self._ui.modelSelector.currentIndex
        return self._cards[index] if 0 <= index < len(self._cards) else None

    def _select_model(self, name: str) -> None:
        index = self._ui.modelSelector.findData(name)
        if index >= 0:
            self._ui.modelSelector.setCurrentIndex(index)

    def _nodes(self) -> dict[str, Any]:
        """Role of the chosen model -> volume node or None."""
        card = self._chosen_card()
        selectors = {role: self._selectors.get(role, self._ui.inputSelector) for role in (card.roles if card else ())}
        return {role: selector.currentNode() for role, selector in selectors.items()}

    def _show_selectors(self, card: ModelCard | None) -> None:
        """One volume selector for each further input of the model; the first has its own in the form."""
        roles = card.roles[1:] if card else ()
        for role in [role for role in self._selectors if role not in roles]:
            self._ui.inputsButton.layout().removeRow(self._selectors.pop(role))
        for role in roles:
            if role not in self._selectors:
                self._add_selector(role)
            if self._state is not None:
                node_id = self._state.parameterNode.GetNodeReferenceID(REFERENCE_PREFIX + role)
                self._selectors[role].setCurrentNodeID(node_id or "")

    def _add_selector(self, role: str) -> None:
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [VOLUME_CLASS]
        selector.showChildNodeTypes = False
        selector.addEnabled = False
        selector.removeEnabled = False
        selector.noneEnabled = True
        selector.setMRMLScene(slicer.mrmlScene)
        self._selectors[role] = selector
        self._ui.inputsButton.layout().insertRow(len(self._selectors), role, selector)
        selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._on_further_volume(role, node))

    def _on_further_volume(self, role: str, node: Any) -> None:
        if self._state is not None:
            self._state.parameterNode.SetNodeReferenceID(REFERENCE_PREFIX + role, node.GetID() if node else None)
        self.refresh()

    # -- to the widgets --------------------------------------------------------------------------------

    def _tell(self, presenter: Presenter) -> None:
        self._presenter = presenter
        self._render(presenter.view())

    def _render(self, view: View) -> None:
        ui = self._ui
        ui.applyButton.text, ui.applyButton.enabled = view.apply_text, view.apply_enabled
        ui.applyButton.toolTip = view.apply_tool_tip
        for widget in (ui.inputSelector, ui.modelSelector, ui.advancedButton, *self._selectors.values()):
            widget.enabled = view.inputs_enabled
        ui.factsLabel.text, ui.factsLabel.toolTip = view.facts, view.model_tool_tip
        ui.modelSelector.toolTip = view.model_tool_tip
        ui.statusLabel.text = "\n".join((view.status, *view.warnings))
        ui.statusLabel.styleSheet = TONES[view.tone]
        self._render_progress(view)
        self._render_rows(view.rows)

    def _render_progress(self, view: View) -> None:
        bar = self._ui.progressBar
        bar.visible = view.progress is not None
        bar.maximum = 0 if view.progress == -1 else 100
        bar.value = max(view.progress or 0, 0)
        self._ui.stageLabel.visible = bool(view.progress_text)
        self._ui.stageLabel.text = view.progress_text

    def _render_rows(self, rows: Sequence[Row]) -> None:
        self._ui.resultsButton.visible = bool(rows)
        table = self._ui.resultsTable
        table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            name = qt.QTableWidgetItem(row.name)
            name.setData(qt.Qt.DecorationRole, qt.QColor(*row.color))
            value = qt.QTableWidgetItem(row.value)
            value.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            table.setItem(number, 0, name)
            table.setItem(number, 1, value)
        table.resizeColumnToContents(0)


def _first_volume() -> Any:
    """The first volume that the selectors show, so no label map; None when there is none."""
    volumes = slicer.util.getNodesByClass(VOLUME_CLASS)
    return next((node for node in volumes if node.GetClassName() == VOLUME_CLASS), None)
