"""The section Images: a selector for each input of the model, the check below it, and the region of interest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from slicer.util import VTKObservationMixin

from MedDLLogic.errors import MedDLError
from MedDLLogic.models.card import ModelCard
from MedDLLogic.scene.facts import VolumeFacts, facts_of_volume
from MedDLLogic.scene.roi import roi_box, roi_warnings

from .inputs_presenter import ANY, InputRow, Inputs, InputsView, Seen
from .show import Later, Slots, show_line

VOLUME_CLASS = "vtkMRMLScalarVolumeNode"


@dataclass
class _Row:
    """The widgets of one input."""

    label: Any
    selector: Any
    check: Any


class InputsPanel:
    """Wires the widgets of the section. The first input's are in the .ui file, those of further ones are made here.

    Parameters
    ----------
    ui : its named widgets as attributes.
    slots : makes slots.
    on_further : told role and node when another volume is chosen for a further input.
    on_changed : called when a chosen node is another one, or is not as it was.

    first_facts : what the first chosen volume was like when it was looked at last.
    """

    def __init__(
        self, ui: Any, slots: Slots, *, on_further: Callable[[str, Any], None], on_changed: Callable[[], None]
    ) -> None:
        self._ui, self._slots = ui, slots
        self._on_further, self._on_changed = on_further, on_changed
        self._first = _Row(ui.inputLabel, ui.inputSelector, ui.inputCheck)
        self._further: dict[str, _Row] = {}
        self._roles: tuple[str, ...] = ()
        self._watched: tuple[Any, ...] = ()
        self._asked_for: tuple[tuple[str, str], ...] = ()
        self.first_facts: VolumeFacts | None = None
        self._observers = VTKObservationMixin()
        self._later = Later(slots(on_changed))
        ui.inputSelector.connect("currentNodeChanged(vtkMRMLNode*)", slots(lambda _node: on_changed()))
        ui.roiSelector.connect("currentNodeChanged(vtkMRMLNode*)", slots(lambda _node: on_changed()))
        ui.framesCheck.connect("toggled(bool)", slots(lambda _checked: on_changed()))
        ui.roiSelector.connect("nodeAddedByUser(vtkMRMLNode*)", slots(self._on_new_roi))

    @property
    def nodes(self) -> dict[str, Any]:
        """Role of the chosen model -> volume node or None."""
        return {role: self._row(role).selector.currentNode() for role in self._roles}

    @property
    def roi(self) -> Any:
        """The region's node, None for the whole volume."""
        return self._ui.roiSelector.currentNode()

    @property
    def allow_other_frame(self) -> bool:
        """Whether the user ticked that volumes of different frames of reference lie on each other."""
        return bool(self._ui.framesCheck.checked)

    def refresh(self, card: ModelCard | None, model: str, further: Mapping[str, str] | None) -> InputsView:
        """Show the selectors that the card needs and look at what they name.

        Parameters
        ----------
        further : role -> node id, for the inputs after the first; None leaves them as they are.
        """
        self._show_selectors(card.roles if card is not None else (), further)
        self._take_back_yes()
        nodes = self.nodes if card is not None else {ANY: self._first.selector.currentNode()}
        seen = {role: _see(node) for role, node in nodes.items() if node is not None}
        self._watch()
        self.first_facts = next((one.facts for one in seen.values()), None)
        view = Inputs(card, model, seen, *self._region(), self.allow_other_frame).view()
        self._render(view)
        return view

    def stop(self) -> None:
        """The scene closes, or the panel does."""
        self._later.stop()
        self._observers.removeObservers()
        self._watched = ()

    # -- from the scene --------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Hear of changes of the nodes that are chosen now."""
        roi = self.roi
        volumes = {self._first.selector.currentNode(), *self.nodes.values()} - {None}
        watched = (*sorted(volumes, key=lambda node: str(node.GetID())), roi)
        if watched == self._watched:
            return
        self._observers.removeObservers()
        self._watched = watched
        for node in volumes:
            for event in ("ModifiedEvent", node.TransformModifiedEvent, node.ImageDataModifiedEvent):
                self._observers.addObserver(node, event, self._later.ask)
        if roi is not None:
            for event in ("ModifiedEvent", roi.TransformModifiedEvent, roi.PointModifiedEvent):
                self._observers.addObserver(roi, event, self._later.ask)

    def _on_new_roi(self, roi: Any) -> None:
        """One that the user made from here begins around the image."""
        volume = self._first.selector.currentNode()
        if volume is not None:
            _surround(roi, volume)

    def _region(self) -> tuple[str, tuple[str, ...]]:
        """Why the region cannot be used, and what a run cannot keep of it."""
        if self.roi is None:
            return "", ()
        try:
            roi_box(self.roi)
        except MedDLError as error:
            return str(error), ()
        return "", roi_warnings(self.roi)

    def _take_back_yes(self) -> None:
        """A tick is for the volumes that it was given for, and for no others."""
        chosen = tuple((role, node.GetID() if node is not None else "") for role, node in self.nodes.items())
        if chosen != self._asked_for:
            self._asked_for = chosen
            self._ui.framesCheck.checked = False

    # -- to the widgets --------------------------------------------------------------------------------

    def _row(self, role: str) -> _Row:
        return self._further.get(role, self._first)

    def _show_selectors(self, roles: tuple[str, ...], further: Mapping[str, str] | None) -> None:
        self._roles = roles
        for role in [role for role in self._further if role not in roles[1:]]:
            self._remove(self._further.pop(role))
        for role in roles[1:]:
            if role not in self._further:
                self._further[role] = self._add(role)
            selector = self._further[role].selector
            if further is not None and selector.currentNodeID != further.get(role, ""):
                selector.setCurrentNodeID(further.get(role, ""))
        self._ui.furtherInputs.visible = bool(self._further)

    def _add(self, role: str) -> _Row:
        label, check = qt.QLabel(), qt.QLabel()
        for text in (label, check):
            text.wordWrap = True
            text.setTextFormat(qt.Qt.PlainText)
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [VOLUME_CLASS]
        selector.showChildNodeTypes = False
        selector.addEnabled = selector.removeEnabled = False
        selector.noneEnabled = True
        selector.setMRMLScene(slicer.mrmlScene)
        label.setBuddy(selector)
        layout = self._ui.furtherInputs.layout()
        for widget in (label, selector, check):
            layout.addWidget(widget)
        before = list(self._further.values())[-1].selector if self._further else self._ui.inputSelector
        self._ui.inputsButton.setTabOrder(before, selector)
        selector.connect("currentNodeChanged(vtkMRMLNode*)", self._slots(lambda node: self._on_further(role, node)))
        return _Row(label, selector, check)

    def _remove(self, row: _Row) -> None:
        for widget in (row.label, row.selector, row.check):
            self._ui.furtherInputs.layout().removeWidget(widget)
            widget.hide()
            widget.deleteLater()

    def _render(self, view: InputsView) -> None:
        for row in view.rows:
            self._render_row(self._row(row.role), row)
        show_line(self._ui.roiCheck, view.roi)
        self._ui.framesCheck.visible = view.asks_for_yes

    def _render_row(self, widgets: _Row, row: InputRow) -> None:
        if widgets.label.text != row.label:
            widgets.label.text = row.label
        if widgets.selector.accessibleName != row.label:
            widgets.selector.accessibleName = row.label
        show_line(widgets.check, row.check)


def _see(node: Any) -> Seen:
    parent = node.GetParentTransformNode()
    return Seen(facts_of_volume(node), parent.GetName() if parent is not None else "")


def _surround(roi: Any, volume: Any) -> None:
    """Let a region enclose a volume as it lies in the world."""
    bounds_ras_mm = [0.0] * 6
    volume.GetRASBounds(bounds_ras_mm)
    pairs = [bounds_ras_mm[2 * axis : 2 * axis + 2] for axis in range(3)]
    roi.SetCenterWorld(*((low + high) / 2 for low, high in pairs))
    roi.SetSizeWorld(*(high - low for low, high in pairs))
