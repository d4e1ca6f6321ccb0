"""The border to the worker: its output as events, and how it is started."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from MedDLLogic.errors import MedDLError
from MedDLLogic.events import Failed, Finished, Progress
from MedDLLogic.records import to_json_text

from .application import Application
from .conftest import QUICK_WORKER

PROGRESS = Progress("case", "schneiden · 切", 0.5, None)


@pytest.fixture
def stream(application: Application) -> Any:
    return importlib.import_module("MedDLLib.stream")


@pytest.fixture
def launch(application: Application) -> Any:
    return importlib.import_module("MedDLLib.launch")


@pytest.fixture
def blocking(application: Application) -> Any:
    return importlib.import_module("MedDLLib.blocking")


def line(event: Any) -> bytes:
    return to_json_text(event, indent=None).encode() + b"\n"


def test_an_event_may_arrive_byte_by_byte(stream: Any) -> None:
    events = stream.EventStream()
    assert [event for byte in line(PROGRESS) for event in events.feed(bytes([byte]))] == [PROGRESS]


def test_several_events_in_one_piece_keep_their_order(stream: Any) -> None:
    assert stream.EventStream().feed(line(PROGRESS) + line(Finished("case"))) == [PROGRESS, Finished("case")]


@pytest.mark.parametrize(
    "noise", [b"\n", b"hello\n", b"{\n", b'{"kind": "no such"}\n', b"\xff\xfe{}\n", b"[" * 5000 + b"\n"]
)
def test_noise_between_events_is_left_aside(stream: Any, noise: bytes) -> None:
    assert stream.EventStream().feed(noise + line(PROGRESS) + noise) == [PROGRESS]


def test_a_line_without_end_does_not_fill_the_memory(stream: Any) -> None:
    events = stream.EventStream()
    for _ in range(40):
        events.feed(b"x" * 100_000)
    assert events.feed(b"\n" + line(PROGRESS)) == [PROGRESS]


@pytest.mark.parametrize(("log", "code"), [("ModuleNotFoundError: No module named 'torch'\n", "E104"), ("", "E603")])
def test_a_worker_that_dies_without_a_word_is_explained(stream: Any, log: str, code: str) -> None:
    assert stream.failure_of_exit(1, log).code == code


def test_the_worker_starts_without_slicers_python_variables(launch: Any) -> None:
    made = launch.worker_launch("m", python=sys.executable, environment={"PYTHONHOME": "x", "HTTPS_PROXY": "p"})
    assert made.environment == {"HTTPS_PROXY": "p", "PYTHONUTF8": "1"}


def test_without_a_setting_slicers_own_python_is_taken(launch: Any, tmp_path: Path, monkeypatch: Any) -> None:
    own = tmp_path / "PythonSlicer"
    own.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.worker_launch("m", python="", environment={}).program == str(own)


def test_a_slicer_built_without_pythonslicer_uses_the_python_it_runs_on(
    launch: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.worker_launch("m", python="", environment={}).program == sys.executable


def test_slicer_itself_is_never_taken_for_a_python(launch: Any, tmp_path: Path, monkeypatch: Any) -> None:
    application = tmp_path / "SlicerApp-real"
    application.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(application))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(MedDLError, match="E101"):
        launch.worker_launch("m", python="", environment={})


def test_a_python_that_is_not_there_is_refused(launch: Any) -> None:
    with pytest.raises(MedDLError, match="E101"):
        launch.worker_launch("m", python="/nowhere/python", environment={})


def test_a_script_can_wait_for_the_end(blocking: Any, launch: Any, tmp_path: Path) -> None:
    made = launch.Launch(sys.executable, (str(QUICK_WORKER), "refuse", str(tmp_path)), dict(os.environ))
    events: list[Any] = []
    assert isinstance(blocking.run_to_end(made, events.append), Failed) and len(events) == 1


def test_a_program_that_cannot_start_is_a_failure(blocking: Any, launch: Any, tmp_path: Path) -> None:
    ending = blocking.run_to_end(launch.Launch(str(tmp_path), (), {}), lambda event: None)
    assert ending.code == "E603"


def test_a_script_that_is_interrupted_leaves_no_worker(blocking: Any, launch: Any, tmp_path: Path) -> None:
    made = launch.Launch(sys.executable, (str(QUICK_WORKER), "wait", str(tmp_path)), dict(os.environ))
    with pytest.raises(KeyboardInterrupt):  # and the fixture of all tests looks for a child that is left
        blocking.run_to_end(made, interrupt)


def interrupt(_event: Any) -> None:
    raise KeyboardInterrupt
