"""The panel: its sections, the state in the scene, and the runs, tied together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import slicer

from MedDLLogic.environment.folder import environment_state
from MedDLLogic.errors import MedDLError
from MedDLLogic.job import Computing
from MedDLLogic.models.registry import FoundCard
from MedDLLogic.scene.roi import roi_box
from MedDLLogic.tasks.plan import Plan, plan_run

from .backstage import Backstage
from .catalog import Catalog
from .devices import free_memory_bytes
from .fetching import Fetching
from .i18n import _
from .inputs_panel import VOLUME_CLASS, InputsPanel
from .launch import chosen_python
from .models_panel import ModelsPanel
from .options_panel import OptionsPanel
from .options_presenter import PRECISIONS, QUALITIES, Chosen, device_problem
from .pages import Pages
from .presenter import Choice, Presenter, Ready, notice
from .results_panel import ResultsPanel
from .run_state import Wish
from .runs_panel import RunsPanel
from .show import Later, Slots, show_text

REFERENCE_PREFIX = "input."
NOTHING_CHOSEN = {"model": "", "device": "auto", "quality": "standard", "precision": "auto", "mirroring": False}


class Panel:
    """Wires the widgets of ``MedDL.ui``.

    Parameters
    ----------
    ui : its named widgets as attributes.
    backstage : starts what Apply asks for.
    """

    def __init__(self, ui: Any, backstage: Backstage) -> None:
        self._ui, self._backstage = ui, backstage
        self._catalog = Catalog()
        self._presenter = Presenter(runs=backstage.runs.states)
        self._state: Any = None
        self._tag: Any = None
        self._chosen: dict[str, Any] = dict(NOTHING_CHOSEN)
        self._is_refreshing = self._is_stopped = False
        slots = self._slots = Slots(self._complain)
        self._weigh_later, self._notice_later = Later(slots(self._weigh)), Later(slots(self._show_notice))
        self._models = ModelsPanel(
            ui,
            self._catalog,
            slots,
            on_chosen=lambda name: self._choose("model", name),
            on_changed=self._look_anew,
            start_download=lambda name, on_event, on_end: Fetching(backstage.ticker, name, on_event, on_end),
        )
        self._inputs = InputsPanel(ui, slots, on_further=self._on_further, on_changed=self.refresh)
        self._options = OptionsPanel(
            ui,
            slots,
            on_chosen=self._choose,
            on_changed=self.refresh,
        )
        self._runs = RunsPanel(
            ui,
            slots,
            on_apply=self._on_apply,
            on_cancel=self._on_cancel,
            on_cancel_one=backstage.runs.cancel,
            on_show=self._on_show,
        )
        self._results = ResultsPanel(ui, slots)
        self._pages = Pages(ui, slots, backstage, settings=lambda: dict(self._chosen), on_changed=self._on_environment)
        ui.noticeButton.connect("clicked(bool)", slots(lambda _checked: self._pages.open_environment()))
        self._on_runs_safely = slots(self._on_runs)
        backstage.runs.on_change.append(self._on_runs_safely)

    def set_parameter_node(self, state: Any) -> None:
        """Show and follow this state of the scene; None when the scene goes away."""
        if self._state is not None:
            self._state.disconnectGui(self._tag)
        self._state = state
        if self._is_stopped:
            return
        if state is None:
            self._inputs.stop()
            self._results.forget()
        else:
            # connectGui gives no tag back, and what it ties could not be untied again.
            bound = {"inputVolume": self._ui.inputSelector, "roi": self._ui.roiSelector}
            self._tag = state.connectParametersToGui(bound)
        self.suggest()

    def suggest(self) -> None:
        """Choose the first model and the first volume where none is chosen yet, then refresh."""
        self._slots(self._suggest)()
        self._notice_later.ask()
        self.refresh()

    def refresh(self, *_ignored: Any) -> None:
        """Take over what is chosen now, and show what follows from it."""
        if not self._is_refreshing and not self._is_stopped:
            self._is_refreshing = True
            self._slots(self._refresh)()
            self._is_refreshing = False

    def stop(self) -> None:
        """The panel goes away: touch no widget any more."""
        self._is_stopped = True
        self._weigh_later.stop()
        self._notice_later.stop()
        if self._on_runs_safely in self._backstage.runs.on_change:
            self._backstage.runs.on_change.remove(self._on_runs_safely)
        for section in (self._models, self._inputs, self._options, self._results, self._pages):
            section.stop()

    # -- what is chosen --------------------------------------------------------------------------------

    def _suggest(self) -> None:
        self._catalog.refresh()
        state = self._state
        if state is None:
            return
        if not state.model and self._catalog.listed:
            state.model = self._catalog.listed[0].card.name
        if state.inputVolume is None and (volume := _first_volume()) is not None:
            state.inputVolume = volume

    def _choose(self, what: str, value: Any) -> None:
        """The user chose a model, or how it is computed."""
        self._chosen[what] = value
        if self._state is not None:
            setattr(self._state, what, value)
        self.refresh()

    def _on_further(self, role: str, node: Any) -> None:
        if self._state is not None and not self._is_refreshing:
            self._state.parameterNode.SetNodeReferenceID(REFERENCE_PREFIX + role, node.GetID() if node else None)
        self.refresh()

    def _refresh(self) -> None:
        state = self._state
        if state is not None:
            self._chosen = {what: getattr(state, what) for what in self._chosen}
            for what, known in (("quality", QUALITIES), ("precision", PRECISIONS)):
                if self._chosen[what] not in known:  # of a newer version; the selector shows what is taken for it
                    self._chosen[what] = NOTHING_CHOSEN[what]
            if state.result is not None:
                self._results.restore(state.result, state.resultTable)
        name = self._chosen["model"]
        self._models.refresh(name)
        found, model = self._catalog.find(name), self._catalog.listed_as(name)
        card = found.card if found is not None else None
        inputs = self._inputs.refresh(card, name, self._further_ids(card.roles[1:] if card is not None else ()))
        chosen = Chosen(
            card is not None, model is not None and model.has_quality, model is not None and model.can_mirror
        )
        computing = self._computing()
        self._options.refresh(computing, chosen)
        problem = device_problem(self._options.devices, computing.device)
        self._take_choice(inputs.missing or problem or self._being_fetched(name))

    def _computing(self) -> Computing:
        return Computing(**{what: value for what, value in self._chosen.items() if what != "model"})

    def _being_fetched(self, name: str) -> str:
        return _("The model is being downloaded.") if name and self._models.getting == name else ""

    def _further_ids(self, roles: tuple[str, ...]) -> dict[str, str] | None:
        if self._state is None:
            return None
        node = self._state.parameterNode
        return {role: node.GetNodeReferenceID(REFERENCE_PREFIX + role) or "" for role in roles}

    def _take_choice(self, missing: str) -> None:
        before, choice = self._presenter.choice, self._choice()
        if (choice.model, choice.volumes) != (before.model, before.volumes):
            self._options.keep_results()
            choice = replace(choice, replace="")
        replaced = self._options.replaced
        ready = Ready(
            missing,
            self._catalog.needs(choice.model).download_bytes,
            replaced.GetName() if replaced is not None else "",
            self._presenter.ready.plan if choice == before else None,
        )
        self._tell(self._presenter.chosen(choice, ready))
        self._weigh_later.ask()

    def _choice(self) -> Choice:
        volumes = tuple((role, _id_of(node)) for role, node in self._inputs.nodes.items())
        replaced = _id_of(self._options.replaced)
        return Choice(
            self._chosen["model"],
            volumes,
            _id_of(self._inputs.roi),
            self._computing(),
            replaced,
            self._inputs.allow_other_frame,
        )

    def _weigh(self) -> None:
        """What the chosen run would take; later than all else, since it is the dearest question."""
        choice, ready = self._presenter.choice, self._presenter.ready
        found = self._catalog.find(choice.model)
        if ready.missing or found is None:
            return
        try:
            plan = self._plan(found)
        except MedDLError as error:
            ready = replace(ready, missing=str(error))
        else:
            ready = replace(ready, plan=plan, free_bytes=free_memory_bytes())
        self._tell(self._presenter.chosen(choice, ready))

    def _plan(self, found: FoundCard) -> Plan:
        facts, roi, choice = self._inputs.first_facts, self._inputs.roi, self._presenter.choice
        if facts is None or facts.world is None:
            raise MedDLError("E301", "the volume is no longer there")
        box = roi_box(roi) if roi is not None else None
        return plan_run(found, facts.world, choice.computing, roi=box)

    # -- runs ------------------------------------------------------------------------------------------

    def _on_apply(self) -> None:
        if self._pages.is_changing:
            raise MedDLError("E601", "the packages are being changed", "", "wait until that is done")
        choice, inputs = self._presenter.choice, self._inputs
        self._presenter = self._presenter.applied()
        wish = Wish(
            choice.model,
            inputs.nodes,
            inputs.roi,
            choice.computing,
            self._options.replaced,
            choice.allow_other_frame,
        )
        run_id = self._backstage.runs.start(wish)
        self._tell(self._presenter.started(run_id))

    def _on_cancel(self) -> None:
        if self._presenter.current is not None:
            self._backstage.runs.cancel(self._presenter.current.id)

    def _on_runs(self) -> None:
        before = self._presenter
        now = before.ran(self._backstage.runs.states)
        self._tell(now)
        if now.shown != before.shown:
            self._show_result()
        if now.count_over != before.count_over:
            self._look_anew()
        if (len(now.runs), now.count_over) != (len(before.runs), before.count_over):
            self._pages.follow_runs()

    def _on_show(self, run_id: str) -> None:
        self._tell(self._presenter.showing(run_id))
        self._show_result()

    def _show_result(self) -> None:
        outcome = self._presenter.outcome
        if outcome is None:
            return
        scene = slicer.mrmlScene
        if self._state is not None:
            self._state.resultTable = scene.GetNodeByID(outcome.table_id)
            self._state.result = scene.GetNodeByID(outcome.segmentation_id)
        self._results.show(outcome)

    # -- what is here ----------------------------------------------------------------------------------

    def _look_anew(self) -> None:
        """Weights came, or a run taught how long it takes."""
        self._catalog.renew()
        self.refresh()

    def _on_environment(self) -> None:
        self._notice_later.ask()
        self._look_anew()

    def _show_notice(self) -> None:
        line = notice(environment_state(), has_own_python=bool(chosen_python()))
        show_text(self._ui.noticeLabel, line)
        self._ui.noticeFrame.visible = bool(line.text)

    # -- to the widgets --------------------------------------------------------------------------------

    def _complain(self, message: str) -> None:
        self._tell(self._presenter.failed(message))
        if not self._is_stopped:
            self._notice_later.ask()  # what is missing may be why

    def _tell(self, presenter: Presenter) -> None:
        self._presenter = presenter
        if not self._is_stopped:
            self._runs.render(presenter.view())


def _id_of(node: Any) -> str:
    return str(node.GetID()) if node is not None else ""


def _first_volume() -> Any:
    """The first volume that the selectors show, so no label map; None when there is none."""
    volumes = slicer.util.getNodesByClass(VOLUME_CLASS)
    return next((node for node in volumes if node.GetClassName() == VOLUME_CLASS), None)
