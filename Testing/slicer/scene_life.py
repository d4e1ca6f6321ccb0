"""What may happen to the scene, the module and Slicer at each stage of a run, and what must be true afterwards.

``play(event, stage, folder)`` does one of them in the stand-in, with the real panel and a quick worker, and
returns what went wrong, a line each.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6 import QtCore

from MedDLLogic.scene.volumes import push_volume
from MedDLLogic.storage import HOME_VARIABLE, exchange_base, models_folder
from Testing.small_models import ball

from .application import Application, open_panel
from .conftest import make_listed_card, use_python

QUICK_WORKER = Path(__file__).with_name("quick_worker.py")
STAGES = ("choosing", "waiting", "downloading", "handing over", "starting", "running", "cancelling", "collecting")
MODEL = "listed"
PATIENCE_S = 30.0
MOST_TRIES = 5
OVER = ("done", "failed", "cancelled")
Act = Callable[["Life"], None]


class Life:
    """The open panel with a volume, a segmentation to be replaced, and a model whose worker behaves as told."""

    replaces = False

    def __init__(self, application: Application, folder: Path) -> None:
        self.application, self.folder = application, folder
        self.volume = self.add_volume()
        self.add_target()
        self.ended: dict[str, list[str]] = {}
        self.phase_at_event = ""
        self.follow()

    @property
    def scene(self) -> Any:
        return self.application.slicer.mrmlScene

    @property
    def runs(self) -> Any:
        return self.application.widget.logic.backstage.runs

    def follow(self) -> None:
        self.runs.on_change.append(self._note)

    def _note(self) -> None:
        for state in self.runs.states:
            if state.phase in OVER and state.message not in self.ended.setdefault(state.id, []):
                self.ended[state.id].append(state.message)

    def add_target(self) -> None:
        self.target = self.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")

    def add_volume(self) -> Any:
        return push_volume(self.scene, ball()[0], "Ball")

    def behave(self, behavior: str) -> None:
        program = self.folder / f"{behavior}-python"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{QUICK_WORKER}" {behavior} "$@"\n')
        program.chmod(0o700)
        use_python(self.application, str(program))

    def apply(self) -> str:
        """Start as the panel's Apply does; returns the run's id."""
        from MedDLLib.run_state import Wish

        wish = Wish(MODEL, {"t1": self.volume}, replace=self.target if self.replaces else None)
        return str(self.runs.start(wish))

    def at(self, stage: str, act: Callable[[], None]) -> str:
        """Have ``act`` happen in a turn of Qt's own when a run has just come to this stage; returns that run's id."""
        if stage == "waiting":
            self.apply()
        run = self.apply()
        done: list[bool] = []

        def happen() -> None:
            self.phase_at_event = self.runs.state_of(run).phase
            done.append(True)
            act()

        def look() -> None:
            phase = self.runs.state_of(run).phase
            if phase == "running" and stage == "cancelling":
                QtCore.QTimer.singleShot(0, lambda: self.runs.cancel(run))
            if phase == stage:
                self.runs.on_change.remove(look)
                QtCore.QTimer.singleShot(0, happen)

        self.runs.on_change.append(look)
        look()
        self.application.wait_until(lambda: bool(done), PATIENCE_S)
        return run

    def settle(self) -> None:
        self.application.wait_until(lambda: not self.runs.is_busy, PATIENCE_S)


def close_scene(life: Life) -> None:
    life.volume = life.target = None
    life.scene.Clear()


def load_another_scene(life: Life) -> None:
    """Whose volume has the id and the grid of the one before."""
    close_scene(life)
    life.add_volume()


def delete_input(life: Life) -> None:
    volume, life.volume = life.volume, None
    life.scene.RemoveNode(volume)


def rename_input(life: Life) -> None:
    life.volume.SetName("Renamed")


def move_input(life: Life) -> None:
    from MedDLLogic.scene.arrays import vtk_matrix

    transform = life.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(vtk_matrix(_shift()))
    life.volume.SetAndObserveTransformNodeID(transform.GetID())


def reload_module(life: Life) -> None:
    life.application.reload()


def quit_slicer(life: Life) -> None:
    life.application.quit()


def apply_again(life: Life) -> None:
    life.apply()


EVENTS: dict[str, Act] = {
    "scene closed": close_scene,
    "another scene loaded": load_another_scene,
    "input deleted": delete_input,
    "input renamed": rename_input,
    "input moved": move_input,
    "module reloaded": reload_module,
    "Slicer quit": quit_slicer,
    "second Apply": apply_again,
}
HARMLESS = ("input renamed", "second Apply")
ENDING = ("module reloaded", "Slicer quit")


def play(event: str, stage: str, folder: Path) -> list[str]:
    """What went wrong; empty when all is as it must be."""
    for number in range(MOST_TRIES):
        faults = _try(event, stage, folder / str(number))
        if faults is not None:
            return faults
    return [f"{event} while {stage}: the stage was missed {MOST_TRIES} times"]


def _try(event: str, stage: str, folder: Path) -> list[str] | None:
    """None when the stage was over before Qt came to the event: some take no more than a few milliseconds."""
    folder.mkdir(parents=True)
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(folder / "home")
    faults: list[str] = []
    is_missed = False
    try:
        make_listed_card(MODEL, ["t1"])
        with open_panel(folder) as application:
            life = Life(application, folder)
            try:
                faults += _play(life, event, stage)
                is_missed = life.phase_at_event in OVER
            finally:
                life.volume = life.target = None
        faults += [f"left in the exchange folder: {path.name}" for path in _exchanged()]
    except (AssertionError, TimeoutError) as exc:
        faults += str(exc).splitlines()
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before
    return None if is_missed else [f"{event} while {stage}: {fault}" for fault in faults]


def _play(life: Life, event: str, stage: str) -> list[str]:
    life.behave("slow" if stage in ("running", "cancelling", "waiting") else "finish")
    if stage == "downloading":
        _forget_weights()
    runs = life.runs
    if stage == "choosing":
        EVENTS[event](life)
        run = ""
    else:
        run = life.at(stage, lambda: EVENTS[event](life))
    if stage == "downloading":
        _remember_weights()
    life.application.wait_until(lambda: not runs.is_busy, PATIENCE_S)
    faults = _faults_of_runs(life, runs, run, event, stage)
    if event != "Slicer quit":
        faults += _faults_of_scene(life, runs, event)
        faults += _next_run(life, event)
    return faults


def _faults_of_runs(life: Life, runs: Any, run: str, event: str, stage: str) -> list[str]:
    faults = [f"{state.id} is still {state.phase}" for state in runs.states if not state.is_over]
    faults += [f"{run_id} ended {len(told)} times" for run_id, told in life.ended.items() if len(told) != 1]
    faults += [f"not one line: {state.message!r}" for state in runs.states if "\n" in state.message]
    faults += [f"a defect: {state.message}" for state in runs.states if "E9" in state.message]
    if not run:
        return faults
    if life.phase_at_event != stage:
        faults.append(f"it came while {life.phase_at_event}")
    phase, expected = runs.state_of(run).phase, _expected(event, stage)
    return faults if phase == expected else [*faults, f"the run is {phase}, not {expected}"]


def _expected(event: str, stage: str) -> str:
    if stage == "cancelling" or event in ENDING:
        return "cancelled"
    return "done" if event in HARMLESS else "failed"


def _faults_of_scene(life: Life, runs: Any, event: str) -> list[str]:
    """Each run that is done left a segmentation with display node and table; no other did."""
    done = sum(state.phase == "done" for state in runs.states) if event != "module reloaded" else 0
    mine = 0 if event in ("scene closed", "another scene loaded") else 1
    counts = {
        kind: life.scene.GetNumberOfNodesByClass(f"vtkMRML{kind}Node")
        for kind in ("Segmentation", "SegmentationDisplay", "Table")
    }
    expected = {"Segmentation": done + mine, "SegmentationDisplay": done, "Table": done}
    faults = [f"{counts[kind]} {kind} nodes, not {n}" for kind, n in expected.items() if counts[kind] != n]
    promised = [name for state in runs.states for name in re.findall(r"kept as (\S+)", state.message)]
    kept = {path.name for path in life.folder.glob("*.seg.nrrd")}
    return faults if set(promised) == kept else [*faults, f"files {sorted(kept)}, told {sorted(promised)}"]


def _next_run(life: Life, event: str) -> list[str]:
    """The panel can be used, and a run on a new volume works."""
    life.behave("finish")
    if event == "module reloaded":
        life.follow()
    life.runs.stop_worker()
    life.settle()
    life.volume = life.add_volume()
    run = life.apply()
    life.application.wait_until(lambda: life.runs.state_of(run).is_over, PATIENCE_S)
    state = life.runs.state_of(run)
    return [] if state.phase == "done" else [f"the next run: {state.message}"]


def _forget_weights() -> None:
    """The model's weights are to be downloaded."""
    _set_source({"kind": "url", "url": "https://example.org/w.ts"})


def _remember_weights() -> None:
    _set_source({"kind": "file", "path": f"{MODEL}.ts"})


def _set_source(source: dict[str, str]) -> None:
    card = models_folder() / f"{MODEL}.json"
    record = json.loads(card.read_text(encoding="utf-8"))
    record["stages"][0]["weights"]["source"] = source
    card.write_text(json.dumps(record), encoding="utf-8")


def _exchanged() -> list[Path]:
    return list(exchange_base().iterdir()) if exchange_base().is_dir() else []


def _shift() -> Any:
    import numpy as np

    matrix = np.eye(4)
    matrix[0, 3] = 5.0
    return matrix
