"""The heartbeat tells who made the interface wait, and does not blame MedDL for others."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6 import QtCore, QtWidgets

from . import pythonqt
from .heartbeat import Heartbeat


def wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 5)


def in_module(name: str, function: Callable[[], None]) -> Callable[[], None]:
    """The same function, as if it stood in that module."""
    scope = {"__name__": name, "function": function}
    exec("def slow():\n    function()\n", scope)
    return scope["slow"]


def beat_of(slot: Callable[[], None]) -> Heartbeat:
    with Heartbeat() as beat:
        wait(0.05)
        QtCore.QTimer.singleShot(0, pythonqt.guarded(slot, 0))
        wait(0.25)
    return beat


def test_a_slow_function_of_ours_is_named(qt_application: QtWidgets.QApplication) -> None:
    beat = beat_of(in_module("MedDLLib.panel", lambda: time.sleep(0.12)))
    assert "MedDLLib.panel.slow" in beat.guilty[0].culprit and beat.worst_ms > 100
    assert "MedDLLib.panel.slow" in beat.report()


def test_a_slow_function_of_somebody_else_is_a_gap_and_not_ours(qt_application: QtWidgets.QApplication) -> None:
    beat = beat_of(in_module("SegmentEditor", lambda: time.sleep(0.12)))
    assert max(beat.gaps_ms) > 100 and beat.guilty == []


def test_a_slow_call_that_lets_nobody_look_is_still_ours(qt_application: QtWidgets.QApplication) -> None:
    beat = beat_of(in_module("MedDLLogic.scene", lambda: sum(range(8_000_000))))
    assert beat.guilty[0].busy_ms > 50


def test_a_function_that_lets_qt_go_on_makes_no_gap(qt_application: QtWidgets.QApplication) -> None:
    assert beat_of(in_module("MedDLLib.panel", lambda: wait(0.15))).guilty == []
