"""What lives as long as the module: the runs of the panel, those of scripts that wait, and the timer of both."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from MedDLLogic.environment.folder import EnvironmentState, environment_state
from MedDLLogic.events import Emit, Event
from MedDLLogic.jobs.client import WorkerRunner
from MedDLLogic.jobs.errand import Errand, run_errand
from MedDLLogic.jobs.ladder import Patience
from MedDLLogic.jobs.process import Launch, StartProcess
from MedDLLogic.models.card import ModelCard
from MedDLLogic.models.registry import find_card, list_cards
from MedDLLogic.storage import exchange_base

from .i18n import _
from .launch import module_launch, worker_launch
from .qt_process import QtProcess, Ticker, wait_for_processes
from .run_state import Outcome, Wish
from .runs import Runs, Surroundings
from .surroundings import KeepFolder
from .waiting import OnState, WaitingRuns, log_worker

FETCH = "MedDLLib.fetch"
FETCH_PATIENCE = Patience(terminate_s=10.0, kill_s=20.0, gone_s=25.0)
"""PythonSlicer is a launcher, and only that would be ended: the download behind it ends with its input, in its time."""

ENVIRONMENT = "MedDLLogic.environment"
_logger = logging.getLogger("MedDL")


class Backstage:
    """Runs models on volumes of the scene, in worker processes.

    ticker : lets whatever else the panel has at work go on too.
    runs : those that nobody waits for: the panel's, and what scripts only start.
    worker_log : the last lines of the worker that failed last, for a bug report.
    """

    def __init__(self) -> None:
        self.ticker = Ticker()
        self.worker_log = ""
        runner = WorkerRunner(QtProcess, worker_launch, exchange_base(), on_log=self._keep_log)
        self.runs = Runs(_surroundings(runner, QtProcess, self.ticker.wake))
        self.ticker.follow(self.runs)
        self._waiting: WaitingRuns | None = None
        atexit.register(self._close_waiting)  # Qt's own are gone by then; their workers end with their input

    def cards(self) -> tuple[ModelCard, ...]:
        """The models there are; a card of the user's own that is not valid is told in the log and left out."""
        return tuple(found.card for found in list_cards(lambda error: _logger.warning("%s", error)))

    def segment(self, wish: Wish, on_state: OnState = lambda state: None) -> Outcome:
        """Have a run done and wait until its result is in the scene; nothing else happens meanwhile.

        Raises
        ------
        MedDLError : whatever the run refuses or fails with.
        """
        if self._waiting is None:
            self._waiting = WaitingRuns(_surroundings)
        return self._waiting.run(wish, on_state)

    def download(self, name: str, on_event: Emit = lambda event: None) -> None:
        """Fetch the weights of a model and wait; the caller has the user's yes. E403, E404, E408, E5xx."""
        find_card(name)
        run_errand(_download_launch(name), on_event)

    def install_environment(
        self,
        *,
        build: str = "",
        wheelhouse: str = "",
        on_event: Emit = lambda event: None,
        on_log: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Install what the worker needs, or build it anew, and wait; the caller has the user's yes.

        Raises
        ------
        MedDLError : E5xx what pip or the disk refused, E507 when what was installed does not work.
        """
        self.stop_workers()
        self.runs.tick()
        wait_for_processes()
        options = [*(("--build", build) if build else ()), *(("--wheelhouse", wheelhouse) if wheelhouse else ())]
        run_errand(module_launch(ENVIRONMENT, "install", *options, is_own=True), on_event, on_log)

    def environment_state(self) -> EnvironmentState:
        """What is there of the packages that the worker needs."""
        return environment_state()

    def stop_workers(self) -> None:
        """Have no worker hold files of the environment any more; runs that wait get a new one."""
        self.runs.stop_worker()
        self._close_waiting()

    def close(self) -> None:
        """Stop everything at once: the module is reloaded, or Slicer ends."""
        atexit.unregister(self._close_waiting)
        self.ticker.close()
        self.runs.close()
        self._close_waiting()
        wait_for_processes()

    def _keep_log(self, text: str) -> None:
        self.worker_log = text
        log_worker(text)

    def _close_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None


def by_role(volumes: Any, model: str) -> Mapping[str, Any]:
    """Role of the model's card -> volume node, of one node alone too."""
    return volumes if isinstance(volumes, Mapping) else {find_card(model).card.roles[0]: volumes}


def _surroundings(
    runner: WorkerRunner, start_process: StartProcess, wake: Callable[[], None] = lambda: None
) -> Surroundings:
    return Surroundings(
        scene=lambda: slicer.mrmlScene,
        runner=runner,
        download=partial(_download, start_process),
        require_worker=_require_worker,
        keep_in=_keep_in,
        wake=wake,
    )


def _keep_in() -> KeepFolder:
    """Slicer's folder for scenes; in a fresh profile none may be set, or the one that is set was never made."""
    chosen = str(slicer.app.defaultScenePath)
    if chosen and Path(chosen).is_dir():
        return KeepFolder(Path(chosen), _("Slicer's folder for scenes"))
    return KeepFolder(Path(slicer.app.temporaryPath), _("Slicer's folder for temporary files"))


def _require_worker() -> None:
    worker_launch(Path())


def _download(start_process: StartProcess, name: str, on_event: Emit, on_end: Callable[[Event], None]) -> Errand:
    return Errand(start_process, _download_launch(name), on_event, on_end, patience=FETCH_PATIENCE)


def _download_launch(name: str) -> Launch:
    return module_launch(FETCH, "model", name)
