"""Runs whose caller waits, without Qt's event loop: for scripts and for batch.

Nothing here opens a dialog or lets Qt go on in between, so a script sees no other change of its scene than its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from MedDLLogic.environment.scrub import pick_from_worker_log
from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Failed
from MedDLLogic.jobs.child import Children
from MedDLLogic.jobs.client import WorkerRunner
from MedDLLogic.jobs.endings import error_told
from MedDLLogic.jobs.process import StartProcess
from MedDLLogic.storage import exchange_base

from .launch import worker_launch
from .run_state import Outcome, RunState, Wish
from .runs import Runs, Surroundings

PUMP_S = 0.02
OnState = Callable[[RunState], None]


class WaitingRuns:
    """Its worker stays warm between the runs.

    Parameters
    ----------
    surroundings : a runner, and what starts processes as the runner does -> all that runs need.
    """

    def __init__(self, surroundings: Callable[[WorkerRunner, StartProcess], Surroundings]) -> None:
        self._children = Children()
        runner = WorkerRunner(self._children, worker_launch, exchange_base(), on_log=log_worker)
        self._runs = Runs(surroundings(runner, self._children))

    def run(self, wish: Wish, on_state: OnState = lambda state: None) -> Outcome:
        """Have it done; ``on_state`` is told of each change.

        Raises
        ------
        MedDLError : whatever the run refuses or fails with, E602 when it was stopped from elsewhere.
        """
        run_id = self._runs.start(wish)
        try:
            state = self._followed(run_id, on_state)
        except BaseException:
            self._runs.cancel(run_id)
            self._followed(run_id, lambda state: None)
            raise
        if state.outcome is None:
            raise error_of(state)
        return state.outcome

    def close(self) -> None:
        """Give everything back."""
        self._runs.close()

    def _followed(self, run_id: str, on_state: OnState) -> RunState:
        """The run's last state."""
        told = None
        while True:
            state = self._runs.state_of(run_id)
            if state != told:
                told = state
                on_state(state)
            if state.is_over:
                return state
            self._go_on()

    def _go_on(self) -> None:
        self._children.pump(PUMP_S)
        self._runs.tick()


def log_worker(text: str) -> None:
    """What of the end of a worker's log names nobody, as an error of the logger ``MedDL``."""
    logging.getLogger("MedDL").error("worker:\n%s", "\n".join(pick_from_worker_log(text.splitlines())))


def error_of(state: RunState) -> MedDLError:
    """The error that the one line of an ended run tells of."""
    code = state.message.removeprefix("MEDDL-")[:4]
    if state.phase == "failed":
        return error_told(Failed("case", code, state.message))
    return MedDLError("E602", "cancelled")
