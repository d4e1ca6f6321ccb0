"""Waiting for a computation that cannot be asked how far it is: told by the time that the one before it took."""

from __future__ import annotations

import time
from collections.abc import Callable

from .backend import OnProgress

POLL_S = 0.05
"""How often a run is asked whether it was cancelled."""

_MOST = 0.99
"""Nothing is called done before it is."""


class Pace:
    """How long calls take, learned from one to the next."""

    def __init__(self) -> None:
        self._usual_s: float | None = None

    def wait(self, is_done: Callable[[float], bool], cancel: Callable[[], None], on_progress: OnProgress) -> None:
        """Return when ``is_done`` says so; whatever ``on_progress`` raises passes, after ``cancel``.

        Parameters
        ----------
        is_done : waits up to so many seconds and says whether the computation ended.
        cancel : stops the computation and returns when it has ended.
        """
        started_s = time.monotonic()
        while not is_done(POLL_S):
            try:
                on_progress(self._fraction(time.monotonic() - started_s))
            except BaseException:
                cancel()
                raise
        self._usual_s = max(time.monotonic() - started_s, 1e-6)

    def _fraction(self, elapsed_s: float) -> float:
        return 0.0 if self._usual_s is None else min(_MOST, elapsed_s / self._usual_s)
