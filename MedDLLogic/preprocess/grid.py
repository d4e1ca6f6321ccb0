"""Voxels on another grid: the one place where volumes are resampled, there and back.

The map between two grids is taken from index to index, never through a header, so that any grid
with an affine map will do, one sheared by a parent transform too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import INDEX_TOLERANCE, Geometry, Matrix
from ..recipe import Interpolation

Voxels = NDArray[Any]

MAX_VOXELS = 2**31
"""Largest number of voxels of one channel on a new grid; 8 GiB of float32."""

_INTERPOLATORS = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline3}
_MAP_DECIMALS = 10  # the same grids stored in another axis order must not differ by rounding noise
HALVES_UP = 1e-6  # lifts indices half-way between two voxels over the noise, to floor(c + 0.5)


def regrid(
    voxels: Voxels,
    source: Geometry,
    target: Geometry,
    interpolation: Interpolation = "linear",
    fill: float = 0.0,
) -> Voxels:
    """New array with the voxels of ``source`` at the places of ``target``.

    An exact copy in the dtype of ``voxels`` where ``target`` only re-orders, flips, crops or pads
    ``source``; else ``"nearest"`` keeps the dtype too (halves go to the larger index) and
    ``"linear"`` and ``"cubic"`` give float32.

    Parameters
    ----------
    voxels : (k, j, i) or (channel, k, j, i), real numbers or bool.
    source, target : the grid of ``voxels``, and the one that is wanted.
    fill : value outside the source; its box ends at the outer faces of the outer voxels.

    Raises
    ------
    MedDLError : E103 for an interpolation that is not known, or ``"cubic"`` along an axis of 2
        voxels, E303 when voxels and ``source`` do not agree, E304 for a target too large, E330 when
        one grid lies in a patient and the other does not.
    """
    if interpolation not in _INTERPOLATORS:
        raise MedDLError("E103", "interpolation not known", interpolation[:20], "nearest, linear or cubic")
    _require_fitting(voxels, source, target)
    exact = _as_reordering(target, source)
    volumes = voxels.reshape(-1, *source.shape_kji)
    if exact is not None:
        moved = [_copied(volume, exact, target.shape_kji, fill) for volume in volumes]
    else:
        to_source = index_map(target, source)
        moved = [_resampled(volume, to_source, target.shape_kji, interpolation, fill) for volume in volumes]
    return np.stack(moved) if voxels.ndim == 4 else moved[0]


def index_map(start: Geometry, end: Geometry) -> Matrix:
    """(4, 4) map of continuous indices i, j, k of one grid to those of another, at the same place."""
    return np.asarray(np.linalg.solve(end.ijk_to_lps, start.ijk_to_lps).round(_MAP_DECIMALS), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Line:
    """One axis of a grid that runs along ``axis`` of another one (0, 1, 2 for k, j, i).

    Parameters
    ----------
    indices : (n,) float64 continuous index there of each of its voxels; whole numbers where all are such within
        ``INDEX_TOLERANCE``.
    """

    axis: int
    indices: Matrix


def lines_along(target: Geometry, source: Geometry) -> tuple[Line, ...] | None:
    """How the axes k, j, i of ``target`` run along those of ``source``; None where one crosses them."""
    matrix = index_map(target, source)
    in_kji, start_kji = matrix[2::-1, 2::-1], matrix[2::-1, 3]
    axes = np.abs(in_kji).argmax(axis=0)
    if len(set(axes.tolist())) < 3:
        return None
    across = np.abs(in_kji)
    across[axes, range(3)] = 0.0
    if (across @ np.asarray(target.shape_kji)).max() > INDEX_TOLERANCE:
        return None
    steps = zip(axes.tolist(), target.shape_kji, strict=True)
    return tuple(
        Line(axis, _snapped(start_kji[axis] + in_kji[axis, number] * np.arange(size)))
        for number, (axis, size) in enumerate(steps)
    )


def _snapped(indices: Matrix) -> Matrix:
    whole = indices.round()
    return np.asarray(whole if np.abs(indices - whole).max() <= INDEX_TOLERANCE else indices)


def require_modest(grid: Geometry) -> None:
    """Raise E304 for a grid of more than ``MAX_VOXELS``."""
    if np.prod(grid.shape_kji, dtype=np.float64) > MAX_VOXELS:
        raise MedDLError("E304", "new grid too large", f"k, j, i = {grid.shape_kji}", "use larger voxels or a crop")


def _require_fitting(voxels: Voxels, source: Geometry, target: Geometry) -> None:
    if voxels.ndim not in (3, 4) or voxels.shape[-3:] != source.shape_kji:
        raise MedDLError("E303", "voxels and grid do not agree", f"{voxels.shape} on {source.shape_kji}")
    require_modest(target)
    if source.frame != target.frame:
        raise MedDLError("E330", "grids do not share a space", f"{source.frame} and {target.frame}")


# -- exact copies ------------------------------------------------------------------------------------


class _Reordering:
    """Axes of the source in the target's order, whether each is flipped, and where each starts then."""

    def __init__(self, axes: tuple[int, ...], flips: tuple[bool, ...], offsets: tuple[int, ...]) -> None:
        self.axes, self.flips, self.offsets = axes, flips, offsets


def _as_reordering(target: Geometry, source: Geometry) -> _Reordering | None:
    """The re-ordering in array order k, j, i that the map is at every voxel of the target, else None."""
    lines = lines_along(target, source)
    if lines is None:
        return None
    steps = [np.diff(line.indices) for line in lines]
    if any((np.abs(step) != 1.0).any() for step in steps) or any(line.indices[0] % 1 for line in lines):
        return None
    flips = tuple(bool((step < 0).any()) for step in steps)
    return _Reordering(tuple(line.axis for line in lines), flips, tuple(int(line.indices[0]) for line in lines))


def _copied(volume: Voxels, order: _Reordering, shape_kji: tuple[int, ...], fill: float) -> Voxels:
    view = volume.transpose(order.axes)[tuple(slice(None, None, -1 if flip else 1) for flip in order.flips)]
    pasted = np.full(shape_kji, fill, dtype=volume.dtype)
    into, out_of = [], []
    for size, new_size, flip, offset in zip(view.shape, shape_kji, order.flips, order.offsets, strict=True):
        start = size - 1 - offset if flip else offset
        first, last = max(0, -start), max(0, min(new_size, size - start))
        into.append(slice(first, max(first, last)))
        out_of.append(slice(first + start, max(first, last) + start))
    pasted[tuple(into)] = view[tuple(out_of)]
    return pasted


# -- interpolation -----------------------------------------------------------------------------------


def _resampled(
    volume: Voxels,
    target_to_source: Matrix,
    shape_kji: tuple[int, int, int],
    interpolation: Interpolation,
    fill: float,
) -> Voxels:
    if interpolation == "cubic" and 2 in volume.shape:  # ITK's spline reads beyond such an axis
        raise MedDLError("E103", "cubic interpolation not possible", "an axis has only 2 voxels", "take linear")
    k, j, i = shape_kji
    offset = target_to_source[:3, 3] + (HALVES_UP if interpolation == "nearest" else 0.0)
    transform = sitk.AffineTransform(target_to_source[:3, :3].ravel().tolist(), offset.tolist())
    moved = sitk.Resample(
        _index_space_image(volume, interpolation),
        (i, j, k),
        transform,
        _INTERPOLATORS[interpolation],
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    array = sitk.GetArrayFromImage(moved)
    return array.astype(volume.dtype, copy=False) if interpolation == "nearest" else array


def _index_space_image(volume: Voxels, interpolation: Interpolation) -> sitk.Image:
    """The volume as an ITK image whose points are its indices, in a type that ITK has."""
    if interpolation != "nearest" or volume.dtype == np.float16:
        return sitk.GetImageFromArray(volume.astype(np.float32))
    return sitk.GetImageFromArray(volume.view(np.uint8) if volume.dtype == bool else volume)
