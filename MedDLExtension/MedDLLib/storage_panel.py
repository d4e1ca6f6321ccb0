"""The storage page of the panel: the folders MedDL wrote, their sizes, and a button for each to remove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import qt
import slicer

from MedDLLogic.errors import MedDLError
from MedDLLogic.jobs.background import Background
from MedDLLogic.resources import resource_path
from MedDLLogic.storage import StoredFolder, cache_folder, environments_folder, list_storage, remove_storage

from .i18n import _
from .qt_process import Ticker
from .show import Slots, show_control, show_line
from .storage_presenter import StoragePresenter, StorageRow
from .view import COLORS

_BUTTON_COLUMN = 2


class StoragePage:
    """Wires the widgets of ``MedDLStorage.ui``, which is read when the section opens first.

    Parameters
    ----------
    container : the section, a ctkCollapsibleButton.
    is_running : whether a model runs at this moment; what it uses is kept then.
    stop_worker : called before anything is removed, so that a worker that waits lets go of it.
    on_removed : called after a folder went.
    """

    def __init__(
        self,
        container: Any,
        *,
        is_running: Callable[[], bool] = lambda: False,
        stop_worker: Callable[[], None] = lambda: None,
        on_removed: Callable[[], None] = lambda: None,
    ) -> None:
        self._container, self._ui = container, None
        self._is_running, self._stop_worker, self._on_removed = is_running, stop_worker, on_removed
        self._presenter = StoragePresenter()
        self._background, self._ticker = Background(), Ticker()
        self._buttons: list[Any] = []
        self._is_stopped = False
        self._slots = Slots(lambda message: self._tell(self._presenter.failed(message)))
        container.connect("contentsCollapsed(bool)", self._slots(self._on_collapsed))

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has anything to take over."""
        return self._background.is_busy

    def tick(self) -> None:
        """Take over what the background found."""
        self._background.deliver()

    def open(self) -> None:
        """The section was opened: count the folders."""
        if self._is_stopped:
            return
        if self._ui is None:
            self._ui = load_page(self._container, "MedDLStorage.ui")
            self._ui.storageTable.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
            self._ui.storageRefresh.connect("clicked(bool)", self._slots(self._on_refresh))
        self._count()

    def stop(self) -> None:
        """The panel goes away: end what goes on, and touch no widget any more."""
        self._is_stopped = True
        self._ticker.close()
        self._background.close()

    # -- from the widgets ----------------------------------------------------------------------------

    def _on_collapsed(self, is_collapsed: bool) -> None:
        if not is_collapsed:
            self.open()

    def _on_refresh(self, _checked: bool) -> None:
        self._count()

    def _on_button(self, number: int, _checked: bool) -> None:
        path = self._presenter.folders[number].path
        self._tell(self._presenter.keeping(self._kept()).pressed(path))
        if self._presenter.state == "removing":
            self._stop_worker()
            self._do(partial(_remove_and_list, path), self._on_gone)

    # -- the work ------------------------------------------------------------------------------------

    def _count(self) -> None:
        if not self._presenter.is_busy:
            self._tell(self._presenter.keeping(self._kept()).counting())
            self._do(list_storage, self._on_counted)

    def _do(self, task: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._background.do(task, then)
        self._ticker.follow(self)

    def _on_counted(self, answer: tuple[StoredFolder, ...] | MedDLError) -> None:
        if isinstance(answer, MedDLError):
            self._tell(self._presenter.failed(str(answer)))
        else:
            self._tell(self._presenter.listed(answer))

    def _on_gone(self, answer: tuple[int, tuple[StoredFolder, ...]] | MedDLError) -> None:
        if isinstance(answer, MedDLError):
            self._tell(self._presenter.failed(str(answer)))
        else:
            freed_bytes, folders = answer
            self._tell(self._presenter.listed(folders).removed(freed_bytes))
        self._on_removed()

    def _kept(self) -> Mapping[Path, str]:
        if not self._is_running():
            return {}
        return dict.fromkeys((environments_folder(), cache_folder()), _("A model that is running uses it."))

    # -- to the widgets ------------------------------------------------------------------------------

    def _tell(self, presenter: StoragePresenter) -> None:
        self._presenter = presenter
        view, ui = presenter.view(), self._ui
        show_line(ui.storageStatus, view.status)
        ui.storageTotal.text = view.total
        show_control(ui.storageRefresh, view.refresh)
        ui.storageTable.visible = bool(view.rows)
        self._show_rows(view.rows)

    def _show_rows(self, rows: Sequence[StorageRow]) -> None:
        table = self._ui.storageTable
        if len(rows) != table.rowCount:  # never while one of its buttons is pressed: that one would go
            self._make_rows(len(rows))
        for number, (row, button) in enumerate(zip(rows, self._buttons, strict=True)):
            table.item(number, 0).setText(row.text)
            table.item(number, 0).setToolTip(str(row.path))
            table.item(number, 1).setText(row.size)
            show_control(button, row.remove)
            button.styleSheet = f"color: {COLORS['error']};" if row.is_asking else ""
        for column in (1, _BUTTON_COLUMN):
            table.resizeColumnToContents(column)
        table.resizeRowsToContents()
        heights = [table.rowHeight(number) for number in range(len(rows))]
        table.setFixedHeight(sum(heights) + table.horizontalHeader().height + 2 * table.frameWidth)

    def _make_rows(self, count: int) -> None:
        table = self._ui.storageTable
        table.setRowCount(0)
        table.setRowCount(count)
        self._buttons = [qt.QPushButton() for _number in range(count)]
        for number, button in enumerate(self._buttons):
            button.connect("clicked(bool)", self._slots(partial(self._on_button, number)))
            size = qt.QTableWidgetItem()
            size.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            table.setItem(number, 0, qt.QTableWidgetItem())
            table.setItem(number, 1, size)
            table.setCellWidget(number, _BUTTON_COLUMN, _at_top(button))


def load_page(container: Any, name: str) -> Any:
    """Put the widgets of a file in ``Resources/UI`` into a section; returns them by name."""
    layout = container.layout() or qt.QVBoxLayout(container)
    widget = slicer.util.loadUI(str(resource_path("UI", name)))
    layout.addWidget(widget)
    return slicer.util.childWidgetVariables(widget)


def _at_top(button: Any) -> Any:
    """The button in a cell that may be higher than it."""
    cell = qt.QWidget()
    layout = qt.QVBoxLayout(cell)
    layout.setContentsMargins(2, 2, 2, 2)
    layout.addWidget(button)
    layout.addStretch(1)
    return cell


def _remove_and_list(path: Path) -> tuple[int, tuple[StoredFolder, ...]]:
    """How many bytes went, and what is left."""
    freed_bytes = remove_storage([path])
    return freed_bytes, list_storage()
