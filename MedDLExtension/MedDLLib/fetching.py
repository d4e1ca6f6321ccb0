"""A download that goes on beside everything else, told of on the main thread."""

from __future__ import annotations

from collections.abc import Callable

from MedDLLogic.events import Emit, Event
from MedDLLogic.jobs.errand import Errand

from .backstage import FETCH, FETCH_PATIENCE
from .launch import module_launch
from .qt_process import QtProcess, Ticker


class Fetching:
    """The download of a model's weights, started at once; the user has said yes to it.

    Parameters
    ----------
    ticker : lets it go on.
    name : of the model.
    on_event, on_end : told its progress, and once its end.

    Raises
    ------
    MedDLError : E101 when there is no Python to do it.
    """

    def __init__(self, ticker: Ticker, name: str, on_event: Emit, on_end: Callable[[Event], None]) -> None:
        self._ticker, self._on_end = ticker, on_end
        self._errand = Errand(
            QtProcess, module_launch(FETCH, "model", name), on_event, self._end, patience=FETCH_PATIENCE
        )
        self._errand.start()
        ticker.follow(self)

    @property
    def is_busy(self) -> bool:
        """Whether it goes on."""
        return not self._errand.is_over

    def tick(self) -> None:
        """Look around."""
        self._errand.tick()

    def cancel(self) -> None:
        """Stop it; its end is told."""
        self._errand.cancel()
        self._ticker.wake()

    def close(self) -> None:
        """Stop it at once, without a word."""
        self._ticker.leave(self)
        self._errand.close()

    def _end(self, ending: Event) -> None:
        self._ticker.leave(self)
        self._on_end(ending)
