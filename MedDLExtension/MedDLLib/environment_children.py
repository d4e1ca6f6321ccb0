"""The children of the environment page: at most one of each kind, and a place for what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from MedDLLogic.disk import disk_errors
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Finished
from MedDLLogic.jobs.errand import Errand
from MedDLLogic.jobs.exchange import new_exchange_folder
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.process import Hears, Launch
from MedDLLogic.scratch import ScratchFolder
from MedDLLogic.storage import exchange_base

from .i18n import _
from .launch import module_launch
from .qt_process import QtProcess

ENVIRONMENT = "MedDLLogic.environment"
MAIN = "main"
"""The kind of the one that changes or tests the environment; the others only look."""

PATIENCE = Patience(terminate_s=3.0, kill_s=20.0, gone_s=25.0)
"""Removing what was half unpacked may take a while, and is better done by the one that unpacked it."""

Ending = Finished | Failed | Cancelled
StartQtProcess = Callable[[Launch, Hears], QtProcess]


class Children:
    """Runs ``python -m MedDLLogic.environment`` in Slicer's own Python.

    Parameters
    ----------
    start_process : makes child processes.
    wake : called when there is something to ``tick``.
    """

    def __init__(self, start_process: StartQtProcess, wake: Callable[[], None]) -> None:
        self._start_process, self._wake = start_process, wake
        self._errands: dict[str, Errand] = {}
        self._processes: dict[str, QtProcess] = {}
        self._scratch: ScratchFolder | None = None
        self._asked = 0
        self._is_stopped = False

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has anything to do."""
        return bool(self._errands)

    def tick(self) -> None:
        """Heed deadlines."""
        for errand in tuple(self._errands.values()):
            errand.tick()

    def start(
        self,
        kind: str,
        command: Sequence[str],
        on_end: Callable[[Ending], None],
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        on_log: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Start one; ``on_end`` is called once, at once where it cannot be started, and never after ``stop``."""

        def process_of(launch: Launch, hears: Hears) -> QtProcess:
            self._processes[kind] = self._start_process(launch, hears)
            return self._processes[kind]

        def end(event: Ending) -> None:
            self._errands.pop(kind, None)
            self._processes.pop(kind, None)
            if not self._is_stopped:
                on_end(event)

        try:
            launch = module_launch(ENVIRONMENT, *command, is_own=True)
        except MedDLError as error:
            end(Failed("environment", error.code, str(error)))
            return
        errand = Errand(process_of, launch, on_event, end, on_log, patience=PATIENCE)
        self._errands[kind] = errand
        errand.start()
        self._wake()

    def cancel(self, kind: str) -> bool:
        """Ask one to stop, which tells its end; False when there is none."""
        errand = self._errands.get(kind)
        if errand is not None:
            errand.cancel()
        return errand is not None

    def drop(self, kind: str) -> None:
        """End one whose answer nobody wants any more, without a word."""
        errand = self._errands.pop(kind, None)
        if errand is not None:
            errand.close()
            self._processes.pop(kind).wait()

    def answer_file(self, name: str) -> Path:
        """A place for an answer; a new one each time, since a child that was dropped may still write. E501, E503."""
        if self._scratch is None:
            self._scratch = new_exchange_folder(exchange_base())
        self._asked += 1
        folder = self._scratch.path / str(self._asked)
        with disk_errors():
            folder.mkdir()
        return folder / name

    def stop(self) -> None:
        """End all of them and remove their answers."""
        self._is_stopped = True
        for errand in self._errands.values():
            errand.cancel()
        if MAIN in self._processes:
            self._processes[MAIN].wait()  # a moment for it to clear away what is half installed
        for errand in tuple(self._errands.values()):
            errand.close()
        for process in tuple(self._processes.values()):
            process.wait()
        if self._scratch is not None:
            self._scratch.close()


def why(event: Ending) -> str:
    """What to tell of a child that did not finish."""
    return event.message if isinstance(event, Failed) else _("Stopped.")
