"""Volumes in another number of voxels in the very same box, by splines.

The semantics are those of skimage's ``resize`` with the border continued, which models trained with nnU-Net have
seen. A spline on a grid is the product of one along each axis, so each axis is one product of matrices.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..recipe import Interpolation

Voxels = NDArray[np.float32]

_ORDERS: dict[Interpolation, int] = {"nearest": 0, "linear": 1, "cubic": 3}


def resized(volume: Voxels, shape_kji: tuple[int, ...], interpolation: Interpolation, apart: int | None) -> Voxels:
    """(k, j, i) float32 in ``shape_kji`` voxels; no value leaves the range of the volume, or of its plane if apart.

    Parameters
    ----------
    apart : axis along which voxels are taken by nearest neighbour.
    """
    across = tuple(axis for axis in range(3) if axis != apart)
    low, high = volume.min(axis=across, keepdims=True), volume.max(axis=across, keepdims=True)
    changed = [axis for axis in across if volume.shape[axis] != shape_kji[axis]]
    found = volume
    for axis in sorted(changed, key=lambda axis: shape_kji[axis] / volume.shape[axis]):  # what shrinks comes first
        found = _along(found, _weights(volume.shape[axis], shape_kji[axis], _ORDERS[interpolation]), axis)
    if changed:
        found = np.clip(found, low, high, out=found)
    if apart is None or shape_kji[apart] == volume.shape[apart]:
        return found
    return np.take(found, _nearest(volume.shape[apart], shape_kji[apart]), axis=apart)


def _along(volume: Voxels, weights: Voxels, axis: int) -> Voxels:
    if axis == 2:
        return np.asarray(np.matmul(volume, weights.T))
    if axis == 1:
        return np.asarray(np.matmul(weights, volume))
    flat = np.matmul(weights, np.ascontiguousarray(volume).reshape(volume.shape[0], -1))
    return np.asarray(flat.reshape(len(weights), *volume.shape[1:]))


@lru_cache(maxsize=8)
def _weights(old: int, new: int, order: int) -> Voxels:
    """(new, old) share that each old voxel has in each new one."""
    columns = [ndimage.zoom(column, new / old, order=order, mode="nearest", grid_mode=True) for column in np.eye(old)]
    return np.asarray(np.stack(columns, axis=1), dtype=np.float32)


def _nearest(old: int, new: int) -> NDArray[np.intp]:
    places = old / new * (np.arange(new) + 0.5) - 0.5
    return np.asarray(np.clip(np.floor(places + 0.5), 0, old - 1), dtype=np.intp)
