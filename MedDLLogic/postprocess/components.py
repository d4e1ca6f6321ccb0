"""Connected pieces of a mask; faces, edges and corners connect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

Mask = NDArray[np.bool_]
_NEIGHBORS = np.ones((3, 3, 3), dtype=bool)


def largest_component(mask: Mask) -> Mask:
    """(k, j, i) largest piece of the mask; of equal ones, the one that comes first in the array."""
    labels, sizes = _pieces(mask)
    return np.asarray(labels == 1 + int(sizes.argmax())) if sizes.size > 1 else mask


def without_small(mask: Mask, min_voxels: float) -> Mask:
    """(k, j, i) pieces of the mask that have at least ``min_voxels`` voxels."""
    labels, sizes = _pieces(mask)
    return np.concatenate(([False], sizes >= min_voxels))[labels]


def _pieces(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label volume with values 1, 2, ... in array order, and the size of each piece."""
    labels, count = label(mask, _NEIGHBORS)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]
