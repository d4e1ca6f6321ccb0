"""Steps that choose a new grid; the voxels follow it and the anatomy stays where it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry, Matrix, require_millimetres
from ..recipe import CropToBox, CropToMask, Flip, Interpolation, Orient, Pad, ResampleToShape, ResampleToSpacing, Rotate
from .box import VoxelBox, box_of
from .working import Found, StepFunction, Working


def orient(step: Orient, working: Working) -> tuple[Working, Found]:
    """Re-order and flip the axes."""
    came_as = working.geometry.orientation
    moved, found = _moved(working, working.geometry.reoriented(step.codes))
    return moved, {"came_as": came_as, **found}


def resample_to_spacing(step: ResampleToSpacing, working: Working) -> tuple[Working, Found]:
    """The same box at another spacing."""
    require_millimetres(working.geometry)
    return _moved(working, working.geometry.respaced(step.spacing_ijk_mm), step.interpolation)


def resample_to_shape(step: ResampleToShape, working: Working) -> tuple[Working, Found]:
    """The same box in a fixed number of voxels."""
    return _moved(working, working.geometry.resized(step.shape_kji), step.interpolation)


def crop_to_mask(step: CropToMask, working: Working) -> tuple[Working, Found]:
    """Crop to the widened box around a mask."""
    box = box_of(working.mask(step.mask), step.min_plane_fraction)
    if box is None:
        raise MedDLError("E607", "nothing found to crop to", f"no plane of mask {step.mask[:40]} is full enough")
    wide = box.widened(_margin_kji(step, working.geometry, box), working.geometry.shape_kji)
    return _cropped(working, wide.start_kji, wide.shape_kji)


def crop_to_box(step: CropToBox, working: Working) -> tuple[Working, Found]:
    """Crop to a box given in voxels."""
    return _cropped(working, step.start_kji, step.shape_kji, step.fill)


def pad(step: Pad, working: Working) -> tuple[Working, Found]:
    """Pad evenly on both sides; an odd voxel goes to the end."""
    old = working.geometry.shape_kji
    new = [
        -(-max(size, least) // step.multiple) * step.multiple
        for size, least in zip(old, step.min_shape_kji, strict=True)
    ]
    before = tuple(-((wide - size) // 2) for wide, size in zip(new, old, strict=True))
    return _cropped(working, before, tuple(new), step.fill)


def flip(step: Flip, working: Working) -> tuple[Working, Found]:
    """Let axes of the array run the other way."""
    matrix = np.eye(4)
    for axis, size in zip("ijk", working.geometry.shape_kji[::-1], strict=True):
        if axis in step.axes:
            index = "ijk".index(axis)
            matrix[index, index], matrix[index, 3] = -1.0, size - 1.0
    return _moved(working, _remapped(working.geometry, matrix))


def rotate(step: Rotate, working: Working) -> tuple[Working, Found]:
    """Turn the grid about its centre."""
    geometry = working.geometry
    spacing = np.asarray(geometry.spacing_ijk_mm)
    turned = np.diag(1.0 / spacing) @ _rotation(step.degrees_ijk) @ np.diag(spacing)
    center_ijk = (np.asarray(geometry.shape_kji[::-1]) - 1.0) / 2.0
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turned, center_ijk - turned @ center_ijk
    return _moved(working, _remapped(geometry, matrix), step.interpolation, step.fill)


def _margin_kji(step: CropToMask, geometry: Geometry, box: VoxelBox) -> Matrix:
    margin = step.margin_fraction * np.asarray(box.shape_kji, dtype=np.float64)
    if step.margin_mm:
        require_millimetres(geometry)
        margin = margin + step.margin_mm / np.asarray(geometry.spacing_ijk_mm[::-1])
    return margin


def _rotation(degrees_ijk: tuple[float, float, float]) -> Matrix:
    """(3, 3) turn about i, then about j and k as turned."""
    whole: Matrix = np.eye(3)
    for axis, degrees in enumerate(degrees_ijk):
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[first, first] = one[second, second] = cosine
        one[first, second], one[second, first] = -sine, sine
        whole = whole @ one
    return whole


def _remapped(geometry: Geometry, new_to_old: Matrix) -> Geometry:
    return Geometry(geometry.shape_kji, geometry.ijk_to_lps @ new_to_old, geometry.frame)


def _cropped(
    working: Working, start_kji: tuple[int, ...], shape_kji: tuple[int, ...], fill: float = 0.0
) -> tuple[Working, Found]:
    (k, j, i), (depth, height, width) = start_kji, shape_kji
    grid = working.geometry.cropped((k, j, i), (depth, height, width))
    moved, found = _moved(working, grid, fill=fill)
    return moved, {"start_kji": [k, j, i], **found}


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
    ResampleToSpacing: resample_to_spacing,
    ResampleToShape: resample_to_shape,
    CropToMask: crop_to_mask,
    CropToBox: crop_to_box,
    Pad: pad,
    Flip: flip,
    Rotate: rotate,
}
