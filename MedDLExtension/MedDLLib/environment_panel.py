"""The environment page of the panel: what is installed for the worker, what could be, and buttons to change it."""

from __future__ import annotations

import html
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer

from MedDLLogic.disk import disk_errors
from MedDLLogic.environment.folder import PARTIAL_PREFIX, EnvironmentState, environment_state
from MedDLLogic.environment.other_python import OtherPython
from MedDLLogic.environment.preflight import read_check_report
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Finished
from MedDLLogic.io.write import write_text
from MedDLLogic.jobs.background import Background
from MedDLLogic.jobs.errand import Errand
from MedDLLogic.jobs.exchange import new_exchange_folder
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.process import Hears, Launch
from MedDLLogic.records import parse_json
from MedDLLogic.scratch import ScratchFolder, sweep
from MedDLLogic.storage import environments_folder, exchange_base

from .environment_presenter import Activity, CheckRow, EnvironmentPresenter, EnvironmentView
from .i18n import _
from .launch import SETTING_PYTHON, chosen_python, module_launch
from .qt_process import QtProcess, Ticker
from .show import Slots, show_control, show_line, show_progress, show_state
from .storage_panel import load_page
from .view import COLORS, SIGNS, Line

ENVIRONMENT = "MedDLLogic.environment"
PATIENCE = Patience(terminate_s=3.0, kill_s=20.0, gone_s=25.0)
"""Removing what was half unpacked may take a while, and is better done by the one that unpacked it."""

TYPING_PAUSE_MS = 600
MAX_LOG_LINES = 2000
PATH_LETTERS = 16
REPORT_NAME = "MedDL-report.txt"

Ending = Finished | Failed | Cancelled
StartQtProcess = Callable[[Launch, Hears], QtProcess]


class EnvironmentPage:
    """Wires the widgets of ``MedDLEnvironment.ui``, which is read when the section opens first.

    Nothing is installed, removed or written before a press on a button that says so.

    Parameters
    ----------
    container : the section, a ctkCollapsibleButton.
    start_process : makes child processes.
    is_running : whether a model runs at this moment; the environment is left alone then.
    stop_worker : called before and after a change, so that no worker holds the old environment.
    on_changed : called after the environment or the choice of Python changed.
    worker_log : the last of what the worker logged, for the bug report.
    settings : choices such as device and quality, for the bug report.
    """

    def __init__(
        self,
        container: Any,
        start_process: StartQtProcess = QtProcess,
        *,
        is_running: Callable[[], bool] = lambda: False,
        stop_worker: Callable[[], None] = lambda: None,
        on_changed: Callable[[], None] = lambda: None,
        worker_log: Callable[[], str] = str,
        settings: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._container, self._start_process = container, start_process
        self._is_running, self._stop_worker, self._on_changed = is_running, stop_worker, on_changed
        self._worker_log, self._settings = worker_log, settings
        self._ui: Any = None
        self._presenter = EnvironmentPresenter(folder=str(environments_folder()))
        self._view: EnvironmentView | None = None
        self._background, self._ticker = Background(), Ticker()
        self._errands: dict[str, Errand] = {}
        self._processes: dict[str, QtProcess] = {}
        self._scratch: ScratchFolder | None = None
        self._log: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self._unshown: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self._report_text = ""
        self._asked = 0
        self._is_stopped = False
        self._slots = Slots(lambda message: self._tell(self._presenter.failed(message)))
        self._timers = {"wheels": self._timer(self._on_wheels_typed), "python": self._timer(self._on_python_typed)}
        container.connect("contentsCollapsed(bool)", self._slots(self._on_collapsed))

    # -- for the panel ---------------------------------------------------------------------------------

    @property
    def is_changing(self) -> bool:
        """Whether the environment is being built or removed; no model should start meanwhile."""
        return self._presenter.is_changing

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has anything to do."""
        return bool(self._errands) or self._background.is_busy or bool(self._unshown)

    def tick(self) -> None:
        """Heed deadlines, take over what the background found, and show what was logged."""
        self._background.deliver()
        for errand in tuple(self._errands.values()):
            errand.tick()
        self._show_log()

    def open(self) -> None:
        """The section was opened: read the environment's state, and check this computer the first time."""
        if self._is_stopped:
            return
        if self._ui is None:
            self._load()
            self._tell(self._presenter)
            self._check()
            self._ask_python()
        self.refresh()

    def refresh(self) -> None:
        """Read the environment's state again, and whether a model runs; something outside may have changed them."""
        if self._ui is not None and not self._is_stopped:
            self._tell(self._presenter)
            self._do(_swept_state, self._on_state)

    def follow_runs(self, *_ignored: Any) -> None:
        """A run began or ended, which decides what may be pressed here."""
        if self._ui is not None and not self._is_stopped:
            self._tell(self._presenter)

    def stop(self) -> None:
        """The panel goes away: end every child, and touch no widget any more."""
        self._is_stopped = True
        for timer in self._timers.values():
            timer.stop()
        for errand in self._errands.values():
            errand.cancel()
        if "main" in self._processes:
            self._processes["main"].wait()  # a moment for it to clear away what is half installed
        for errand in tuple(self._errands.values()):
            errand.close()
        for process in tuple(self._processes.values()):
            process.wait()
        self._ticker.close()
        self._background.close()
        if self._scratch is not None:
            self._scratch.close()

    # -- from the widgets ------------------------------------------------------------------------------

    def _load(self) -> None:
        ui = self._ui = load_page(self._container, "MedDLEnvironment.ui")
        path = ctk.ctkPathLineEdit
        ui.environmentWheels.filters = path.Dirs | path.NoDotAndDotDot | path.Readable
        ui.environmentPython.filters = path.Files | path.Executable
        ui.environmentReportPath.filters = path.Files | path.Writable
        for line in (ui.environmentWheels, ui.environmentPython, ui.environmentReportPath):
            # By itself a line is never narrower than its path, nor is then the side of Slicer's window.
            line.sizeAdjustPolicy = path.AdjustToMinimumContentsLength
            line.minimumContentsLength = PATH_LETTERS
        ui.environmentWheels.currentPath = ""  # it begins with what lines without a name remembered
        ui.environmentPython.currentPath = chosen_python()
        ui.environmentReportPath.currentPath = str(Path.home() / REPORT_NAME)
        pressed = {
            ui.environmentInstall: partial(self._begin, "install"),
            ui.environmentRepair: partial(self._begin, "repair"),
            ui.environmentVerify: partial(self._begin, "verify"),
            ui.environmentRemove: self._on_remove,
            ui.environmentCancel: self._on_cancel,
            ui.environmentRefresh: self._check,
            ui.environmentCopyLog: self._on_copy,
            ui.environmentReportRefresh: self._write_report,
            ui.environmentReportSave: self._on_save,
        }
        for button, action in pressed.items():
            button.connect("clicked()", self._slots(action))
        ui.environmentBuild.connect("currentIndexChanged(int)", self._slots(self._on_build))
        ui.environmentReportBox.connect("toggled(bool)", self._slots(self._on_report_box))
        for line, name in ((ui.environmentWheels, "wheels"), (ui.environmentPython, "python")):
            # A line that was emptied tells no new path, only that it is not valid.
            for signal in ("currentPathChanged(QString)", "validInputChanged(bool)"):
                line.connect(signal, partial(self._on_typed, name))

    def _timer(self, action: Callable[[], None]) -> Any:
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(TYPING_PAUSE_MS)
        timer.connect("timeout()", self._slots(action))
        return timer

    def _on_collapsed(self, is_collapsed: bool) -> None:
        if not is_collapsed:
            self.open()

    def _on_typed(self, name: str, _told: object) -> None:
        if name == "python":
            qt.QSettings().setValue(SETTING_PYTHON, self._ui.environmentPython.currentPath)
        self._timers[name].start()

    def _on_wheels_typed(self) -> None:
        wheels = self._ui.environmentWheels.currentPath.strip()
        if wheels != self._presenter.wheels:
            self._tell(self._presenter.chosen(wheels=wheels))
            self._check()

    def _on_python_typed(self) -> None:
        if chosen_python() != self._presenter.python:
            if not self._is_running():
                self._stop_worker()
            self._ask_python()
            self._on_changed()

    def _on_build(self, _index: int) -> None:
        build = self._ui.environmentBuild.currentData or ""
        if build != self._presenter.build:
            self._tell(self._presenter.chosen(build=build))
            self._check()

    def _on_remove(self) -> None:
        if self._presenter.is_asking:
            self._begin("remove")
        else:
            self._tell(self._presenter.pressed_remove())

    def _on_cancel(self) -> None:
        if "main" in self._errands:
            self._tell(self._presenter.cancelling())
            self._errands["main"].cancel()

    def _on_copy(self) -> None:
        qt.QApplication.clipboard().setText("\n".join(self._log))

    def _on_report_box(self, is_open: bool) -> None:
        if is_open:
            self._write_report()

    # -- children --------------------------------------------------------------------------------------

    def _begin(self, activity: Activity) -> None:
        """Install, repair, remove or test; whatever forbids it by now is told instead."""
        self._tell(self._presenter)
        if self._presenter.activity or (activity != "verify" and self._is_running()):
            return
        if activity != "verify":
            self._stop_worker()
        options = self._choices() if activity in ("install", "repair") else []
        self._log.append(f"--- {activity} ---")
        self._unshown.append(self._log[-1])
        self._tell(self._presenter.started(activity))
        self._start("main", [activity, *options], self._on_main_ended, on_event=self._on_event, on_log=self._on_log)

    def _check(self) -> None:
        self._drop("check")
        answer = self._answer_file("check.json")
        self._tell(self._presenter.checking())
        command = ["check", str(answer), "--slicer", _slicer_version(), *self._choices()]
        self._start("check", command, partial(self._on_checked, answer))

    def _ask_python(self) -> None:
        self._drop("python")
        program = chosen_python()
        self._tell(self._presenter.asking_python(program))
        if program:
            answer = self._answer_file("python.json")
            self._start("python", ["python", str(answer), program], partial(self._on_python, answer))

    def _write_report(self) -> None:
        self._drop("report")
        answer = self._answer_file("report.txt")
        given = answer.parent
        with disk_errors():
            (given / "install.log").write_text("\n".join(self._log), encoding="utf-8")
            (given / "worker.log").write_text(self._worker_log(), encoding="utf-8")
            (given / "settings.json").write_text(json.dumps({"settings": dict(self._settings())}), encoding="utf-8")
        command = ["report", str(answer), "--slicer", _slicer_version()]
        for option, name in (
            ("install-log", "install.log"),
            ("worker-log", "worker.log"),
            ("settings", "settings.json"),
        ):
            command += [f"--{option}", str(given / name)]
        self._show_report(Line(_("Writing the report…"), "busy"))
        self._start("report", command, partial(self._on_report, answer))

    def _choices(self) -> list[str]:
        chosen = (("--build", self._presenter.build), ("--wheelhouse", self._presenter.wheels))
        return [part for option, value in chosen if value for part in (option, value)]

    def _start(
        self,
        kind: str,
        command: Sequence[str],
        on_end: Callable[[Ending], None],
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        on_log: Callable[[str], None] = lambda line: None,
    ) -> None:
        def process_of(launch: Launch, hears: Hears) -> QtProcess:
            self._processes[kind] = self._start_process(launch, hears)
            return self._processes[kind]

        def end(event: Ending) -> None:
            self._errands.pop(kind, None)
            self._processes.pop(kind, None)
            if not self._is_stopped:
                self._slots(on_end)(event)

        try:
            launch = module_launch(ENVIRONMENT, *command, is_own=True)
        except MedDLError as error:
            end(Failed("environment", error.code, str(error)))
            return
        errand = Errand(process_of, launch, on_event, end, on_log, patience=PATIENCE)
        self._errands[kind] = errand
        errand.start()
        self._ticker.follow(self)

    def _drop(self, kind: str) -> None:
        """End a child whose answer nobody wants any more."""
        errand = self._errands.pop(kind, None)
        if errand is not None:
            errand.close()
            self._processes.pop(kind).wait()

    def _answer_file(self, name: str) -> Path:
        """A place for an answer; a new one each time, since a child that was dropped may still write."""
        if self._scratch is None:
            self._scratch = new_exchange_folder(exchange_base())
        self._asked += 1
        folder = self._scratch.path / str(self._asked)
        with disk_errors():
            folder.mkdir()
        return folder / name

    # -- what they tell --------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if not self._is_stopped:
            self._tell(self._presenter.told(event))

    def _on_log(self, line: str) -> None:
        self._log.append(line)
        self._unshown.append(line)

    def _on_main_ended(self, event: Ending) -> None:
        was_changing = self._presenter.is_changing
        self._show_log()
        self._tell(self._presenter.ended(event))
        if was_changing:
            self._stop_worker()
            self._on_changed()
        self.refresh()

    def _on_checked(self, answer: Path, event: Ending) -> None:
        if isinstance(event, Finished):
            self._tell(self._presenter.checked(read_check_report(answer)))
        else:
            self._tell(self._presenter.not_checked(_why(event)))

    def _on_python(self, answer: Path, event: Ending) -> None:
        other = OtherPython(is_usable=False, message=_why(event))
        if isinstance(event, Finished):
            other = parse_json(OtherPython, answer.read_bytes())
        self._tell(self._presenter.python_answered(other))

    def _on_report(self, answer: Path, event: Ending) -> None:
        if isinstance(event, Finished):
            self._report_text = answer.read_text(encoding="utf-8")
            self._show_report(Line())
        else:
            self._show_report(Line(_why(event), "error"))

    # -- without a child -------------------------------------------------------------------------------

    def _do(self, task: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._background.do(task, self._slots(then))
        self._ticker.follow(self)

    def _on_state(self, answer: EnvironmentState | MedDLError) -> None:
        if isinstance(answer, MedDLError):
            self._tell(self._presenter.failed(str(answer)))
        elif not self._presenter.is_changing:
            self._tell(self._presenter.read(answer))

    def _on_save(self) -> None:
        path = self._ui.environmentReportPath.currentPath.strip()
        self._do(partial(write_text, Path(path), self._report_text), self._on_saved)

    def _on_saved(self, answer: object) -> None:
        saved = Line(_("Saved."), "done")
        self._show_report(Line(str(answer), "error") if isinstance(answer, MedDLError) else saved)

    # -- to the widgets --------------------------------------------------------------------------------

    def _tell(self, presenter: EnvironmentPresenter) -> None:
        self._presenter = presenter.running(is_running=self._is_running())
        view, before = self._presenter.view(), self._view
        if self._ui is None or view == before:
            return
        self._view = view
        self._render(view)
        if view.wants_log and not (before and before.wants_log):
            self._ui.environmentLogBox.collapsed = False

    def _render(self, view: EnvironmentView) -> None:
        ui = self._ui
        show_line(ui.environmentHeadline, view.headline)
        show_line(ui.environmentDetail, view.detail)
        show_line(ui.environmentReason, view.reason)
        show_line(ui.environmentOffer, view.offer)
        show_line(ui.environmentStatus, view.status)
        show_line(ui.environmentStage, Line(view.stage))
        show_line(ui.environmentChecksNote, view.checks_note)
        show_line(ui.environmentPythonResult, view.python_result)
        show_control(ui.environmentInstall, view.install)
        show_control(ui.environmentRepair, view.repair)
        show_control(ui.environmentRemove, view.remove)
        show_control(ui.environmentCancel, view.cancel)
        show_control(ui.environmentVerify, view.verify)
        show_control(ui.environmentRefresh, view.refresh)
        show_state(ui.environmentBuild, view.choice)
        show_state(ui.environmentPython, view.python)
        show_progress(ui.environmentProgress, view.progress)
        self._show_builds(view)
        checks = _as_html(view.checks)
        if ui.environmentChecks.text != checks:
            ui.environmentChecks.text = checks
        ui.environmentChecks.visible = bool(view.checks)

    def _show_builds(self, view: EnvironmentView) -> None:
        box = self._ui.environmentBuild
        box.blockSignals(True)
        if [box.itemText(index) for index in range(box.count)] != [item.title for item in view.builds]:
            box.clear()
            for item in view.builds:
                box.addItem(item.title, item.name)
        box.setCurrentIndex(max(0, box.findData(view.build)))
        box.blockSignals(False)

    def _show_log(self) -> None:
        if self._unshown and self._ui is not None and not self._is_stopped:
            lines = "\n".join(self._unshown)
            self._unshown.clear()
            self._ui.environmentLog.appendPlainText(lines)

    def _show_report(self, line: Line) -> None:
        ui = self._ui
        if ui.environmentReport.plainText != self._report_text:
            ui.environmentReport.plainText = self._report_text
        ui.environmentReportSave.enabled = bool(self._report_text) and line.tone != "busy"
        ready, waiting = _("Write the text above into the file"), _("Wait until the report is written.")
        ui.environmentReportSave.toolTip = ready if ui.environmentReportSave.enabled else waiting
        show_line(ui.environmentReportStatus, line)


def _swept_state() -> EnvironmentState:
    """State of the environment, once what a killed installation left is gone."""
    sweep(environments_folder(), PARTIAL_PREFIX)
    return environment_state()


def _slicer_version() -> str:
    return f"{slicer.app.majorVersion}.{slicer.app.minorVersion}"


def _why(event: Ending) -> str:
    return event.message if isinstance(event, Failed) else _("Stopped.")


def _as_html(rows: Sequence[CheckRow]) -> str:
    """The lights as a table, which wraps where a list of items would cut."""
    cells = (
        '<tr><td style="color: {color}; white-space: nowrap;">{sign}{verdict}&nbsp;&nbsp;</td>'
        "<td><b>{title}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>"
    )
    lines = [
        cells.format(
            color=COLORS[row.tone],
            sign=SIGNS[row.tone],
            verdict=html.escape(row.verdict),
            title=html.escape(row.title).replace(" ", "&nbsp;"),
            text=html.escape(row.text),
        )
        for row in rows
    ]
    return f'<table cellspacing="2">{"".join(lines)}</table>' if rows else ""
