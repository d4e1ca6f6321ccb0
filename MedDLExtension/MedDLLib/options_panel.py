"""The section Options: device, how the model is computed, and where the result goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import qt

from MedDLLogic.job import Computing

from .devices import Devices, read_devices
from .options_presenter import Chosen, Option, OptionsView, options_view
from .show import Slots, show_state

POLL_MS = 20
"""Slicer lets other threads of Python go on only while it is in Python itself, so a rarer look is a longer wait."""
USABLE, UNUSABLE = 33, 0
"""Flags of a line of a list: it can be selected and is enabled, or neither."""


class OptionsPanel:
    """Wires the widgets of the section.

    Parameters
    ----------
    ui : its named widgets as attributes.
    slots : makes slots.
    on_chosen : told what the user chose: the name of a field of ``Computing``, and its value.
    on_changed : called when something else is different now.
    """

    def __init__(
        self,
        ui: Any,
        slots: Slots,
        *,
        on_chosen: Callable[[str, Any], None],
        on_changed: Callable[[], None],
    ) -> None:
        self._ui, self._on_changed = ui, on_changed
        self.devices: Devices | None = None
        self._reader: threading.Thread | None = None
        self._read: Devices | None = None
        self._shown: dict[str, tuple[Option, ...]] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", slots(self._look_for_answer))
        ui.optionsButton.connect("contentsCollapsed(bool)", slots(self._on_opened))
        for what in ("device", "quality", "precision"):
            selector = getattr(ui, f"{what}Selector")
            selector.connect("activated(int)", slots(partial(_choose, on_chosen, what, selector)))
        ui.mirrorCheck.connect("clicked(bool)", slots(partial(on_chosen, "mirroring")))
        ui.outputSelector.connect("currentNodeChanged(vtkMRMLNode*)", slots(lambda _node: on_changed()))

    @property
    def replaced(self) -> Any:
        """The segmentation node that the result takes the place of, None for a new one."""
        return self._ui.outputSelector.currentNode()

    def keep_results(self) -> None:
        """Whatever was to be replaced is not any more: something else is chosen now."""
        if self.replaced is not None:
            self._ui.outputSelector.setCurrentNode(None)

    def refresh(self, computing: Computing, model: Chosen) -> None:
        """Show this choice."""
        self._render(options_view(computing, self.devices, model))

    def stop(self) -> None:
        """The panel goes away."""
        self._timer.stop()

    def _on_opened(self, is_collapsed: bool) -> None:
        """What the machine has is asked for when somebody wants to see it."""
        if not is_collapsed and self._reader is None:
            self._reader = threading.Thread(target=self._read_devices, daemon=True)
            self._reader.start()
            self._timer.start()

    def _read_devices(self) -> None:
        """Off the main thread, which alone may touch widgets."""
        self._read = read_devices()

    def _look_for_answer(self) -> None:
        if self._reader is not None and not self._reader.is_alive():
            self._timer.stop()
            self.devices = self._read
            self._on_changed()

    def _render(self, view: OptionsView) -> None:
        self._fill("device", self._ui.deviceSelector, view.devices, view.device)
        self._fill("quality", self._ui.qualitySelector, view.qualities, view.quality)
        show_state(self._ui.qualitySelector, view.quality_control)
        self._fill("precision", self._ui.precisionSelector, view.precisions, view.precision)
        show_state(self._ui.precisionSelector, view.precision_control)
        self._ui.mirrorCheck.checked = view.is_mirroring
        show_state(self._ui.mirrorCheck, view.mirror_control)

    def _fill(self, kind: str, selector: Any, options: tuple[Option, ...], chosen: str) -> None:
        if self._shown.get(kind) != options:
            selector.clear()
            for option in options:
                selector.addItem(option.text, option.value)
                line = selector.count - 1
                selector.setItemData(line, option.why_not, qt.Qt.ToolTipRole)
                # QComboBox keeps the flags of a line in the role below the user's.
                selector.setItemData(line, UNUSABLE if option.why_not else USABLE, qt.Qt.UserRole - 1)
            self._shown[kind] = options
        selector.setCurrentIndex(selector.findData(chosen))


def _choose(on_chosen: Callable[[str, Any], None], what: str, selector: Any, number: int) -> None:
    on_chosen(what, selector.itemData(number))
