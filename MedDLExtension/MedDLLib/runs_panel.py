"""Plan, Apply, Cancel, progress and the list of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from .i18n import _
from .presenter import QueueRow, View
from .show import Slots, show_control, show_line, show_progress

SHORTCUT = "Ctrl+Return"
TITLE, STATE, CANCEL = range(3)


class RunsPanel:
    """Wires the widgets between Options and Results.

    Parameters
    ----------
    ui : its named widgets as attributes.
    slots : makes slots.
    on_apply, on_cancel : a button was pressed.
    on_cancel_one, on_show : told the id of a run in the list.
    """

    def __init__(
        self,
        ui: Any,
        slots: Slots,
        *,
        on_apply: Callable[[], None],
        on_cancel: Callable[[], None],
        on_cancel_one: Callable[[str], None],
        on_show: Callable[[str], None],
    ) -> None:
        self._ui, self._slots = ui, slots
        self._on_cancel_one, self._on_show = on_cancel_one, on_show
        self._rows: tuple[QueueRow, ...] = ()
        ui.applyButton.setShortcut(qt.QKeySequence(SHORTCUT))
        ui.applyButton.connect("clicked(bool)", slots(lambda _checked: on_apply()))
        ui.cancelButton.connect("clicked(bool)", slots(lambda _checked: on_cancel()))
        ui.queueTable.connect("cellClicked(int,int)", slots(self._on_row))
        header = ui.queueTable.horizontalHeader()
        header.setSectionResizeMode(TITLE, qt.QHeaderView.Stretch)
        for column in (STATE, CANCEL):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)

    def render(self, view: View) -> None:
        """Show it."""
        ui = self._ui
        show_line(ui.planLabel, view.plan)
        if ui.applyButton.text != view.apply.text:
            ui.applyButton.text = view.apply.text
            ui.applyButton.setShortcut(qt.QKeySequence(SHORTCUT))  # a new text takes it away
        show_control(ui.applyButton, view.apply)
        show_control(ui.cancelButton, view.cancel)
        show_progress(ui.progressBar, view.progress)
        show_line(ui.stageLabel, view.stage)
        show_line(ui.statusLabel, view.status)
        ui.queueButton.visible = bool(view.queue)
        self._render_queue(view.queue)

    def _on_row(self, row: int, _column: int) -> None:
        if 0 <= row < len(self._rows):
            self._on_show(self._rows[row].run_id)

    def _render_queue(self, rows: tuple[QueueRow, ...]) -> None:
        if rows == self._rows:
            return
        if [row.run_id for row in rows] != [row.run_id for row in self._rows]:
            self._begin_rows(rows)
        for number, row in enumerate(rows):
            self._ui.queueTable.item(number, TITLE).setText(row.title)
            self._ui.queueTable.item(number, STATE).setText(row.state)
            show_control(self._ui.queueTable.cellWidget(number, CANCEL), row.cancel)
        self._rows = rows

    def _begin_rows(self, rows: tuple[QueueRow, ...]) -> None:
        table = self._ui.queueTable
        table.setRowCount(0)
        table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            table.setItem(number, TITLE, qt.QTableWidgetItem())
            table.setItem(number, STATE, qt.QTableWidgetItem())
            button = qt.QToolButton()
            button.autoRaise = True
            button.accessibleName = _("Cancel {title}").format(title=row.title)
            button.connect("clicked(bool)", self._slots(lambda _checked, i=row.run_id: self._on_cancel_one(i)))
            table.setCellWidget(number, CANCEL, button)
