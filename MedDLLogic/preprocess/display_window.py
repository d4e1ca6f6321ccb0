"""The window in which a person would look at the image, whatever kind it is of."""

from __future__ import annotations

from ..recipe import AIR_HU, DisplayWindow, Percentile, Window
from .intensity import percentile, window
from .working import Found, Working

_ABOVE_ZERO = "above zero"


def display_window(step: DisplayWindow, working: Working) -> tuple[Working, Found]:
    """A CT in its window, another image between percentiles of what is above 0; scaled to 0 .. 1."""
    is_ct, why = _is_ct(working)
    if is_ct:
        shown, found = window(Window(step.ct_low, step.ct_high), working)
        return shown, {"as": "CT", "because": why, **found}
    measured = working.with_mask(_ABOVE_ZERO, working.voxels.max(axis=0) > 0)
    shown, found = percentile(Percentile(step.low, step.high, _ABOVE_ZERO), measured)
    return Working(shown.image, working.masks), {"as": "no CT", "because": why, **found}


def _is_ct(working: Working) -> tuple[bool, str]:
    if working.image.modality:
        return working.image.modality == "CT", "the image says so"
    return bool(working.voxels.min() <= AIR_HU), f"smallest value {working.voxels.min():g}"
