"""One process for one task that tells its progress: a download, the building of an environment."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import MedDLError
from ..events import Cancelled, Emit, Event, Failed, Finished
from ..records import parse_json
from .child import Children
from .endings import bounded, error_of_exit, error_told, failure
from .ladder import PATIENCE, Ladder, Patience
from .lines import Lines, Tail
from .process import Launch, Process, StartProcess

POLL_S = 0.02


class Errand:
    """A child process that writes events as JSON lines to standard output, and ends.

    The end of its input tells it to stop. Its end is told when the process is gone, so that whatever it had
    open is free again.

    Parameters
    ----------
    on_event : gets what it tells while it goes on.
    on_end : gets the one event that ends it.
    on_log : gets the lines of its standard error.
    """

    def __init__(
        self,
        start_process: StartProcess,
        launch: Launch,
        on_event: Emit,
        on_end: Callable[[Finished | Failed | Cancelled], None],
        on_log: Callable[[str], None] = lambda line: None,
        *,
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_event, self._on_end, self._on_log = on_event, on_end, on_log
        self._patience, self._clock = patience, clock
        self._lines, self._log_lines, self._log = Lines(), Lines(), Tail()
        self._ending: Finished | Failed | Cancelled | None = None
        self._is_cancelled = False
        self._ladder: Ladder | None = None
        self.is_over = False
        self._process: Process = start_process(launch, self)

    def start(self) -> None:
        """Start the process; returns at once."""
        self._process.start()

    def cancel(self) -> None:
        """Ask it to stop by the end of its input; ``tick`` insists."""
        self._is_cancelled = True
        self._stop()

    def tick(self) -> None:
        """To be called every few hundredths of a second until ``is_over``."""
        for step in self._ladder.steps(self._clock()) if self._ladder is not None and not self.is_over else ():
            if step == "terminate":
                self._process.terminate()
            elif step == "kill":
                self._process.kill()
            else:
                self._end(MedDLError("E610", "", "even the system cannot end it"))

    def close(self) -> None:
        """End it at once and tell nobody."""
        if not self.is_over:
            self.is_over = True
            self._process.close_input()
            self._process.kill()

    def received(self, data: bytes) -> None:
        """Bytes of its standard output."""
        for line in self._lines.feed(data):
            event = _event_in(line)
            if isinstance(event, (Finished, Failed, Cancelled)):
                self._ending = self._ending or event
                self._stop()
            elif event is not None and not self.is_over:
                self._on_event(event)

    def logged(self, data: bytes) -> None:
        """Bytes of its standard error."""
        self._log.feed(data)
        for line in self._log_lines.feed(data):
            if not self.is_over:
                self._on_log(line.decode("utf-8", "replace").rstrip("\r"))

    def ended(self, exit_code: int) -> None:
        """It is gone."""
        self._end(error_of_exit(exit_code, self._log.text))

    def not_started(self, reason: str) -> None:
        """It could not be started."""
        self._end(MedDLError("E603", "the process could not be started", reason, "see the environment page"))

    def _stop(self) -> None:
        """It has nothing more to do."""
        self._process.close_input()
        self._ladder = self._ladder or Ladder(self._patience, self._clock())

    def _end(self, error: MedDLError) -> None:
        """What was finished is finished; else the wish to cancel counts, then what it told, then the way it died."""
        if self.is_over:
            return
        self.is_over = True
        if self._is_cancelled and not isinstance(self._ending, Finished):
            self._on_end(Cancelled(""))
        else:
            self._on_end(self._ending or failure("", error))


def run_errand(
    launch: Launch,
    on_event: Emit,
    on_log: Callable[[str], None] = lambda line: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Do an errand and wait for its end; however this is left, no process stays.

    Raises
    ------
    MedDLError : what the errand failed with, E602 when it was cancelled.
    """
    children, endings = Children(), list[Finished | Failed | Cancelled]()
    errand = Errand(children, launch, on_event, endings.append, on_log)
    errand.start()
    try:
        while not errand.is_over:
            children.pump(POLL_S)
            errand.tick()
            if is_cancelled():
                errand.cancel()
    finally:
        errand.close()
    for ending in endings:
        if not isinstance(ending, Finished):
            raise error_told(ending)


def _event_in(line: bytes) -> Event | None:
    if not line.startswith(b"{"):
        return None
    try:
        event: Event = parse_json(Event, line)  # type: ignore[arg-type]
    except MedDLError:
        return None  # a library printed something that begins like JSON
    return bounded(event)
