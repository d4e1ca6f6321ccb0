"""Steps that choose a new grid; the voxels follow it and the anatomy stays where it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, require_millimetres
from ..recipe import (
    CropToBox,
    CropToMask,
    Flip,
    Interpolation,
    Orient,
    Pad,
    ResampleFromFirst,
    ResampleInBox,
    ResampleToShape,
    ResampleToSpacing,
    Rotate,
    Transpose,
)
from .box import VoxelBox, box_of
from .grid import regrid, require_modest
from .in_box import resized
from .new_grid import apart_axis, new_grid, voxel_box
from .working import Found, StepFunction, Working


def orient(step: Orient, working: Working) -> tuple[Working, Found]:
    """Re-order and flip the axes."""
    came_as = working.geometry.orientation
    moved, found = _moved(working, new_grid(step, working.geometry))
    return moved, {"came_as": came_as, **found}


def resample(step: ResampleToSpacing | ResampleToShape, working: Working) -> tuple[Working, Found]:
    """The same box at another spacing, or in a fixed number of voxels."""
    return _moved(working, new_grid(step, working.geometry), step.interpolation)


def resample_in_box(step: ResampleInBox, working: Working) -> tuple[Working, Found]:
    """Another spacing in the very same box, by splines; masks by nearest neighbour."""
    grid, apart = new_grid(step, working.geometry), apart_axis(step, working.geometry)
    require_modest(grid)
    voxels = [resized(volume, grid.shape_kji, step.interpolation, apart) for volume in working.voxels]
    masks = {name: regrid(mask, working.geometry, grid, "nearest") for name, mask in working.masks.items()}
    return Working(working.image.with_voxels(np.stack(voxels), grid), masks), _described(grid) | {
        "apart": "" if apart is None else "kji"[apart]
    }


def resample_from_first(step: ResampleFromFirst, working: Working) -> tuple[Working, Found]:
    """Another spacing counted from the first voxel; where the new grid goes beyond the old, its last planes go on."""
    grid = new_grid(step, working.geometry)
    old_shape = np.asarray(working.geometry.shape_kji)
    scale_kji = np.asarray(grid.spacing_ijk_mm[::-1]) / np.asarray(working.geometry.spacing_ijk_mm[::-1])
    beyond = np.maximum(np.ceil((np.asarray(grid.shape_kji) - 1) * scale_kji - (old_shape - 1)), 0).astype(int)
    return _moved(_continued(working, beyond), grid, step.interpolation)


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


def flip(step: Flip | Transpose, working: Working) -> tuple[Working, Found]:
    """Let axes of the array run the other way, or exchange them."""
    return _moved(working, new_grid(step, working.geometry))


def rotate(step: Rotate, working: Working) -> tuple[Working, Found]:
    """Turn the grid about its centre."""
    return _moved(working, new_grid(step, working.geometry), step.interpolation, step.fill)


def _margin_kji(step: CropToMask, geometry: Geometry, box: VoxelBox) -> Matrix:
    margin = step.margin_fraction * np.asarray(box.shape_kji, dtype=np.float64) + step.margin_voxels
    if step.margin_mm:
        require_millimetres(geometry)
        margin = margin + step.margin_mm / np.asarray(geometry.spacing_ijk_mm[::-1])
    return margin


def _continued(working: Working, beyond_kji: NDArray[np.int64]) -> Working:
    """The image with some more planes at the ends of its axes, like the last ones; masks are False there."""
    if not beyond_kji.any():
        return working
    more = [(0, int(count)) for count in beyond_kji]
    k, j, i = (n + after for n, (_, after) in zip(working.geometry.shape_kji, more, strict=True))
    grid = working.geometry.cropped((0, 0, 0), (k, j, i))
    voxels = np.pad(working.voxels, [(0, 0), *more], mode="edge")
    masks = {name: np.pad(mask, more) for name, mask in working.masks.items()}
    return Working(working.image.with_voxels(voxels, grid), masks)


def _boxed(working: Working, box: VoxelBox, fill: float = 0.0) -> tuple[Working, Found]:
    moved, found = _moved(working, box.of(working.geometry), fill=fill)
    return moved, {"start_kji": list(box.start_kji), **found}


def _moved(
    working: Working, grid: Geometry, interpolation: Interpolation = "linear", fill: float = 0.0
) -> tuple[Working, Found]:
    return working.onto(grid, interpolation, fill), _described(grid)


def _described(grid: Geometry) -> Found:
    return {
        "shape_kji": list(grid.shape_kji),
        "spacing_ijk_mm": [round(spacing, 6) for spacing in grid.spacing_ijk_mm],
        "orientation": grid.orientation,
    }


SPATIAL_STEPS: Mapping[type, StepFunction] = {
    Orient: orient,
    ResampleToSpacing: resample,
    ResampleFromFirst: resample_from_first,
    ResampleInBox: resample_in_box,
    ResampleToShape: resample,
    CropToMask: crop_to_mask,
    CropToBox: crop_or_pad,
    Pad: crop_or_pad,
    Flip: flip,
    Transpose: flip,
    Rotate: rotate,
}
