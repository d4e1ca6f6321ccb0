"""The runs a user asked for, one after the other: download, hand over, worker, collect, scene. No Qt.

Everything here happens on the main thread; what takes long is the worker's, or that of one thread
which touches no node.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Cancelled, Event, Failed, Progress, Started, Warned
from MedDLLogic.jobs.background import Background
from MedDLLogic.jobs.endings import error_of
from MedDLLogic.jobs.runner import Ending, Listener
from MedDLLogic.models.registry import find_card
from MedDLLogic.models.store import missing_weights
from MedDLLogic.result import Result
from MedDLLogic.scene.prepare import PreparedPush, prepare_push
from MedDLLogic.scene.steps import Steps

from .collect import collect, measuring
from .handover import Order, Taken, hand_over, take_order
from .i18n import _
from .keep import keep_result
from .run_state import OVER, Color, Outcome, Phase, Row, RunState, Wish
from .surroundings import Download, KeepFolder, Surroundings

__all__ = ["OVER", "Color", "Outcome", "Phase", "Row", "RunState", "Runs", "Surroundings", "Wish"]

MAX_ENDED = 50
"""Ended runs that are remembered; they hold ids and numbers, no voxels."""

STEPS_S = 0.01
"""How much of the main thread one tick may take for measuring."""

_logger = logging.getLogger("MedDL")


class Runs:
    """One run after the other, in the order in which they were asked for; each ends exactly once.

    ``on_change`` holds callbacks without arguments, called after each change of ``states``.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self.on_change: list[Callable[[], None]] = []
        self._around = surroundings
        self._runs: dict[str, _Run] = {}
        self._ids = (f"run-{n}" for n in count(1))
        self._background = Background()
        self._is_closed = self._is_ticking = False

    @property
    def states(self) -> tuple[RunState, ...]:
        """What each run is up to, in the order of asking; ended ones stay for a while."""
        return tuple(run.state for run in self._runs.values())

    def state_of(self, run_id: str) -> RunState:
        """What one run is up to; KeyError for one that was never there or is forgotten."""
        return self._runs[run_id].state

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` is to be called."""
        if self._is_closed:
            return False
        is_anything_left = any(not run.is_settled for run in self._runs.values())
        return self._around.runner.is_busy or self._background.is_busy or is_anything_left

    def start(self, wish: Wish) -> str:
        """Ask for a run; returns its id. Weights that are not here are downloaded: the user has said yes.

        What is asked for is looked up now. The voxels are copied when the worker is there for them:
        at once, unless another run or a download comes first. A volume that was changed in the
        meantime is then refused rather than segmented as something that nobody saw, and a
        queue holds no copies.

        Raises
        ------
        MedDLError : E403 the model, E331 its inputs, E3xx a volume, E604 a node of another scene, E507
            when no worker can be started, E601 after ``close``.
        """
        if self._is_closed:
            raise MedDLError("E601", "MedDL was closed", "", "open the module again")
        found = find_card(wish.model)
        order = take_order(self._around.scene(), wish, found)
        self._around.require_worker()
        run = _Run(RunState(next(self._ids), found.card.title, warnings=order.warnings), order)
        self._forget_oldest()
        self._runs[run.state.id] = run
        self._begin_next()
        self._tell()
        return run.state.id

    def cancel(self, run_id: str) -> None:
        """Stop a run, wherever it is; an ended or unknown one is let pass, and one whose nodes are being made."""
        run = self._runs.get(run_id)
        if run is None or run.state.is_over or run.is_pushing or run.state.phase == "cancelling":
            return
        if run.download is not None:
            self._change(run, phase="cancelling")
            run.download.cancel()
        elif run.job_id:
            self._change(run, phase="cancelling")
            self._around.runner.cancel(run.job_id)
        else:  # it waits, or its result is on its way into the scene
            self._end(run, "cancelled", _("Cancelled."))
        self._around.wake()

    def stop_worker(self) -> None:
        """Have the worker gone within two seconds, with the run it has in hand; runs that wait get a new one."""
        self._around.runner.stop_worker()
        self._around.wake()

    def stop_all(self, reason: str) -> None:
        """End all runs at once and have the worker gone; ``reason`` is the one line of each."""
        for run in [run for run in self._runs.values() if not run.state.is_over and not run.is_pushing]:
            if run.download is not None:
                run.download.close()
                run.download = None  # its end is told to nobody
            self._end(run, "cancelled", reason)
            if run.job_id:
                self._around.runner.cancel(run.job_id)  # its end comes to a run that is over, and is dropped
        self.stop_worker()

    def tick(self) -> None:
        """Let everything go on; called about every 20 ms while ``is_busy``."""
        if self._is_ticking:  # an observer of the scene lets Qt go on while nodes are made
            return
        self._is_ticking = True
        try:
            self._go_on_with_all()
        finally:
            self._is_ticking = False

    def _go_on_with_all(self) -> None:
        # In this order Qt has a turn, and what was told is shown, before anything that takes longer comes next.
        self._background.deliver()
        self._around.runner.tick()
        for run in tuple(self._runs.values()):
            if run.download is not None:
                run.download.tick()
            if run.entering is not None:
                self._attempt(run, partial(self._go_on, run, run.entering))
        self._begin_next()

    def close(self) -> None:
        """Give everything back: worker, thread, memory. A file that is being written is finished first."""
        if self._is_closed:
            return
        self._is_closed = True
        self.stop_all(_("MedDL was closed."))
        self.on_change.clear()
        self._around.runner.close()
        self._background.close()

    # -- one run, step by step ---------------------------------------------------------------------------

    def _begin_next(self) -> None:
        """Begin the first run that waits, unless another is on its way."""
        while not self._is_closed and (run := self._next()) is not None:
            self._attempt(run, partial(self._begin, run))

    def _next(self) -> _Run | None:
        for run in self._runs.values():
            if not run.state.is_over:
                return run if run.state.phase == "waiting" else None
        return None

    def _begin(self, run: _Run) -> None:
        if not missing_weights(run.order.found):
            self._hand_over(run)
            return
        self._change(run, phase="downloading", fraction=0.0)
        if run.state.is_over:  # a listener cancelled it
            return
        name = run.order.found.card.name
        run.download = self._around.download(name, partial(self._on_event, run), partial(self._on_fetched, run))
        run.download.start()
        self._around.wake()

    def _on_fetched(self, run: _Run, ending: Event) -> None:
        run.download = None
        if run.state.is_over:
            return
        if run.state.phase == "cancelling" or isinstance(ending, Cancelled):
            self._end(run, "cancelled", _("Cancelled."))
        elif isinstance(ending, Failed):
            self._end(run, "failed", ending.message)
        else:
            self._attempt(run, partial(self._hand_over, run))

    def _hand_over(self, run: _Run) -> None:
        self._change(run, phase="handing over", stage="", fraction=None, remaining_s=None)
        if run.state.is_over:  # a listener cancelled it
            return
        job, images, run.taken = hand_over(self._around.scene(), run.order)
        listener = Listener(
            partial(self._on_event, run), partial(self._on_ended, run), partial(self._on_handed_over, run)
        )
        run.job_id = self._around.runner.submit(job, images, listener)
        self._around.wake()

    def _on_handed_over(self, run: _Run) -> None:
        if run.state.phase == "handing over":
            self._change(run, phase="starting")

    def _on_event(self, run: _Run, event: Event) -> None:
        if run.state.is_over:
            return
        if isinstance(event, Warned):
            self._change(run, warnings=(*run.state.warnings, event.message))
        elif run.state.phase == "cancelling":
            return
        elif isinstance(event, Started):
            self._change(run, phase="running")
        elif isinstance(event, Progress):
            self._change(run, stage=event.stage, fraction=event.fraction, remaining_s=event.remaining_s)

    def _on_ended(self, run: _Run, ending: Ending) -> None:
        run.job_id = ""
        if run.state.is_over:
            return
        if run.state.phase == "cancelling" or isinstance(ending.event, Cancelled):
            self._end(run, "cancelled", _("Cancelled."))
        elif isinstance(ending.event, Failed):
            self._end(run, "failed", ending.event.message)
        else:
            self._attempt(run, partial(self._collect, run, ending.result))

    def _collect(self, run: _Run, result: Result | None) -> None:
        if result is None:
            raise MedDLError("E901", "the worker gave no segments")
        self._change(run, phase="collecting", stage="", fraction=None, remaining_s=None)
        self._later(run, partial(prepare_push, result), partial(self._begin_to_enter, run))

    def _begin_to_enter(self, run: _Run, prepared: PreparedPush) -> None:
        run.entering = _Entering(self._enter(run, prepared), prepared.result)

    def _enter(self, run: _Run, prepared: PreparedPush) -> Steps[None]:
        """The way into the scene, step by step; the last one is the push."""
        card = run.order.found.card
        measured = yield from measuring(self._around.scene(), prepared.result, card, run.taken)
        yield  # measuring may have used up this moment
        outcome = self._push(run, prepared, measured)
        node = self._around.scene().GetNodeByID(outcome.segmentation_id)
        for other in self._runs.values():
            other.order = other.order.after_push(node)
        message = _("Done: {name} is in the scene.").format(name=node.GetName())
        self._end(run, "done", message, outcome=outcome, warnings=outcome.warnings)

    def _push(self, run: _Run, prepared: PreparedPush, measured: Result) -> Outcome:
        """From its first node on a run can only be done, or fail: what cancels it now would leave nodes behind."""
        run.is_pushing = True
        try:
            return collect(
                self._around.scene(),
                prepared,
                measured,
                card=run.order.found.card,
                taken=run.taken,
                replace=run.order.replace,
                warnings=run.state.warnings,
            )
        finally:
            run.is_pushing = False

    def _go_on(self, run: _Run, entering: _Entering) -> None:
        """As many steps as fit into a moment. A result that the scene cannot take any more is kept as a file."""
        until_s = perf_counter() + STEPS_S
        try:
            for _step in entering.steps:
                if perf_counter() > until_s:
                    return
        except MedDLError as error:
            if error.code != "E604":
                raise
            run.entering = None
            keep = partial(_kept, entering.result, self._around.keep_in(), run.order.found.card.name, error)
            self._later(run, keep, partial(self._end, run, "failed"))

    # -- means ---------------------------------------------------------------------------------------------

    def _later(self, run: _Run, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do ``work`` in the thread, then ``then`` with what it gave, back here."""

        def take_over(answer: Any) -> None:
            if isinstance(answer, MedDLError):
                self._end(run, "failed", str(answer))
            elif not run.state.is_over:
                self._attempt(run, partial(then, answer))

        self._background.do(work, take_over)
        self._around.wake()

    def _attempt(self, run: _Run, step: Callable[[], None]) -> None:
        """Whatever goes wrong in a step is the run's end, told in one line; the next one goes on."""
        try:
            step()
        except Exception as error:
            if not isinstance(error, MedDLError):
                _logger.exception("run")
            self._end(run, "failed", str(error_of(error)))

    def _end(self, run: _Run, phase: Phase, message: str, **more: Any) -> None:
        if run.state.is_over:
            return
        run.taken, run.entering = {}, None
        self._change(run, phase=phase, message=message, stage="", fraction=None, remaining_s=None, **more)
        self._around.wake()  # the next one may begin

    def _change(self, run: _Run, **new: Any) -> None:
        run.state = replace(run.state, **new)
        self._tell()

    def _tell(self) -> None:
        for callback in tuple(self.on_change):
            try:
                callback()
            except Exception:  # a view's mistake must not stop the run that it shows
                _logger.exception("a listener of the runs")

    def _forget_oldest(self) -> None:
        ended = [run_id for run_id, run in self._runs.items() if run.is_settled]
        for run_id in ended[: max(0, len(ended) - MAX_ENDED + 1)]:
            del self._runs[run_id]


@dataclass(frozen=True, eq=False)
class _Entering:
    """A result on its way into the scene."""

    steps: Steps[None]
    result: Result


class _Run:
    """One run and what is at work for it at the moment."""

    def __init__(self, state: RunState, order: Order) -> None:
        self.state, self.order = state, order
        self.download: Download | None = None
        self.job_id = ""
        self.is_pushing = False
        self.taken: Mapping[str, Taken] = {}
        self.entering: _Entering | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is over and nothing is at work for it any more."""
        return self.state.is_over and self.download is None and not self.job_id


def _kept(result: Result, folder: KeepFolder, name: str, error: MedDLError) -> str:
    """What is told of a result that the scene cannot take; runs in the thread."""
    try:
        hint = f"result kept as {keep_result(result, folder.path, name)} in {folder.purpose}"
    except MedDLError as refusal:
        hint = f"result not kept: {refusal.what or refusal.why}"
    return str(MedDLError(error.code, error.what, "", hint))
