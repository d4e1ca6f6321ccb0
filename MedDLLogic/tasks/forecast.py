"""Seconds of each stage, foretold from past runs: what grows with the image, what with the tiles, what is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from .history import LOAD, NETWORK, PastRun, StageTimes

Parts = dict[str, float]
"""Seconds of a stage's parts, in order."""


def forecast(
    past: Sequence[PastRun], *, is_cold: bool, voxels: int | None = None, work: Mapping[str, int] | None = None
) -> dict[str, Parts]:
    """Stage name -> what its parts will take, stages and parts in the order of the newest run; empty without past runs.

    Parameters
    ----------
    is_cold : the process has not run the model yet.
    voxels : of the grid to be searched; None while it is not known, then it counts as the one before.
    work : network stage -> voxels of all its tiles; those not named count as before.
    """
    found: dict[str, Parts] = {}
    for name, newest in (past[-1].stages if past else {}).items():
        runs = [(run, run.stages[name]) for run in past if name in run.stages]
        found[name] = {
            part: _middle(
                [
                    times.parts.get(part, 0.0) * _growth(part, run, times, voxels, (work or {}).get(name))
                    for run, times in runs
                    if part != LOAD or run.is_cold == is_cold
                ]
            )
            for part in newest.parts
        }
    return found


def kept_share(past: Sequence[PastRun], stage: str) -> tuple[tuple[float, float, float], ...]:
    """For each ``crop_to_mask`` of the stage the share of the grid that it kept along k, j, i; empty if not known."""
    crops = [run.stages[stage].kept_kji for run in past if stage in run.stages]
    return tuple(_middle_kji(same) for same in zip(*crops, strict=False))


def _growth(part: str, run: PastRun, times: StageTimes, new_voxels: int | None, new_work: int | None) -> float:
    if part == LOAD:
        return 1.0
    new, old = (new_work, times.work) if part == NETWORK else (new_voxels, run.voxels)
    return new / old if new is not None and old else 1.0


def _middle(values: Sequence[float]) -> float:
    return median(values) if values else 0.0


def _middle_kji(shares: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    k, j, i = (median(along) for along in zip(*shares, strict=True))
    return k, j, i
