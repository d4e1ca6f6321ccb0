"""The environment page of the panel: what is installed for the worker, what could be, and buttons to change it."""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ctk
import qt

from MedDLLogic.environment.folder import PARTIAL_PREFIX, EnvironmentState, environment_state
from MedDLLogic.environment.other_python import OtherPython
from MedDLLogic.environment.preflight import read_check_report
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Event, Finished
from MedDLLogic.jobs.background import Background
from MedDLLogic.records import parse_json
from MedDLLogic.scratch import sweep
from MedDLLogic.storage import environments_folder

from .environment_children import MAIN, Children, Ending, StartQtProcess, why
from .environment_presenter import Activity, CheckRow, EnvironmentPresenter, EnvironmentView
from .launch import SETTING_PYTHON, chosen_python
from .qt_process import QtProcess, Ticker
from .report_panel import ReportBox, slicer_version
from .show import Slots, show_control, show_line, show_progress, show_state
from .storage_panel import load_page
from .view import COLORS, SIGNS, Line

TYPING_PAUSE_MS = 600
MAX_LOG_LINES = 2000
PATH_LETTERS = 16


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
        self._container = container
        self._is_running, self._stop_worker, self._on_changed = is_running, stop_worker, on_changed
        self._worker_log, self._settings = worker_log, settings
        self._ui: Any = None
        self._presenter = EnvironmentPresenter(folder=str(environments_folder()))
        self._view: EnvironmentView | None = None
        self._background, self._ticker = Background(), Ticker()
        self._children = Children(start_process, self._wake)
        self._log: deque[str] = deque(maxlen=MAX_LOG_LINES)
        self._unshown: deque[str] = deque(maxlen=MAX_LOG_LINES)
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
        return self._children.is_busy or self._background.is_busy or bool(self._unshown)

    def tick(self) -> None:
        """Heed deadlines, take over what the background found, and show what was logged."""
        self._background.deliver()
        self._children.tick()
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
        self._children.stop()
        self._ticker.close()
        self._background.close()

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
        pressed = {
            ui.environmentInstall: partial(self._begin, "install"),
            ui.environmentRepair: partial(self._begin, "repair"),
            ui.environmentVerify: partial(self._begin, "verify"),
            ui.environmentRemove: self._on_remove,
            ui.environmentCancel: self._on_cancel,
            ui.environmentRefresh: self._check,
            ui.environmentCopyLog: self._on_copy,
        }
        for button, action in pressed.items():
            button.connect("clicked()", self._slots(action))
        ui.environmentBuild.connect("currentIndexChanged(int)", self._slots(self._on_build))
        ReportBox(
            ui,
            self._slots,
            self._children,
            self._background,
            self._wake,
            install_log=lambda: "\n".join(self._log),
            worker_log=self._worker_log,
            settings=self._settings,
        )
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
        if self._children.cancel(MAIN):
            self._tell(self._presenter.cancelling())

    def _on_copy(self) -> None:
        qt.QApplication.clipboard().setText("\n".join(self._log))

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
        self._children.start(
            MAIN, [activity, *options], self._slots(self._on_main_ended), on_event=self._on_event, on_log=self._on_log
        )

    def _check(self) -> None:
        self._children.drop("check")
        answer = self._children.answer_file("check.json")
        self._tell(self._presenter.checking())
        command = ["check", str(answer), "--slicer", slicer_version(), *self._choices()]
        self._children.start("check", command, self._slots(partial(self._on_checked, answer)))

    def _ask_python(self) -> None:
        self._children.drop("python")
        program = chosen_python()
        self._tell(self._presenter.asking_python(program))
        if program:
            answer = self._children.answer_file("python.json")
            self._children.start(
                "python", ["python", str(answer), program], self._slots(partial(self._on_python, answer))
            )

    def _choices(self) -> list[str]:
        chosen = (("--build", self._presenter.build), ("--wheelhouse", self._presenter.wheels))
        return [part for option, value in chosen if value for part in (option, value)]

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
            self._tell(self._presenter.not_checked(why(event)))

    def _on_python(self, answer: Path, event: Ending) -> None:
        other = OtherPython(is_usable=False, message=why(event))
        if isinstance(event, Finished):
            other = parse_json(OtherPython, answer.read_bytes())
        self._tell(self._presenter.python_answered(other))

    # -- without a child -------------------------------------------------------------------------------

    def _do(self, task: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._background.do(task, self._slots(then))
        self._wake()

    def _wake(self) -> None:
        self._ticker.follow(self)

    def _on_state(self, answer: EnvironmentState | MedDLError) -> None:
        if isinstance(answer, MedDLError):
            self._tell(self._presenter.failed(str(answer)))
        elif not self._presenter.is_changing:
            self._tell(self._presenter.read(answer))

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


def _swept_state() -> EnvironmentState:
    """State of the environment, once what a killed installation left is gone."""
    sweep(environments_folder(), PARTIAL_PREFIX)
    return environment_state()


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
