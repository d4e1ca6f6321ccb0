"""A run that a script started and does not wait for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer

from .run_state import RunState
from .runs import Runs
from .waiting import error_of

_logger = logging.getLogger("MedDL")


class RunHandle:
    """What a script holds of a run; it goes on without it too."""

    def __init__(self, runs: Runs, run_id: str) -> None:
        self.id = run_id
        self._runs = runs
        self._callbacks: list[Callable[[RunHandle], None]] = []
        self._last = runs.state_of(run_id)
        if not self._last.is_over:
            runs.on_change.append(self._look)

    @property
    def state(self) -> RunState:
        """What it is up to."""
        return self._last if self._last.is_over else self._runs.state_of(self.id)

    @property
    def isFinished(self) -> bool:
        """Whether it is over, well or not."""
        return self.state.is_over

    def result(self) -> Any:
        """The segmentation node; None while it goes on.

        Raises
        ------
        MedDLError : what it failed with, E602 when it was cancelled.
        """
        state = self.state
        if not state.is_over:
            return None
        if state.outcome is None:
            raise error_of(state)
        return slicer.mrmlScene.GetNodeByID(state.outcome.segmentation_id)

    def cancel(self) -> None:
        """Stop it; its end is told as always."""
        self._runs.cancel(self.id)

    def onFinished(self, callback: Callable[[RunHandle], None]) -> None:
        """Have ``callback`` called once with this handle when it is over; at once where it is."""
        if self._last.is_over:
            callback(self)
        else:
            self._callbacks.append(callback)

    def _look(self) -> None:
        if self._last.is_over or not (now := self._runs.state_of(self.id)).is_over:
            return
        self._last = now
        self._runs.on_change.remove(self._look)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback(self)
            except Exception:  # a script's own mistake, which must not cost the next script its answer
                _logger.exception("a callback of a script")
