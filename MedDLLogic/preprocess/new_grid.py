"""The grid that a spatial step chooses, by geometry alone: for the step itself, and to plan before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..geometry import Geometry, Matrix, require_millimetres
from ..recipe import (
    CropToBox,
    Flip,
    Orient,
    Pad,
    ResampleFromFirst,
    ResampleInBox,
    ResampleToLongest,
    ResampleToShape,
    ResampleToSpacing,
    Rotate,
    Step,
    Transpose,
)
from .box import VoxelBox

SAME_SPACING_MM = 1e-3
"""``resample_from_first`` leaves an axis whose spacing differs by no more: what is kept exactly needs no filter."""

_COUNT_DECIMALS = 9  # halves of a voxel are decided by the sizes, not by rounding noise


def new_grid(step: Step, grid: Geometry) -> Geometry:
    """The grid after the step; the same one where the step keeps it, or where voxels alone can tell (``crop_to_mask``).

    Raises
    ------
    MedDLError : E330 for a step in millimetres on a picture without a patient frame, E303 for a grid too large.
    """
    if isinstance(step, Orient):
        return grid.reoriented(step.codes)
    if isinstance(step, (ResampleToSpacing, ResampleFromFirst)):
        require_millimetres(grid)
        return _from_first(step, grid) if isinstance(step, ResampleFromFirst) else grid.respaced(step.spacing_ijk_mm)
    if isinstance(step, (ResampleInBox, ResampleToShape, ResampleToLongest)):
        return grid.resized(_new_shape(step, grid))
    if isinstance(step, (CropToBox, Pad)):
        box = voxel_box(step, grid.shape_kji)
        return box.of(grid)
    if isinstance(step, Flip):
        return _remapped(grid, _flipping(step, grid.shape_kji))
    if isinstance(step, Transpose):
        return _transposed(step, grid)
    if isinstance(step, Rotate):
        return _remapped(grid, _turning(step, grid))
    return grid


def voxel_box(step: CropToBox | Pad, shape_kji: tuple[int, int, int]) -> VoxelBox:
    """The voxels of a grid of that shape which the step keeps; those outside of it are padding.

    Padding goes evenly on both sides, an odd voxel to the end; or all of it to the end.
    """
    if isinstance(step, CropToBox):
        return VoxelBox.at(step.start_kji, step.shape_kji)
    least = zip(shape_kji, step.min_shape_kji, strict=True)
    new = tuple(-(-max(size, wanted) // step.multiple) * step.multiple for size, wanted in least)
    if step.at == "end":
        return VoxelBox.at((0, 0, 0), new)
    before = tuple(-((wide - size) // 2) for wide, size in zip(new, shape_kji, strict=True))
    return VoxelBox.at(before, new)


def apart_axis(step: ResampleInBox, grid: Geometry) -> int | None:
    """The axis (0, 1, 2 for k, j, i) across which the step takes each plane by itself; None where there is none."""
    old = grid.spacing_ijk_mm[::-1]
    new = [wanted or had for wanted, had in zip(step.spacing_ijk_mm[::-1], old, strict=True)]
    return long_axis(old, new, step.apart_above)


def long_axis(old_mm: Sequence[float], new_mm: Sequence[float], above: float | None) -> int | None:
    """The one axis along which voxels are longest, of the first grid whose ratio of longest to shortest is above that.

    None where neither is, or where two axes are as long.
    """
    for spacing in (np.asarray(old_mm), np.asarray(new_mm)):
        if above is not None and spacing.max() / spacing.min() > above:
            longest = np.flatnonzero(spacing == spacing.max())
            return int(longest[0]) if len(longest) == 1 else None
    return None


def _new_shape(step: ResampleInBox | ResampleToShape | ResampleToLongest, grid: Geometry) -> tuple[int, int, int]:
    if isinstance(step, ResampleToShape):
        return step.shape_kji
    if isinstance(step, ResampleToLongest):
        return _in_proportion(step.longest, grid.shape_kji)
    require_millimetres(grid)
    return _shape_in_box(step, grid)


def _shape_in_box(step: ResampleInBox, grid: Geometry) -> tuple[int, int, int]:
    """Halves of a voxel go to the even number, as Python rounds."""
    axes = zip(grid.spacing_ijk_mm[::-1], step.spacing_ijk_mm[::-1], grid.shape_kji, strict=True)
    k, j, i = (max(1, round(old / new * size)) if new else size for old, new, size in axes)
    return k, j, i


def _from_first(step: ResampleFromFirst, grid: Geometry) -> Geometry:
    old = np.asarray(grid.spacing_ijk_mm)
    wanted = np.asarray(step.spacing_ijk_mm)
    keeps = (wanted == 0.0) | (np.abs(old - wanted) <= step.tolerance * wanted + SAME_SPACING_MM)
    scale = np.where(keeps, 1.0, wanted / old)
    last = (np.asarray(grid.shape_kji[::-1]) - 1.0) / scale
    i, j, k = (int(count) for count in (last.round(_COUNT_DECIMALS) + 1.0).round())
    return Geometry((k, j, i), grid.ijk_to_lps @ np.diag([*scale, 1.0]), grid.frame)


def _transposed(step: Transpose, grid: Geometry) -> Geometry:
    old = ["ijk".index(axis) for axis in step.axes]
    i, j, k = (grid.shape_kji[::-1][axis] for axis in old)
    return Geometry((k, j, i), grid.ijk_to_lps[:, [*old, 3]], grid.frame)


def _in_proportion(longest: int, shape_kji: tuple[int, int, int]) -> tuple[int, int, int]:
    """Halves of a voxel go up, as where models of planes were trained."""
    k, j, i = shape_kji
    height, width = (max(1, int(size * longest / max(j, i) + 0.5)) for size in (j, i))
    return k, height, width


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
