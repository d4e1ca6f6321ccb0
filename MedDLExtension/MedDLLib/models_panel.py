"""The section Model: search, list, card and download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import qt

from MedDLLogic.events import Event, Failed, Finished, Progress

from .catalog import Catalog
from .models_presenter import ModelItem, Models, ModelsView
from .show import Slots, show_control, show_line, show_progress


class Download(Protocol):
    """A download that goes on by itself; its end is told once."""

    def cancel(self) -> None:
        """Stop it."""

    def close(self) -> None:
        """Stop it at once, without a word."""


MAX_LINES = 6
StartDownload = Callable[[str, Callable[[Event], None], Callable[[Event], None]], Download]


class ModelsPanel:
    """Wires the widgets of the section.

    Parameters
    ----------
    ui : its named widgets as attributes.
    catalog : the models there are.
    slots : makes slots.
    on_chosen : told the name of the model that the user chose.
    on_changed : called when a download began or ended.
    start_download : name of the model, who is told events, who is told the end.
    """

    def __init__(
        self,
        ui: Any,
        catalog: Catalog,
        slots: Slots,
        *,
        on_chosen: Callable[[str], None],
        on_changed: Callable[[], None],
        start_download: StartDownload,
    ) -> None:
        self._ui, self._catalog = ui, catalog
        self._on_chosen, self._on_changed, self._start_download = on_chosen, on_changed, start_download
        self._models = Models()
        self._items: tuple[ModelItem, ...] = ()
        self._download: Download | None = None
        self._is_filling = False
        ui.modelSearch.connect("textChanged(QString)", slots(self._on_search))
        ui.modelSearch.connect("returnPressed()", slots(self._on_search_done))
        ui.modelList.connect("currentRowChanged(int)", slots(self._on_row))
        ui.cardButton.connect("toggled(bool)", slots(self._on_more))
        ui.getButton.connect("clicked(bool)", slots(self._on_get))
        ui.getCancelButton.connect("clicked(bool)", slots(self._on_get_cancel))

    @property
    def getting(self) -> str:
        """Name of the model that is being downloaded, empty when none is."""
        return self._models.getting

    def refresh(self, chosen: str) -> None:
        """Show the models there are by now, this one chosen."""
        self._catalog.refresh()
        models = self._models.read(self._catalog.listed, self._catalog.broken)
        self._tell(models.chose(chosen, self._catalog.needs(chosen)))

    def stop(self) -> None:
        """The panel goes away."""
        if self._download is not None:
            self._download.close()
        self._download = None

    # -- from the widgets ----------------------------------------------------------------------------

    def _on_search(self, text: str) -> None:
        self._tell(self._models.searched(text))

    def _on_search_done(self) -> None:
        """Return takes the first model that matches."""
        first = next((item.name for item in self._models.view().items if item.is_shown), "")
        if first:
            self._ui.modelList.setFocus()
            self._on_chosen(first)

    def _on_row(self, row: int) -> None:
        if not self._is_filling and 0 <= row < len(self._items):
            self._on_chosen(self._items[row].name)

    def _on_more(self, is_open: bool) -> None:
        self._tell(self._models.opened(is_open))

    def _on_get(self, _checked: bool) -> None:
        name = self._models.chosen
        self._tell(self._models.asked_for_download())
        try:
            self._download = self._start_download(name, self._on_event, self._on_end)
        except Exception:  # whatever it was goes on to the slot's guard, but Get must not say "downloading" for ever
            self._tell(self._models.got_nothing())
            raise
        self._on_changed()

    def _on_get_cancel(self, _checked: bool) -> None:
        if self._download is not None:
            self._tell(self._models.stopping())
            self._download.cancel()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._tell(self._models.told(event.fraction))

    def _on_end(self, ending: Event) -> None:
        self._download = None
        if isinstance(ending, Finished):
            self._tell(self._models.got_all())
        else:
            self._tell(self._models.got_nothing(ending.message if isinstance(ending, Failed) else ""))
        self._on_changed()

    # -- to the widgets --------------------------------------------------------------------------------

    def _tell(self, models: Models) -> None:
        self._models = models
        self._render(models.view())

    def _render(self, view: ModelsView) -> None:
        ui = self._ui
        self._render_list(view)
        show_line(ui.searchLabel, view.search)
        show_line(ui.brokenLabel, view.broken)
        if ui.factsLabel.text != view.facts:
            ui.factsLabel.text = view.facts
        ui.factsLabel.visible = bool(view.facts)
        show_control(ui.cardButton, view.more)
        ui.cardButton.setArrowType(qt.Qt.DownArrow if view.details else qt.Qt.RightArrow)
        ui.cardBrowser.visible = bool(view.details)
        if view.details and view.details != self._details:
            ui.cardBrowser.setHtml(view.details)
        self._details = view.details
        show_control(ui.getButton, view.get)
        show_control(ui.getCancelButton, view.get_cancel)
        show_progress(ui.getProgress, view.get_progress)
        show_line(ui.getLabel, view.get_line)

    _details = ""

    def _render_list(self, view: ModelsView) -> None:
        widget = self._ui.modelList
        self._is_filling = True
        try:
            if [item.name for item in view.items] != [item.name for item in self._items]:
                widget.clear()
                for item in view.items:
                    widget.addItem(item.text)
                    widget.item(widget.count - 1).setToolTip(item.tool_tip)
                lines = min(max(len(view.items), 2), MAX_LINES)
                widget.setFixedHeight(lines * widget.sizeHintForRow(0) + 2 * widget.frameWidth)
                self._items = ()
            if view.items != self._items:
                for row, item in enumerate(view.items):
                    widget.item(row).setHidden(not item.is_shown)
            self._items = view.items
            names = [item.name for item in view.items]
            row = names.index(view.chosen) if view.chosen in names else -1
            if widget.currentRow != row:
                widget.setCurrentRow(row)
        finally:
            self._is_filling = False
