"""Runs without Qt: the real queue, the real runner and a quick worker, on the real scene."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedDLLogic.jobs.child import Children
from MedDLLogic.jobs.client import WorkerRunner
from MedDLLogic.jobs.process import Launch
from MedDLLogic.jobs.session import Limits
from MedDLLogic.storage import exchange_base

QUICK_WORKER = Path(__file__).with_name("quick_worker.py")


class RunsRig:
    """``runs`` with a worker that behaves as ``behavior`` says; every state a run was in is in ``told``.

    Parameters
    ----------
    scene : of the moment; may be exchanged.
    fetch : the program that downloads do, with the arguments it gets before the model's name.
    """

    def __init__(self, scene: Any, keep_in: Path, *, fetch: tuple[str, ...] = (), limits: Limits | None = None) -> None:
        module = importlib.import_module("MedDLLib.runs")
        self.scene, self.behavior, self._fetch = scene, "finish", fetch
        self.wish = module.Wish
        self._children = Children()
        runner = WorkerRunner(self._children, self._launch, exchange_base(), limits=limits or Limits())
        kept = importlib.import_module("MedDLLib.surroundings").KeepFolder(keep_in, "the folder of the test")
        around = module.Surroundings(
            lambda: self.scene, runner, self._download, lambda: None, lambda: kept, lambda: None
        )
        self.runs = module.Runs(around)
        self.told: dict[str, list[str]] = {}
        self.runs.on_change.append(self._note)

    def start(self, model: str, volume: Any, **more: Any) -> str:
        volumes = volume if isinstance(volume, dict) else {"t1": volume}
        return str(self.runs.start(self.wish(model, volumes, **more)))

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Let everything go on until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            self._children.pump(0.01)
            self.runs.tick()
            if time.monotonic() > end:
                raise TimeoutError(list(self.runs.states))

    def until_phase(self, run_id: str, *phases: str) -> Any:
        """The run's state as soon as it is in one of these phases, or over."""
        self.until(lambda: (s := self.runs.state_of(run_id)).phase in phases or s.is_over)
        return self.runs.state_of(run_id)

    def when(self, phase: str, act: Callable[[], object]) -> None:
        """Have ``act`` called the moment the first run tells that it is in this phase."""

        def look() -> None:
            if any(state.phase == phase for state in self.runs.states):
                self.runs.on_change.remove(look)
                act()

        self.runs.on_change.append(look)
        look()

    def end_of(self, run_id: str) -> Any:
        """The run's last state."""
        return self.until_phase(run_id, "done")

    def settle(self) -> None:
        """Let everything go on until nothing is at work."""
        self.until(lambda: not self.runs.is_busy)

    def close(self) -> None:
        self.runs.close()

    def _note(self) -> None:
        for state in self.runs.states:
            phases = self.told.setdefault(state.id, [])
            if phases[-1:] != [state.phase]:
                phases.append(state.phase)

    def _launch(self, folder: Path) -> Launch:
        return Launch(sys.executable, (str(QUICK_WORKER), self.behavior, str(folder)), dict(os.environ))

    def _download(self, name: str, on_event: Any, on_end: Any) -> Any:
        from MedDLLogic.jobs.errand import Errand

        launch = Launch(sys.executable, (*self._fetch, name), dict(os.environ))
        return Errand(self._children, launch, on_event, on_end)
