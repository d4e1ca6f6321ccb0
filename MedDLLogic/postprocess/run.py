"""Carries out postprocessing steps on finished masks, each within the box it can change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry, require_millimetres
from ..preprocess.box import box_of
from ..recipe import FillHoles, LargestComponent, PostStep, RemoveSmall, Smooth
from .components import largest_component, without_small
from .outline import SIGMAS_REACHED, smoothed, without_holes

Mask = NDArray[np.bool_]
Operation = Callable[[Mask], Mask]


def apply_postprocess(steps: tuple[PostStep, ...], masks: Mapping[str, Mask], geometry: Geometry) -> dict[str, Mask]:
    """All masks, the named ones cleaned; arrays that came in are not changed.

    Parameters
    ----------
    steps : carried out in order, on the masks each of them names, or on all.
    masks : name -> (k, j, i) bool on ``geometry``; empty ones stay empty.

    Raises
    ------
    MedDLError : E103 for a name that is not there, E330 for a step in millimetres on a picture
        without a patient frame, E332 for a mask that does not lie on ``geometry``.
    """
    for name, mask in masks.items():
        if mask.dtype != np.bool_ or mask.shape != geometry.shape_kji:
            raise MedDLError("E332", "mask does not lie on the grid", f"{name[:40]}: {mask.shape}")
    cleaned = dict(masks)
    for step in steps:
        operation, margin_kji = _operation(step, geometry)
        for name in step.segments or tuple(cleaned):
            if name not in cleaned:
                raise MedDLError("E103", f"segment not known to step {step.kind}", name[:40])
            cleaned[name] = _within_box(cleaned[name], operation, margin_kji)
    return cleaned


def _operation(step: PostStep, geometry: Geometry) -> tuple[Operation, NDArray[np.float64]]:
    """What a step does to a cropped mask, and the margin of voxels k, j, i it needs around it."""
    one_voxel = np.ones(3)  # lets the box be flat only where the whole volume is
    match step:
        case LargestComponent():
            return largest_component, one_voxel
        case FillHoles():
            return without_holes, one_voxel
        case RemoveSmall():
            require_millimetres(geometry)
            min_voxels = round(step.min_volume_mm3 / geometry.voxel_volume_mm3, 6)
            return partial(without_small, min_voxels=min_voxels), one_voxel
        case Smooth():
            require_millimetres(geometry)
            sigma_kji = step.sigma_mm / np.asarray(geometry.spacing_ijk_mm[::-1])
            return partial(smoothed, sigma_kji=tuple(sigma_kji)), SIGMAS_REACHED * sigma_kji + 1.0


def _within_box(mask: Mask, operation: Operation, margin_kji: NDArray[np.float64]) -> Mask:
    box = box_of(mask)
    if box is None:
        return mask
    slices = box.widened(margin_kji, mask.shape).slices
    changed = np.zeros_like(mask)
    changed[slices] = operation(mask[slices])
    return changed
