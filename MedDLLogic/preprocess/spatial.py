"""Steps that choose a new grid; the voxels follow it and the anatomy stays where it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, require_millimetres
from ..recipe import CropToBox, CropToMask, Flip, Interpolation, Orient, Pad, ResampleToShape, ResampleToSpacing, Rotate
from .box import VoxelBox, box_of
from .new_grid import new_grid, voxel_box
from .working import Found, StepFunction, Working


def orient(step: Orient, working: Working) -> tuple[Working, Found]:
    """Re-order and flip the axes."""
    came_as = working.geometry.orientation
    moved, found = _moved(working, new_grid(step, working.geometry))
    return moved, {"came_as": came_as, **found}


def resample(step: ResampleToSpacing | ResampleToShape, working: Working) -> tuple[Working, Found]:
    """The same box at another spacing, or in a fixed number of voxels."""
    return _moved(working, new_grid(step, working.geometry), step.interpolation)


def crop_to_mask(step: CropToMask, working: Working) -> tuple[Working, Found]:
    """Crop to the widened box around a mask."""
    box = box_of(working.mask(step.mask), step.min_plane_fraction)
    if box is None:
        raise MedDLError("E607", "nothing found to crop to", f"no plane of mask {step.mask[:40]} is full enough")
    wide = box.widened(_margin_kji(step, working.geometry, box), working.geometry.shape_kji)
    return _boxed(working, wide)


def crop_or_pad(step: CropToBox | Pad, working: Working) -> tuple[Working, Found]:
    """The voxels of a box, where it goes beyond the grid with padding."""
    return _boxed(working, voxel_box(step, working.geometry.shape_kji), step.fill)


def flip(step: Flip, working: Working) -> tuple[Working, Found]:
    """Let axes of the array run the other way."""
    return _moved(working, new_grid(step, working.geometry))


def rotate(step: Rotate, working: Working) -> tuple[Working, Found]:
    """Turn the grid about its centre."""
    return _moved(working, new_grid(step, working.geometry), step.interpolation, step.fill)


def _margin_kji(step: CropToMask, geometry: Geometry, box: VoxelBox) -> Matrix:
    margin = step.margin_fraction * np.asarray(box.shape_kji, dtype=np.float64)
    if step.margin_mm:
        require_millimetres(geometry)
        margin = margin + step.margin_mm / np.asarray(geometry.spacing_ijk_mm[::-1])
    return margin


def _boxed(working: Working, box: VoxelBox, fill: float = 0.0) -> tuple[Working, Found]:
    moved, found = _moved(working, box.of(working.geometry), fill=fill)
    return moved, {"start_kji": list(box.start_kji), **found}


def _moved(
    working: Working, grid: Geometry, interpolation: Interpolation = "linear", fill: float = 0.0
) -> tuple[Working, Found]:
    return working.onto(grid, interpolation, fill), {
        "shape_kji": list(grid.shape_kji),
        "spacing_ijk_mm": [round(spacing, 6) for spacing in grid.spacing_ijk_mm],
        "orientation": grid.orientation,
    }


SPATIAL_STEPS: Mapping[type, StepFunction] = {
    Orient: orient,
    ResampleToSpacing: resample,
    ResampleToShape: resample,
    CropToMask: crop_to_mask,
    CropToBox: crop_or_pad,
    Pad: crop_or_pad,
    Flip: flip,
    Rotate: rotate,
}
