"""The section Results: the table that follows the segmentation node, what shows it in the views, and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.util import VTKObservationMixin

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.write import WrittenFile
from MedDLLogic.scene.display import is_shown_3d, jump_to, segment_center_ras, set_segment_visible, show_3d
from MedDLLogic.scene.files import SCENE_SUFFIX, SEGMENTATION_SUFFIX
from MedDLLogic.scene.segmentations import is_on_grid

from .exports import TABLE_SUFFIX, export_scene, export_segmentation, export_table, proposed_name
from .i18n import _
from .results_presenter import COLUMNS, Measured, ResultRow, Results, ResultsView
from .run_state import Outcome
from .segments_now import measured_in, measured_in_table, segments_now, volume_of
from .show import Later, Slots, show_control, show_line
from .view import Line

SHOWN, NAME, VOLUME, MEAN = range(len(COLUMNS))
ROWS_AT_ONCE = 32


class ResultsPanel:
    """Wires the widgets of the section.

    Parameters
    ----------
    ui : its named widgets as attributes.
    slots : makes slots.
    """

    def __init__(self, ui: Any, slots: Slots) -> None:
        self._ui, self._slots = ui, slots
        self._results = Results()
        self._view: ResultsView | None = None
        self._items: list[Mapping[int, Any]] = []
        self._node_id = self._table_id = ""
        self._is_writing = False
        self._observers = VTKObservationMixin()
        self._later = Later(slots(self._look))
        self._rest = Later(slots(self._fill_rest))
        self._connect()

    # -- which result ----------------------------------------------------------------------------------

    def show(self, outcome: Outcome) -> None:
        """Show what a run left in the scene."""
        self._follow(outcome.segmentation_id, outcome.table_id)
        self._begin(measured_in(outcome), outcome.warnings)

    def restore(self, segmentation: Any, table: Any) -> None:
        """Show the result that a scene holds, unless it is shown already."""
        node_id = segmentation.GetID() if segmentation is not None else ""
        if node_id == self._node_id:
            return
        self._follow(node_id, table.GetID() if table is not None else "")
        both = segmentation is not None and table is not None
        self._begin(measured_in_table(table, segmentation) if both else {}, ())

    def forget(self) -> None:
        """The scene closes."""
        self.stop()
        self._tell(Results())

    def stop(self) -> None:
        """The panel goes away."""
        self._later.stop()
        self._rest.stop()
        self._follow("", "")

    def _begin(self, measured: dict[str, Measured], warnings: tuple[str, ...]) -> None:
        self._results = self._results.measured_anew(measured, warnings)
        self._is_edited = False
        self._look()

    _is_edited = False

    @property
    def _node(self) -> Any:
        return slicer.mrmlScene.GetNodeByID(self._node_id) if self._node_id else None

    @property
    def _table(self) -> Any:
        return slicer.mrmlScene.GetNodeByID(self._table_id) if self._table_id else None

    # -- from the scene --------------------------------------------------------------------------------

    def _follow(self, node_id: str, table_id: str) -> None:
        self._observers.removeObservers()
        self._node_id, self._table_id = node_id, table_id
        node = self._node
        if node is None:
            return
        changes = [node.DisplayModifiedEvent, node.TransformModifiedEvent, "ModifiedEvent"]
        self._observe(node, *changes)
        kind = slicer.vtkSegmentation
        segments = [kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified, kind.SegmentsOrderModified]
        self._observe(node.GetSegmentation(), *segments)
        self._observers.addObserver(
            node.GetSegmentation(), kind.SourceRepresentationModified, self._slots(self._on_voxels)
        )
        self._observe(slicer.mrmlScene, slicer.vtkMRMLScene.NodeRemovedEvent)
        volume = volume_of(node)
        if volume is not None:
            self._observe(volume, "ModifiedEvent", volume.TransformModifiedEvent, volume.ImageDataModifiedEvent)

    def _observe(self, what: Any, *events: Any) -> None:
        for event in events:
            self._observers.addObserver(what, event, self._later.ask)

    def _on_voxels(self, *_ignored: Any) -> None:
        self._is_edited = self._is_edited or not self._is_writing  # writing a file packs layers anew
        self._later.ask()

    def _look(self) -> None:
        """Take over what the nodes are like now."""
        node = self._node
        if node is None:
            self._tell(self._results.nothing())
            return
        volume = volume_of(node)
        now = self._results.seen(
            node.GetName(),
            segments_now(node),
            is_on_grid=None if volume is None else _is_on_grid(node, volume),
            is_edited=self._is_edited,
            is_3d=is_shown_3d(node),
            has_table=self._table is not None,
        )
        self._tell(now)

    # -- from the widgets ------------------------------------------------------------------------------

    def _connect(self) -> None:
        ui, slots = self._ui, self._slots
        table = ui.resultsTable
        table.connect("cellChanged(int,int)", slots(self._on_cell))
        table.connect("cellDoubleClicked(int,int)", slots(lambda _row, _column: self._jump()))
        table.connect("itemSelectionChanged()", slots(self._on_selection))
        table.horizontalHeader().connect("sectionClicked(int)", slots(self._on_header))
        ui.showAllButton.connect("clicked(bool)", slots(lambda _checked: self._show_all(True)))
        ui.hideAllButton.connect("clicked(bool)", slots(lambda _checked: self._show_all(False)))
        ui.show3dButton.connect("clicked(bool)", slots(self._on_3d))
        ui.jumpButton.connect("clicked(bool)", slots(lambda _checked: self._jump()))
        ui.saveSegmentationButton.connect("clicked(bool)", slots(self._save_segmentation))
        ui.saveTableButton.connect("clicked(bool)", slots(self._save_table))
        ui.saveSceneButton.connect("clicked(bool)", slots(self._save_scene))
        policy = qt.QHeaderView
        for column, mode in ((SHOWN, policy.ResizeToContents), (NAME, policy.Stretch)):
            table.horizontalHeader().setSectionResizeMode(column, mode)
        for column in (VOLUME, MEAN):
            table.horizontalHeader().setSectionResizeMode(column, policy.ResizeToContents)

    def _on_cell(self, row: int, column: int) -> None:
        if column == SHOWN and self._view is not None:
            is_shown = self._ui.resultsTable.item(row, SHOWN).checkState() == qt.Qt.Checked
            set_segment_visible(self._node, self._view.rows[row].segment_id, is_shown)

    def _on_selection(self) -> None:
        if self._view is not None:
            row = self._ui.resultsTable.currentRow()
            if 0 <= row < len(self._view.rows):
                self._tell(self._results.selecting(self._view.rows[row].segment_id))

    def _on_header(self, column: int) -> None:
        self._tell(self._results.sorting(COLUMNS[column]))

    def _show_all(self, is_shown: bool) -> None:
        node = self._node
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAllSegmentsVisibility(is_shown)
        if is_shown:
            node.GetDisplayNode().SetVisibility(True)

    def _on_3d(self, checked: bool) -> None:
        with slicer.util.WaitCursor():  # a part of a second a segment, in which nothing else runs
            show_3d(self._node, checked)

    def _jump(self) -> None:
        center_ras = segment_center_ras(self._node, self._results.selected)
        if center_ras is None:
            raise MedDLError("E607", "this segment is empty", "", "there is nothing to go to")
        jump_to(slicer.mrmlScene, center_ras)

    # -- to files --------------------------------------------------------------------------------------

    def _save_segmentation(self, _checked: bool) -> None:
        kind = _("Segmentation (*{suffix})").format(suffix=SEGMENTATION_SUFFIX)
        self._save(
            _("Save the segments"), kind, SEGMENTATION_SUFFIX, lambda path: export_segmentation(self._node, path)
        )

    def _save_table(self, _checked: bool) -> None:
        kind = _("Table (*{suffix})").format(suffix=TABLE_SUFFIX)
        self._save(_("Save the table"), kind, TABLE_SUFFIX, lambda path: export_table(self._table, path))

    def _save_scene(self, _checked: bool) -> None:
        kind = _("Scene (*{suffix})").format(suffix=SCENE_SUFFIX)
        self._save(_("Save the scene"), kind, SCENE_SUFFIX, lambda path: export_scene(slicer.mrmlScene, path))

    def _save(self, title: str, kind: str, suffix: str, write: Callable[[str], WrittenFile]) -> None:
        proposed = str(Path(slicer.app.defaultScenePath) / (proposed_name(self._node) + suffix))
        path = qt.QFileDialog.getSaveFileName(self._ui.resultsButton, title, proposed, kind)
        if not path:
            return
        self._is_writing = True
        try:
            written = write(path)
            self._tell(self._results.told(Line(_("{name} is written.").format(name=written.name), "done")))
        except MedDLError as error:
            self._tell(self._results.told(Line(str(error), "error")))
        finally:
            self._is_writing = False

    # -- to the widgets --------------------------------------------------------------------------------

    def _tell(self, results: Results) -> None:
        self._results = results
        self._render(results.view())

    def _render(self, view: ResultsView) -> None:
        ui = self._ui
        ui.resultsButton.visible = view.is_visible
        if ui.resultLabel.text != view.title:
            ui.resultLabel.text = view.title
        show_line(ui.gridLabel, view.grid)
        show_line(ui.editedLabel, view.edited)
        for button, control in (
            (ui.showAllButton, view.show_all),
            (ui.hideAllButton, view.hide_all),
            (ui.show3dButton, view.show_3d),
            (ui.jumpButton, view.jump),
            (ui.saveSegmentationButton, view.save_segmentation),
            (ui.saveTableButton, view.save_table),
            (ui.saveSceneButton, view.save_scene),
        ):
            show_control(button, control)
        ui.show3dButton.checked = view.is_3d
        show_line(ui.warningsLabel, view.warnings)
        show_line(ui.savedLabel, view.saved)
        self._render_table(view)

    def _render_table(self, view: ResultsView) -> None:
        table = self._ui.resultsTable
        table.blockSignals(True)  # what is filled in here nobody clicked
        try:
            self._fill(view)
        finally:
            table.blockSignals(False)
            self._view = view

    def _fill(self, view: ResultsView) -> None:
        table, before = self._ui.resultsTable, self._view
        if before is None or before.headers != view.headers:
            table.setHorizontalHeaderLabels(list(view.headers))
        header = table.horizontalHeader()
        header.setSortIndicatorShown(view.sorted_by is not None)
        if view.sorted_by is not None:
            order = qt.Qt.DescendingOrder if view.is_descending else qt.Qt.AscendingOrder
            header.setSortIndicator(COLUMNS.index(view.sorted_by), order)
        if before is None or before.rows != view.rows or len(self._items) < len(view.rows):
            self._fill_rows(view.rows)
        ids = [row.segment_id for row in view.rows]
        number = ids.index(view.selected) if view.selected in ids else -1
        if table.currentRow() != number:
            if number < 0:
                table.clearSelection()
                table.setCurrentCell(-1, -1)
            else:
                table.setCurrentCell(number, NAME)

    def _fill_rows(self, rows: tuple[ResultRow, ...]) -> None:
        """Rows that are new come some at a time: a hundred would hold up whatever else the user does."""
        made, wanted = len(self._items), min(len(rows), len(self._items) + ROWS_AT_ONCE)
        if wanted > made:
            self._make_rows(range(made, wanted))
        else:
            self._ui.resultsTable.setRowCount(wanted)
            del self._items[wanted:]
        old = self._view.rows if self._view is not None else ()
        for number, (items, row) in enumerate(zip(self._items, rows, strict=False)):
            _fill_row(items, row, old[number] if number < min(made, len(old)) else None)
        if wanted < len(rows):
            self._rest.ask()

    def _fill_rest(self) -> None:
        if self._view is not None:
            self._render_table(self._view)

    def _make_rows(self, numbers: range) -> None:
        table, make = self._ui.resultsTable, qt.QTableWidgetItem
        table.setRowCount(numbers.stop)
        flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable
        right = qt.Qt.AlignRight | qt.Qt.AlignVCenter
        for number in numbers:
            items = {column: make() for column in (SHOWN, NAME, VOLUME, MEAN)}
            items[SHOWN].setFlags(flags)
            items[VOLUME].setTextAlignment(right)
            items[MEAN].setTextAlignment(right)
            for column, item in items.items():
                table.setItem(number, column, item)
            self._items.append(items)


def _fill_row(items: Mapping[int, Any], row: ResultRow, old: ResultRow | None) -> None:
    """Only what differs: hiding a hundred segments is a hundred ticks and no more."""
    if old is None or old.is_shown != row.is_shown:
        items[SHOWN].setCheckState(qt.Qt.Checked if row.is_shown else qt.Qt.Unchecked)
    if old is None or old.color != row.color:
        items[NAME].setData(qt.Qt.DecorationRole, qt.QColor(*row.color))
    texts = {NAME: row.name, VOLUME: row.volume, MEAN: row.mean}
    before = {NAME: old.name, VOLUME: old.volume, MEAN: old.mean} if old is not None else {}
    for column, text in texts.items():
        if before.get(column) != text:
            items[column].setText(text)


def _is_on_grid(node: Any, volume: Any) -> bool:
    """False too for a volume whose grid cannot be read any more."""
    try:
        return bool(is_on_grid(node, volume))
    except MedDLError:
        return False
