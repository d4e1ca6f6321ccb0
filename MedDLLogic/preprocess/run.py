"""Carries out a recipe, step by step, and records what each step found."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..errors import MedDLError
from ..events import Reporter
from ..recipe import DisplayWindow, ResampleToLongest, Step
from ..records import to_json
from ..result import AppliedStep
from .contrast import CONTRAST_STEPS
from .display_window import display_window
from .filters import FILTER_STEPS
from .intensity import INTENSITY_STEPS
from .longest import resample_to_longest
from .masks import MASK_STEPS
from .spatial import SPATIAL_STEPS
from .working import Found, StepFunction, Working

STEP_FUNCTIONS: Mapping[type, StepFunction] = {
    **SPATIAL_STEPS,
    **MASK_STEPS,
    **INTENSITY_STEPS,
    **CONTRAST_STEPS,
    **FILTER_STEPS,
    ResampleToLongest: resample_to_longest,
    DisplayWindow: display_window,
}


def apply_recipe(
    steps: tuple[Step, ...],
    working: Working,
    reporter: Reporter | None = None,
    stage: str = "",
) -> tuple[Working, tuple[AppliedStep, ...]]:
    """The image and masks after all steps, and the record of each step.

    Parameters
    ----------
    working : image and masks on one grid; they are not changed.
    reporter : told after each step; its wish to cancel ends the run between two steps.
    stage : name that the records carry.

    Raises
    ------
    MedDLError : E103 for a step that this image or an absent mask does not allow, E330 for a step
        in millimetres on a picture without a patient frame, E607 where a mask is empty, E304 and
        E502 for a grid too large, E602 when cancelled.
    """
    applied: list[AppliedStep] = []
    for count, step in enumerate(steps, start=1):
        if reporter is not None:
            reporter.check_cancelled()
        started_s = time.perf_counter()
        working, found = _carried_out(step, working)
        applied.append(AppliedStep(stage, to_json(step), found, round(time.perf_counter() - started_s, 3)))
        if reporter is not None:
            reporter.update(count / len(steps))
    return working, tuple(applied)


def _carried_out(step: Step, working: Working) -> tuple[Working, Found]:
    try:
        return STEP_FUNCTIONS[type(step)](step, working)
    except (MemoryError, RuntimeError) as exc:  # SimpleITK raises RuntimeError, whatever it is
        if isinstance(exc, MemoryError) or "Failed to allocate" in str(exc):
            raise MedDLError("E502", f"not enough memory for step {step.kind}") from exc
        raise MedDLError("E103", f"step {step.kind} does not work on this image", detail=str(exc)) from exc
