"""The bug report on the environment page: written by a child, read by the user first, then put into a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from MedDLLogic.disk import disk_errors
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Finished
from MedDLLogic.io.write import write_text
from MedDLLogic.jobs.background import Background

from .environment_children import Children, Ending, why
from .i18n import _
from .show import Slots, show_line
from .view import Line

REPORT_NAME = "MedDL-report.txt"


class ReportBox:
    """Wires the box "Bug report" of ``MedDLEnvironment.ui``.

    Parameters
    ----------
    ui : the page's named widgets as attributes.
    background : writes the file; ``wake`` is called when it has something to do.
    install_log, worker_log : what pip and the last failed worker said.
    settings : choices such as device and quality.
    """

    def __init__(
        self,
        ui: Any,
        slots: Slots,
        children: Children,
        background: Background,
        wake: Callable[[], None],
        *,
        install_log: Callable[[], str],
        worker_log: Callable[[], str],
        settings: Callable[[], Mapping[str, str]],
    ) -> None:
        self._ui, self._slots, self._children = ui, slots, children
        self._background, self._wake = background, wake
        self._install_log, self._worker_log, self._settings = install_log, worker_log, settings
        self._text = ""
        ui.environmentReportPath.currentPath = str(Path.home() / REPORT_NAME)
        ui.environmentReportRefresh.connect("clicked()", slots(self._write))
        ui.environmentReportSave.connect("clicked()", slots(self._on_save))
        ui.environmentReportBox.connect("toggled(bool)", slots(self._on_box))

    def _on_box(self, is_open: bool) -> None:
        if is_open:
            self._write()

    def _write(self) -> None:
        self._children.drop("report")
        answer = self._children.answer_file("report.txt")
        given = {
            "install-log": self._install_log(),
            "worker-log": self._worker_log(),
            "settings": json.dumps({"settings": dict(self._settings())}),
        }
        command = ["report", str(answer), "--slicer", slicer_version()]
        for option, text in given.items():
            with disk_errors():
                (answer.parent / option).write_text(text, encoding="utf-8")
            command += [f"--{option}", str(answer.parent / option)]
        self._show(Line(_("Writing the report…"), "busy"))
        self._children.start("report", command, self._slots(partial(self._on_written, answer)))

    def _on_written(self, answer: Path, event: Ending) -> None:
        if isinstance(event, Finished):
            self._text = answer.read_text(encoding="utf-8")
            self._show(Line())
        else:
            self._show(Line(why(event), "error"))

    def _on_save(self) -> None:
        path = self._ui.environmentReportPath.currentPath.strip()
        self._background.do(partial(write_text, Path(path), self._text), self._slots(self._on_saved))
        self._wake()

    def _on_saved(self, answer: object) -> None:
        saved = Line(_("Saved."), "done")
        self._show(Line(str(answer), "error") if isinstance(answer, MedDLError) else saved)

    def _show(self, line: Line) -> None:
        ui = self._ui
        if ui.environmentReport.plainText != self._text:
            ui.environmentReport.plainText = self._text
        ui.environmentReportSave.enabled = bool(self._text) and line.tone != "busy"
        ready, waiting = _("Write the text above into the file"), _("Wait until the report is written.")
        ui.environmentReportSave.toolTip = ready if ui.environmentReportSave.enabled else waiting
        show_line(ui.environmentReportStatus, line)


def slicer_version() -> str:
    """Such as ``"5.12"``."""
    return f"{slicer.app.majorVersion}.{slicer.app.minorVersion}"
