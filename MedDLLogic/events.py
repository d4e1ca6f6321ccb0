"""What a run tells while it goes on, and the reporter that stages talk to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from .errors import MedDLError

MIN_INTERVAL_S = 0.1  # progress is told at most ten times a second


@dataclass(frozen=True)
class Started:
    """A job began; ``stages`` are its stage names in order."""

    kind: ClassVar[str] = "started"
    case: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """``fraction`` of the whole job is done; ``remaining_s`` is None until it can be told."""

    kind: ClassVar[str] = "progress"
    case: str
    stage: str
    fraction: float
    remaining_s: float | None = None


@dataclass(frozen=True)
class Warned:
    """Something the user should know, the run goes on; ``code`` is one of ``errors.CODES``."""

    kind: ClassVar[str] = "warning"
    case: str
    code: str
    message: str


@dataclass(frozen=True)
class Finished:
    """The job ended well; ``outputs`` maps a product to its file name in the case's folder."""

    kind: ClassVar[str] = "finished"
    case: str
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The job ended with an error; one line, no path, no patient data."""

    kind: ClassVar[str] = "failed"
    case: str
    code: str
    message: str


@dataclass(frozen=True)
class Cancelled:
    """The job was cancelled by the user."""

    kind: ClassVar[str] = "cancelled"
    case: str


Event = Started | Progress | Warned | Finished | Failed | Cancelled
Emit = Callable[[Event], None]


class Reporter:
    """Turns the progress of stages into events, and a wish to cancel into E602.

    Parameters
    ----------
    case : id of the case, goes into each event.
    emit : receives the events.
    is_cancelled : asked at each update.
    stages : name -> expected share of the whole time; shares need not add up to 1.
    clock : seconds, monotonic.
    """

    def __init__(
        self,
        case: str,
        emit: Emit,
        is_cancelled: Callable[[], bool] = lambda: False,
        stages: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.case, self._emit, self._is_cancelled, self._clock = case, emit, is_cancelled, clock
        self._shares = dict(stages or {})
        self._done: set[str] = set()
        self._stage = ""
        self._span = (0.0, 1.0)
        self._started_s = clock()
        self._last_s = float("-inf")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name the stage that runs inside the ``with`` block; its end counts as 100 %."""
        self._stage, self._span = name, (0.0, 1.0)
        self.update(0.0, at_once=True)
        yield
        self._done.add(name)
        self.update(1.0, at_once=True)

    @contextmanager
    def span(self, low: float, high: float) -> Iterator[None]:
        """Let updates inside the ``with`` block count from ``low`` to ``high`` of the current stage."""
        before = self._span
        self._span = (low, high)
        yield
        self._span = before

    def update(self, fraction: float, *, at_once: bool = False) -> None:
        """Tell that ``fraction`` of the current stage is done; raise E602 when cancelled."""
        self.check_cancelled()
        now = self._clock()
        if not at_once and now - self._last_s < MIN_INTERVAL_S:
            return
        self._last_s = now
        low, high = self._span
        total = self._total(low + (high - low) * fraction)
        elapsed = now - self._started_s
        remaining = elapsed * (1 - total) / total if total > 0.02 and elapsed > 1.0 else None
        self._emit(
            Progress(self.case, self._stage, round(total, 4), None if remaining is None else round(remaining, 1))
        )

    def warn(self, code: str, message: str) -> None:
        """Tell something the user should know."""
        self._emit(Warned(self.case, code, message))

    def check_cancelled(self) -> None:
        """Raise E602 when the user asked to cancel."""
        if self._is_cancelled():
            raise MedDLError("E602", "cancelled")

    def _total(self, fraction: float) -> float:
        whole = sum(self._shares.values()) or 1.0
        done = sum(share for name, share in self._shares.items() if name in self._done)
        current = 0.0 if self._stage in self._done else self._shares.get(self._stage, 0.0)
        return min(1.0, (done + current * min(max(fraction, 0.0), 1.0)) / whole)
