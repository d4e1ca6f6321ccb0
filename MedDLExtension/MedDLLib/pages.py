"""The sections Environment and Storage, whose pages are made when they are opened first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .backstage import Backstage
from .show import Later, Slots

LAYOUT_MS = 50
"""After that a page that was just opened has its size."""


class Pages:
    """Makes the pages; from then on each looks after itself.

    Parameters
    ----------
    ui : the panel's named widgets as attributes.
    slots : makes slots.
    settings : choices of the user, for the bug report.
    on_changed : called when the environment or a folder may be another one.
    """

    def __init__(
        self,
        ui: Any,
        slots: Slots,
        backstage: Backstage,
        *,
        settings: Callable[[], Mapping[str, str]],
        on_changed: Callable[[], None],
    ) -> None:
        self._ui, self._backstage = ui, backstage
        self._settings, self._on_changed = settings, on_changed
        self._environment: Any = None
        self._storage: Any = None
        self._reveal_later = Later(slots(lambda: _reveal(ui.environmentButton)), LAYOUT_MS)
        ui.environmentButton.connect("contentsCollapsed(bool)", slots(self._on_environment))
        ui.storageButton.connect("contentsCollapsed(bool)", slots(self._on_storage))

    @property
    def is_changing(self) -> bool:
        """Whether the environment is being built or removed; no model should start meanwhile."""
        return self._environment is not None and self._environment.is_changing

    def open_environment(self) -> None:
        """The user wants to set up what is missing."""
        self._ui.environmentButton.collapsed = False
        self._ui.environmentButton.setFocus()
        self._reveal_later.ask()

    def follow_runs(self) -> None:
        """A run began or ended, which decides what may be done in the pages."""
        if self._environment is not None:
            self._environment.follow_runs()

    def stop(self) -> None:
        """The panel goes away."""
        self._reveal_later.stop()
        for page in (self._environment, self._storage):
            if page is not None:
                page.stop()

    def _on_environment(self, is_collapsed: bool) -> None:
        if is_collapsed or self._environment is not None:
            return
        from .environment_panel import EnvironmentPage

        self._environment = EnvironmentPage(
            self._ui.environmentButton,
            is_running=self._is_running,
            stop_worker=self._backstage.stop_workers,
            on_changed=self._on_changed,
            worker_log=lambda: self._backstage.worker_log,
            settings=self._settings,
        )
        self._environment.open()

    def _on_storage(self, is_collapsed: bool) -> None:
        if is_collapsed or self._storage is not None:
            return
        from .storage_panel import StoragePage

        self._storage = StoragePage(
            self._ui.storageButton,
            is_running=self._is_running,
            stop_worker=self._backstage.stop_workers,
            on_removed=self._on_removed,
        )
        self._storage.open()

    def _on_removed(self) -> None:
        if self._environment is not None:
            self._environment.refresh()
        self._on_changed()

    def _is_running(self) -> bool:
        return any(not run.is_over for run in self._backstage.runs.states)


def _reveal(section: Any) -> None:
    """Scroll to a section: Slicer's side panel is higher than its window, and focus alone does not scroll."""
    area = section.parent()
    while area is not None and not area.inherits("QScrollArea"):
        area = area.parent()
    if area is not None:
        area.ensureWidgetVisible(section)
