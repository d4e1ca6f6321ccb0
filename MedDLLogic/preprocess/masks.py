"""Steps that make masks and use them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.filters import threshold_otsu

from ..recipe import ApplyMask, Foreground, Nonzero
from .channels import on_channels
from .working import Found, StepFunction, Working


def foreground(step: Foreground, working: Working) -> tuple[Working, Found]:
    """Add the mask of voxels of any channel above a threshold, or above Otsu's of each channel."""
    given = step.above
    thresholds = [float(threshold_otsu(volume)) if given is None else given for volume in working.voxels]
    mask = np.zeros(working.geometry.shape_kji, dtype=bool)
    for volume, threshold in zip(working.voxels, thresholds, strict=True):
        mask |= volume > threshold
    return working.with_mask(step.name, mask), {"thresholds": thresholds, "voxels": int(np.count_nonzero(mask))}


def apply_mask(step: ApplyMask, working: Working) -> tuple[Working, Found]:
    """Set voxels outside a mask to one value."""
    mask = working.mask(step.mask)
    applied = on_channels(working, step.channels, lambda volume: np.where(mask, volume, np.float32(step.outside)))
    return applied, {"voxels_outside": int(mask.size - np.count_nonzero(mask))}


def nonzero(step: Nonzero, working: Working) -> tuple[Working, Found]:
    """Add the mask of voxels that are not 0, with or without its cavities."""
    mask = np.asarray(working.voxels.any(axis=0), dtype=bool)
    if step.filled:
        mask = np.asarray(binary_fill_holes(mask), dtype=bool)
    return working.with_mask(step.name, mask), {"voxels": int(np.count_nonzero(mask))}


MASK_STEPS: Mapping[type, StepFunction] = {Foreground: foreground, Nonzero: nonzero, ApplyMask: apply_mask}
