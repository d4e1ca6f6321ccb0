"""The grid that a spatial step chooses, by geometry alone: for the step itself, and to plan before anything runs."""

from __future__ import annotations

import numpy as np

from ..geometry import Geometry, Matrix, require_millimetres
from ..recipe import CropToBox, Flip, Orient, Pad, ResampleToShape, ResampleToSpacing, Rotate, Step
from .box import VoxelBox


def new_grid(step: Step, grid: Geometry) -> Geometry:
    """The grid after the step; the same one where the step keeps it, or where voxels alone can tell (``crop_to_mask``).

    Raises
    ------
    MedDLError : E330 for a step in millimetres on a picture without a patient frame, E303 for a grid too large.
    """
    if isinstance(step, Orient):
        return grid.reoriented(step.codes)
    if isinstance(step, ResampleToSpacing):
        require_millimetres(grid)
        return grid.respaced(step.spacing_ijk_mm)
    if isinstance(step, ResampleToShape):
        return grid.resized(step.shape_kji)
    if isinstance(step, (CropToBox, Pad)):
        box = voxel_box(step, grid.shape_kji)
        return box.of(grid)
    if isinstance(step, Flip):
        return _remapped(grid, _flipping(step, grid.shape_kji))
    if isinstance(step, Rotate):
        return _remapped(grid, _turning(step, grid))
    return grid


def voxel_box(step: CropToBox | Pad, shape_kji: tuple[int, int, int]) -> VoxelBox:
    """The voxels of a grid of that shape which the step keeps; those outside of it are padding.

    Padding goes evenly on both sides; an odd voxel goes to the end.
    """
    if isinstance(step, CropToBox):
        return VoxelBox.at(step.start_kji, step.shape_kji)
    least = zip(shape_kji, step.min_shape_kji, strict=True)
    new = tuple(-(-max(size, wanted) // step.multiple) * step.multiple for size, wanted in least)
    before = tuple(-((wide - size) // 2) for wide, size in zip(new, shape_kji, strict=True))
    return VoxelBox.at(before, new)


def _flipping(step: Flip, shape_kji: tuple[int, int, int]) -> Matrix:
    matrix = np.eye(4)
    for axis, size in zip("ijk", shape_kji[::-1], strict=True):
        if axis in step.axes:
            index = "ijk".index(axis)
            matrix[index, index], matrix[index, 3] = -1.0, size - 1.0
    return matrix


def _turning(step: Rotate, grid: Geometry) -> Matrix:
    spacing = np.asarray(grid.spacing_ijk_mm)
    turned = np.diag(1.0 / spacing) @ _rotation(step.degrees_ijk) @ np.diag(spacing)
    center_ijk = (np.asarray(grid.shape_kji[::-1]) - 1.0) / 2.0
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turned, center_ijk - turned @ center_ijk
    return matrix


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


def _remapped(grid: Geometry, new_to_old: Matrix) -> Geometry:
    return Geometry(grid.shape_kji, grid.ijk_to_lps @ new_to_old, grid.frame)
