"""One worker process under Qt: its events arrive on the main thread, its end is told exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import qt

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Emit, Event, Failed, Finished

from .launch import Launch
from .stream import EventStream, Tail, failure_of_exit

TERMINATE_AFTER_MS = 500
KILL_AFTER_MS = 2000
_logger = logging.getLogger("MedDL")
OnEnd = Callable[[Event], None]


class WorkerProcess:
    """Starts a worker and follows it.

    Parameters
    ----------
    on_event : gets what the worker tells while it goes on.
    on_end : gets the one Finished, Failed or Cancelled that ends it.
    """

    def __init__(self, launch: Launch, on_event: Emit, on_end: OnEnd) -> None:
        self._launch, self._on_event, self._on_end = launch, on_event, on_end
        self._events, self._log = EventStream(), Tail()
        self._ending: Event | None = None
        self._is_cancelled = False
        self._is_over = False
        self._process = qt.QProcess()
        self._process.setProcessEnvironment(_environment_of(launch))
        self._process.connect("readyReadStandardOutput()", self._read_events)
        self._process.connect("readyReadStandardError()", self._read_log)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._on_finished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._on_error)

    def start(self) -> None:
        """Start the process; returns at once."""
        self._process.start(self._launch.program, list(self._launch.arguments))

    def cancel(self) -> None:
        """Ask the worker to stop by closing its input, then insist."""
        self._is_cancelled = True
        self._process.closeWriteChannel()
        qt.QTimer.singleShot(TERMINATE_AFTER_MS, self._terminate)
        qt.QTimer.singleShot(KILL_AFTER_MS, self._kill)

    def abandon(self) -> None:
        """Stop at once and tell nobody: the panel or the scene is going away."""
        self._is_over = True
        self._process.closeWriteChannel()
        self._process.kill()
        self._process.waitForFinished(TERMINATE_AFTER_MS)
        self._process.deleteLater()

    def _read_events(self) -> None:
        for event in self._events.feed(self._process.readAllStandardOutput().data()):
            if isinstance(event, (Finished, Failed, Cancelled)):
                self._ending = event
            elif not self._is_over:
                self._on_event(event)

    def _read_log(self) -> None:
        self._log.feed(self._process.readAllStandardError().data())

    def _on_finished(self, exit_code: int, _exit_status: int) -> None:
        self._read_events()
        self._read_log()
        if isinstance(self._ending, Failed) or (self._ending is None and exit_code):
            _logger.error("worker:\n%s", self._log.text)
        self._end(self._ending_of(exit_code))

    def _on_error(self, error: int) -> None:
        if error == qt.QProcess.FailedToStart:
            failure = MedDLError("E603", "the worker could not be started", "", "check its Python under Advanced")
            self._end(Failed("case", failure.code, str(failure)))

    def _ending_of(self, exit_code: int) -> Event:
        if self._is_cancelled and not isinstance(self._ending, Finished):
            return Cancelled("case")
        return self._ending or failure_of_exit(exit_code, self._log.text)

    def _end(self, ending: Event) -> None:
        if not self._is_over:
            self._is_over = True
            self._process.deleteLater()  # this is one of its own signals: not now
            self._on_end(ending)

    def _terminate(self) -> None:
        if not self._is_over:
            self._process.terminate()

    def _kill(self) -> None:
        if not self._is_over:
            self._process.kill()


def _environment_of(launch: Launch) -> qt.QProcessEnvironment:
    environment = qt.QProcessEnvironment()
    for name, value in launch.environment.items():
        environment.insert(name, value)
    return environment
