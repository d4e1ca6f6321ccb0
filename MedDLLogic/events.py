"""What a run tells while it goes on, and the reporter that stages talk to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from .errors import MedDLError

MIN_INTERVAL_S = 0.1  # progress is told at most ten times a second
MEASURED_FROM = 0.3
"""Part of a run after which its own pace alone says how long the rest takes; before, past runs have a say."""


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

    What is told as done never grows less. Where past runs taught how long stages take (``expect``), shares are
    those seconds and the time left is told from the first moment on.

    Parameters
    ----------
    case : id of the case, goes into each event.
    emit : receives the events.
    is_cancelled : asked at each update.
    stages : name -> expected share of the whole time; shares need not add up to 1.
    clock : seconds, monotonic.

    Attributes
    ----------
    times : of each stage that ended well, the seconds of its parts; ``""`` is what lay in none of them.
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
        self.times: dict[str, dict[str, float]] = {}
        self._shares = dict(stages or {})
        self._learned: Mapping[str, Mapping[str, float]] = {}
        self._stage = ""
        self._parts: dict[str, float] = {}
        self._span = (0.0, 1.0)
        self._told = 0.0
        self._started_s = clock()
        self._last_s = float("-inf")

    def expect(self, seconds: Mapping[str, Mapping[str, float]]) -> None:
        """Go by what stages took before: name -> seconds of each of its parts, in order, ``""`` for the rest.

        Stages of this run that are not named keep their share beside those that are; ended ones count as they were.
        """
        whole = {name: sum(parts.values()) for name, parts in seconds.items() if name in self._shares}
        known = sum(self._shares[name] for name in whole)
        if sum(whole.values()) <= 0 or known <= 0:
            return
        scale = sum(whole.values()) / known
        ended = {name: sum(parts.values()) for name, parts in self.times.items()}
        self._shares = {n: share * scale for n, share in self._shares.items()} | whole | ended
        self._learned = seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name the stage that runs inside the ``with`` block; its end counts as 100 %."""
        self._stage, self._span, self._parts = name, (0.0, 1.0), {}
        self.update(0.0, at_once=True)
        started_s = self._clock()
        yield
        rest_s = self._clock() - started_s - sum(self._parts.values())
        self.times[name] = {**self._parts, "": max(0.0, rest_s)}
        self.update(1.0, at_once=True)

    @contextmanager
    def part(self, name: str, low: float, high: float) -> Iterator[None]:
        """Name a part of the current stage; it goes from ``low`` to ``high`` of it, unless past runs taught better."""
        started_s = self._clock()
        with self.span(*self._learned_span(name, low, high)):
            yield
        self._parts[name] = self._parts.get(name, 0.0) + self._clock() - started_s

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
        self._told = max(self._told, self._total(low + (high - low) * fraction))
        remaining = self._remaining_s(now - self._started_s)
        self._emit(
            Progress(self.case, self._stage, round(self._told, 4), None if remaining is None else round(remaining, 1))
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
        done = sum(share for name, share in self._shares.items() if name in self.times)
        current = 0.0 if self._stage in self.times else self._shares.get(self._stage, 0.0)
        return min(1.0, (done + current * min(max(fraction, 0.0), 1.0)) / whole)

    def _remaining_s(self, elapsed_s: float) -> float | None:
        """By the pace of this run, and before that can be told by what past runs took, if there were any."""
        done = self._told
        expected_s = sum(self._shares.values()) if self._learned else 0.0
        if expected_s <= 0:
            return elapsed_s * (1 - done) / done if done > 0.02 and elapsed_s > 1.0 else None
        trust = min(1.0, done / MEASURED_FROM)
        behind = elapsed_s / expected_s / max(done, MEASURED_FROM)  # the measured pace, as far as it is trusted
        return (1 - done) * expected_s * (1 - trust + behind)

    def _learned_span(self, part: str, low: float, high: float) -> tuple[float, float]:
        parts = self._learned.get(self._stage, {})
        whole = sum(parts.values())
        if part not in parts or whole <= 0:
            return low, high
        names = list(parts)
        before = sum(parts[name] for name in names[: names.index(part)])
        return before / whole, (before + parts[part]) / whole
