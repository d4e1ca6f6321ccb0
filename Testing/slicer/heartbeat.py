"""How long the user interface stood still, and who made it: a timer that should tick every 10 ms, and a watcher.

``with Heartbeat() as beat: ...`` then ``beat.gaps_ms``, ``beat.worst_ms``, ``beat.guilty``.

A gap is the time between two ticks. How much of it is MedDL's is measured in two ways, and the larger counts: the time
that slots of MedDL took, less the time in which the system did not let the main thread run; and the time for which a
second thread, which looks at the main thread's calls, saw MedDL's code among them. Full passes of Python's collector are
left out of both: they take as long as the whole process has objects (50 ms for 200,000), and hit whoever happens to
run. ``beat.collector_ms`` tells of the longest.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

from PySide6 import QtCore

from . import pythonqt

TICK_MS = 10
GAP_MS = 50.0
SAMPLE_S = 0.004
OURS = ("MedDL", "MedDLLib", "MedDLLogic")


@dataclass(frozen=True)
class Moment:
    """Clock, processor time of this thread, and time for which it could have run and was not let or collected garbage."""

    wall_s: float
    busy_s: float
    stolen_s: float
    collector_s: float

    def since(self, other: Moment) -> Moment:
        return Moment(
            self.wall_s - other.wall_s,
            self.busy_s - other.busy_s,
            self.stolen_s - other.stolen_s,
            self.collector_s - other.collector_s,
        )


class Clock:
    """Moments of the thread that makes it. Only Linux says how long a thread waited for its turn; elsewhere that is 0."""

    def __init__(self) -> None:
        path = f"/proc/self/task/{threading.get_native_id()}/schedstat"
        self._file = os.open(path, os.O_RDONLY) if os.path.exists(path) else -1  # noqa: PTH110 - no file, a switch
        self._collector_s, self._collecting_since_s = 0.0, 0.0
        self.longest_collection_s = 0.0
        self._thread = threading.get_ident()
        gc.callbacks.append(self._on_collector)

    def now(self) -> Moment:
        waited = os.pread(self._file, 100, 0).split()[1] if self._file >= 0 else 0
        return Moment(time.monotonic(), time.thread_time(), int(waited) / 1e9, self._collector_s)

    def _on_collector(self, phase: str, about: dict[str, int]) -> None:
        if about["generation"] < 2 or threading.get_ident() != self._thread:
            return
        if phase == "start":
            self._collecting_since_s = time.thread_time()
            return
        took_s = time.thread_time() - self._collecting_since_s
        self._collector_s += took_s
        self.longest_collection_s = max(self.longest_collection_s, took_s)

    def close(self) -> None:
        gc.callbacks.remove(self._on_collector)
        if self._file >= 0:
            os.close(self._file)


@dataclass(frozen=True)
class Gap:
    """One time without a tick.

    Parameters
    ----------
    ms : from tick to tick.
    busy_ms, stolen_ms : processor time of the main thread in it, and time for which it was not let run.
    ours_ms : part of it that is MedDL's.
    culprit : MedDL's function that took most of it; empty when none was seen.
    calls : the main thread's calls, outermost first, as they were seen most often, whoever's they are.
    """

    start_s: float
    ms: float
    busy_ms: float
    stolen_ms: float
    ours_ms: float
    culprit: str
    calls: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether more of it is MedDL's than may be."""
        return self.ours_ms > GAP_MS


class Heartbeat:
    """Ticks in the main thread and watches it from another.

    Parameters
    ----------
    application : the stand-in; it is not needed, and named so that it reads well.
    packages : whose code counts.
    longer_than_ms : gaps that are kept.
    """

    def __init__(
        self, application: Any = None, *, packages: Sequence[str] = OURS, longer_than_ms: float = GAP_MS
    ) -> None:
        self.application = application
        self.gaps: list[Gap] = []
        self.ticks = 0
        self._packages, self._longer_than_ms = tuple(packages), longer_than_ms
        self._clock = Clock()
        self._samples = _Samples(self._packages)
        self._slots = _Slots(self._packages, self._clock)
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._last = self._clock.now()

    def __enter__(self) -> Self:
        self._last = self._clock.now()
        pythonqt.slot_listeners.append(self._slots)
        self._timer.start(TICK_MS)
        self._samples.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._tick()  # what is still going on counts, too
        self._timer.stop()
        self._samples.stop()
        pythonqt.slot_listeners.remove(self._slots)
        self._clock.close()

    @property
    def gaps_ms(self) -> list[float]:
        """Length of each gap, whoever caused it."""
        return [gap.ms for gap in self.gaps]

    @property
    def worst_ms(self) -> float:
        """The longest time that MedDL took within one gap; 0 when there was none."""
        return max((gap.ours_ms for gap in self.gaps), default=0.0)

    worst = worst_ms

    @property
    def collector_ms(self) -> float:
        """The longest full pass of Python's collector."""
        return 1000 * self._clock.longest_collection_s

    @property
    def guilty(self) -> list[Gap]:
        """The gaps that MedDL caused, the longest first."""
        return sorted((gap for gap in self.gaps if gap.counts), key=lambda gap: -gap.ours_ms)

    def report(self) -> str:
        """One line for each guilty gap."""
        return "\n".join(
            f"{gap.ours_ms:.0f} of {gap.ms:.0f} ms ({gap.busy_ms:.0f} busy) in {gap.culprit}" for gap in self.guilty
        )

    def _tick(self) -> None:
        now, last = self._clock.now(), self._last
        self._last = now
        self._samples.last_tick_s = now.wall_s
        self.ticks += 1
        slots_s, slot = self._slots.take(now)
        seen_s, function, calls = self._samples.take(last.wall_s, now.wall_s)
        gone = now.since(last)
        if 1000 * gone.wall_s > self._longer_than_ms:
            culprit = function or slot
            ours_ms = 1000 * max(slots_s, seen_s - gone.collector_s)
            times = (1000 * part for part in (gone.wall_s, gone.busy_s, gone.stolen_s))
            self.gaps.append(Gap(last.wall_s, *times, ours_ms, culprit, calls))


class _Slots:
    """How long MedDL's slots ran since it was asked last, without the time in which they were not let."""

    def __init__(self, packages: tuple[str, ...], clock: Clock) -> None:
        self._packages, self._clock = packages, clock
        self._depth = 0
        self._name = ""
        self._since = clock.now()
        self._taken_s = 0.0
        self._longest = (0.0, "")

    def __call__(self, slot: Callable[..., Any], begins: bool) -> None:
        module = str(getattr(slot, "__module__", None) or "")
        if module.split(".", maxsplit=1)[0] not in self._packages:
            return
        if begins and self._depth == 0:
            self._since, self._name = self._clock.now(), f"{module}.{getattr(slot, '__qualname__', 'slot')}"
        self._depth += 1 if begins else -1
        if self._depth == 0:
            self._add(self._clock.now())

    def take(self, now: Moment) -> tuple[float, str]:
        """Seconds, and the name of the slot that took most of them."""
        if self._depth:  # a tick within a slot that lets Qt go on
            self._add(now)
            self._since = now
        taken = self._taken_s, self._longest[1]
        self._taken_s, self._longest = 0.0, (0.0, "")
        return taken

    def _add(self, now: Moment) -> None:
        gone = now.since(self._since)
        own_s = max(gone.wall_s - gone.stolen_s - gone.collector_s, 0.0)
        self._taken_s += own_s
        self._longest = max(self._longest, (own_s, self._name))


class _Samples:
    """What the main thread was seen doing, as often as the interpreter lets another thread look."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        self._seen: list[tuple[float, tuple[str, ...]]] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self._main = threading.get_ident()
        self.last_tick_s = time.monotonic()

    def start(self) -> None:
        self.last_tick_s = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def take(self, start_s: float, end_s: float) -> tuple[float, str, tuple[str, ...]]:
        """Seconds that MedDL was seen in, its function seen most, all calls seen most.

        A look stands for the time up to it, though not for more than three times the usual pause: what came before
        that, nobody saw.
        """
        with self._lock:
            seen, self._seen = self._seen, []
        ours_s, functions, calls = 0.0, Counter[str](), Counter[tuple[str, ...]]()
        before_s = start_s
        for at_s, stack in seen:
            share_s, before_s = min(at_s - before_s, 3 * SAMPLE_S), at_s
            calls[stack] += 1
            own = next((call for call in reversed(stack) if call.split(".")[0] in self._packages), "")
            if own and at_s <= end_s:
                ours_s += share_s
                functions[own] += 1
        return ours_s, _most(functions) or "", _most(calls) or ()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            if time.monotonic() - self.last_tick_s > 1.5 * TICK_MS / 1000:
                look = (time.monotonic(), _calls_of(sys._current_frames().get(self._main)))
                with self._lock:
                    self._seen.append(look)


def _most(counter: Counter[Any]) -> Any:
    return counter.most_common(1)[0][0] if counter else None


def _calls_of(frame: FrameType | None) -> tuple[str, ...]:
    calls: list[str] = []
    while frame is not None:
        calls.append(f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(calls))
