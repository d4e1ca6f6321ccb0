"""What the storage page shows, decided without Qt: the folders MedDL wrote, and which one is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from MedDLLogic.storage import StoredFolder

from .i18n import _
from .view import Control, Line, Tone
from .words import first_upper, size_in_words

State = Literal["unknown", "counting", "listed", "removing"]


@dataclass(frozen=True)
class StorageRow:
    """One folder as a line of the table, with its button; ``is_asking`` when the next press removes it."""

    path: Path
    text: str
    size: str
    remove: Control
    is_asking: bool = False


@dataclass(frozen=True)
class StorageView:
    """Everything the widgets of the page show."""

    status: Line
    rows: tuple[StorageRow, ...]
    total: str
    refresh: Control


@dataclass(frozen=True)
class StoragePresenter:
    """One moment of the page. Every method returns the next moment.

    Parameters
    ----------
    folders : as ``list_storage`` counted them.
    asked : folder whose button was pressed once.
    kept : folder -> why it cannot go now.
    """

    state: State = "unknown"
    folders: tuple[StoredFolder, ...] = ()
    asked: Path | None = None
    kept: Mapping[Path, str] = field(default_factory=dict)
    message: str = ""
    tone: Tone = "hint"

    @property
    def is_busy(self) -> bool:
        """Whether folders are being counted or removed."""
        return self.state in ("counting", "removing")

    def counting(self) -> StoragePresenter:
        """The sizes are being counted anew; what was said last stays to be read."""
        return replace(self, state="counting", asked=None)

    def listed(self, folders: Sequence[StoredFolder]) -> StoragePresenter:
        """The folders and sizes are known."""
        return replace(self, state="listed", folders=tuple(folders))

    def keeping(self, kept: Mapping[Path, str]) -> StoragePresenter:
        """These folders are in use, others are not."""
        asked = None if self.asked in kept else self.asked
        return replace(self, kept=dict(kept), asked=asked)

    def pressed(self, path: Path) -> StoragePresenter:
        """A Remove button was pressed: once to be asked, twice to be obeyed; then the state is ``removing``."""
        if self.is_busy:
            return self
        if path in self.kept:
            return replace(self, asked=None, message=self.kept[path], tone="warning")
        if self.asked == path:
            return replace(self, state="removing", message="", tone="busy")
        return replace(self, asked=path, message="", tone="hint")

    def removed(self, freed_bytes: int) -> StoragePresenter:
        """The folder that was asked about is gone, or what of it was not in use."""
        text = _("{size} removed.").format(size=size_in_words(freed_bytes))
        return replace(self, state="listed", asked=None, message=text, tone="done")

    def failed(self, message: str) -> StoragePresenter:
        """Counting or removing ended with an error, told in one line."""
        return replace(self, state="listed", asked=None, message=message, tone="error")

    def view(self) -> StorageView:
        """Everything visible at this moment."""
        total = size_in_words(sum(folder.size_bytes for folder in self.folders))
        busy = _("Wait until the folders are counted.") if self.state == "counting" else _("Wait for the removal.")
        return StorageView(
            status=Line(self._status(), "busy" if self.is_busy else "warning" if self.asked else self.tone),
            rows=tuple(self._row(folder, busy) for folder in self.folders),
            total=_("{size} in all").format(size=total) if self.folders else "",
            refresh=Control("", not self.is_busy, busy if self.is_busy else _("Count the folders' sizes anew")),
        )

    def _status(self) -> str:
        if self.state == "removing":
            return _("Removing…")
        if self.state == "counting" and not self.message:
            return _("Counting…")
        if self.asked is not None:
            text = _("Press Really remove? to delete {path} with everything in it.")
            return text.format(path=self.asked)
        if self.state == "listed" and not self.folders and not self.message:
            return _("MedDL has written no folders on this computer.")
        return self.message

    def _row(self, folder: StoredFolder, busy: str) -> StorageRow:
        why_not = busy if self.is_busy else self.kept.get(folder.path, "")
        is_asking = self.asked == folder.path
        return StorageRow(
            folder.path,
            f"{first_upper(folder.purpose)}\n{folder.path}",
            size_in_words(folder.size_bytes),
            Control(
                _("Really remove?") if is_asking else _("Remove"),
                not why_not,
                why_not or _("Delete this folder with everything in it; asks once more first"),
            ),
            is_asking,
        )
