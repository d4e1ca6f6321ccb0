"""What a run tells its reporter beforehand, and what it leaves for those to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..events import Reporter
from ..geometry import Geometry
from ..inference.device import device_peak_bytes
from ..job import Job
from ..models.registry import FoundCard
from ..recipe import CropToMask
from ..result import AppliedStep, Result
from .forecast import forecast
from .history import PastRun, StageTimes, add_stage, recall, remember
from .memory import peak_bytes
from .plan import planned_stages, rough_bytes, work_of

Share = tuple[float, float, float]

_run_here: set[str] = set()
"""Cards that this process ran to the end: their libraries, and perhaps their weights, are loaded."""


class Learning:
    """Stands beside one run of a model from its first moment on."""

    def __init__(self, found: FoundCard, job: Job, reporter: Reporter) -> None:
        self._found, self._job, self._reporter = found, job, reporter
        self._is_cold = found.sha256 not in _run_here
        self._peak_before = peak_bytes()
        self._past = recall(found.sha256, job.computing)
        reporter.expect(forecast(self._past, is_cold=self._is_cold))

    def foretell(self, grid: Geometry) -> None:
        """Tell the reporter what past runs say of a grid of that size."""
        stages = planned_stages(self._found, grid, self._job.computing, self._past, self._job.prompts)
        voxels = math.prod(grid.shape_kji)
        self._reporter.expect(forecast(self._past, is_cold=self._is_cold, voxels=voxels, work=work_of(stages)))

    def remember(self, grid: Geometry, result: Result) -> None:
        """Keep the finished run in mind."""
        record = result.provenance
        computing = replace(self._job.computing, device=record.device)
        names = {step.stage for step in record.steps}
        kept = {name: _kept(grid.shape_kji, [s for s in record.steps if s.stage == name]) for name in names}
        run = PastRun(self._found.sha256, computing, math.prod(grid.shape_kji), self._is_cold, {})
        crops = {name: StageTimes({}, kept_kji=shares) for name, shares in kept.items()}
        stages = planned_stages(self._found, grid, computing, (replace(run, stages=crops),), self._job.prompts)
        work = work_of(stages)
        times = {
            name: StageTimes(dict(parts), work.get(name, 0), kept.get(name, ()))
            for name, parts in self._reporter.times.items()
        }
        _run_here.add(self._found.sha256)
        remember(
            replace(
                run,
                stages=times,
                peak_bytes=self._peak(computing.device),
                estimated_bytes=rough_bytes(grid, stages, computing.device),
            ),
            self._job.device,
        )

    def _peak(self, device: str) -> int:
        on_card = device_peak_bytes(device)
        if on_card is not None:
            return on_card
        peak = peak_bytes()
        return peak if peak > self._peak_before else 0


def remember_stage(job: Job, made: object, reporter: Reporter, stage: str) -> None:
    """Keep in mind how long a door took for a stage of its own, after the job itself."""
    if isinstance(made, Result):
        record = made.provenance
        computing = replace(job.computing, device=record.device)
        add_stage(record.card_sha256, computing, stage, StageTimes(dict(reporter.times[stage])))


def _kept(shape_kji: Sequence[int], steps: Sequence[AppliedStep]) -> tuple[Share, ...]:
    """The share of the grid that each crop to a mask kept, from the shapes that the steps left."""
    kept: list[Share] = []
    for step in steps:
        after = step.found.get("shape_kji", shape_kji)
        if step.step["kind"] == CropToMask.kind:
            k, j, i = (new / old for new, old in zip(after, shape_kji, strict=True))
            kept.append((k, j, i))
        shape_kji = after
    return tuple(kept)
