"""A child process under Qt, told of on the main thread, and the timer that drives whatever waits for one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

import qt

from MedDLLogic.jobs.process import Hears, Launch
from MedDLLogic.jobs.process_tree import kill_tree

from .work import Work

TICK_MS = 20
WAIT_MS = 2000
_logger = logging.getLogger("MedDL")

_alive: set[QtProcess] = set()
"""A QProcess that Python lets go of while it runs would block Slicer until the program ends."""


class QtProcess:
    """A ``MedDLLogic.jobs.process.Process`` made of QProcess."""

    def __init__(self, launch: Launch, hears: Hears) -> None:
        self._launch, self._hears = launch, hears
        self._process = qt.QProcess()
        self._pid = 0
        self._process.setProcessEnvironment(_environment_of(launch.environment))
        self._process.connect("readyReadStandardOutput()", self._on_output)
        self._process.connect("readyReadStandardError()", self._on_log)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._on_finished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._on_error)

    def start(self) -> None:
        """Start it and return at once."""
        _alive.add(self)
        self._process.start(self._launch.program, list(self._launch.arguments))

    @property
    def pid(self) -> int:
        """Its id in the system, 0 before it was started."""
        if self in _alive:
            self._pid = int(self._process.processId()) or self._pid
        return self._pid

    def write(self, data: bytes) -> None:
        """To its standard input; no error when it is gone."""
        if self in _alive:
            self._process.write(data)

    def close_input(self) -> None:
        """End its standard input, after what was written."""
        if self in _alive:
            self._process.closeWriteChannel()

    def terminate(self) -> None:
        """Ask it to end."""
        if self in _alive:
            self._process.terminate()

    def kill(self, pid: int = 0) -> None:
        """End it, and the groups that it and ``pid`` lead; returns at once."""
        if self in _alive and not kill_tree(self.pid, waits=False):
            self._process.kill()
        if pid != self.pid:  # which may be anybody's by now
            kill_tree(pid, waits=False)

    def wait(self) -> None:
        """Wait until it is gone, if it is about to end, so that neither a zombie nor its QProcess is left."""
        if self in _alive:
            self._process.waitForFinished(WAIT_MS)

    def _on_output(self) -> None:
        if data := self._process.readAllStandardOutput().data():
            self._hears.received(data)

    def _on_log(self) -> None:
        if data := self._process.readAllStandardError().data():
            self._hears.logged(data)

    def _on_finished(self, exit_code: int, exit_status: int) -> None:
        self._on_output()
        self._on_log()
        if self._is_over():
            self._hears.ended(exit_code if exit_status == qt.QProcess.NormalExit else -abs(exit_code))

    def _on_error(self, error: int) -> None:
        if error == qt.QProcess.FailedToStart and self._is_over():
            self._hears.not_started(self._process.errorString())

    def _is_over(self) -> bool:
        """Whether this is the first word of the end."""
        if self not in _alive:
            return False
        _alive.remove(self)
        self._process.deleteLater()  # this is one of its own signals: not now
        return True


class Ticker:
    """Lets works go on about 50 times a second while one of them is busy; it rests otherwise."""

    def __init__(self) -> None:
        self._works: list[Work] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.connect("timeout()", self._tick)

    def follow(self, work: Work) -> None:
        """From now on ``work.tick()`` is called while ``work.is_busy``."""
        if work not in self._works:
            self._works.append(work)
        self.wake()

    def leave(self, work: Work) -> None:
        """Forget a work."""
        with suppress(ValueError):
            self._works.remove(work)

    def wake(self) -> None:
        """One of the works has something to do again."""
        if self._works:
            self._timer.start()

    def close(self) -> None:
        """Stop for good."""
        self._works.clear()
        self._timer.stop()

    def _tick(self) -> None:
        for work in tuple(self._works):
            try:
                work.tick()
            except Exception:  # a timer has no caller to raise to; the others must go on
                _logger.exception("a work of MedDL broke and is given up")  # not again 50 times a second
                self.leave(work)
        if not any(work.is_busy for work in self._works):
            self._timer.stop()


def wait_for_processes() -> None:
    """Wait for every process of this kind, each for two seconds at most, after they were killed or asked to end."""
    for process in tuple(_alive):
        process.wait()


def _environment_of(variables: Mapping[str, str]) -> qt.QProcessEnvironment:
    environment = qt.QProcessEnvironment()
    for name, value in variables.items():
        environment.insert(name, value)
    return environment
