"""The part of a grid that a region of interest covers."""

from __future__ import annotations

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry, require_millimetres
from ..job import Box


def grid_inside(world: Geometry, roi: Box | None) -> Geometry:
    """The smallest part of the grid that holds every voxel inside the box; all of it without a box.

    Raises
    ------
    MedDLError : E102 for a region without a voxel, E330 for one on a picture without millimetres.
    """
    if roi is None:
        return world
    require_millimetres(world)
    corners = np.array(np.meshgrid(*zip(roi.min_lps_mm, roi.max_lps_mm, strict=True))).reshape(3, -1).T
    indices = world.ijk_of(corners)
    last = np.asarray(world.shape_kji[::-1]) - 1
    low = np.clip(np.ceil(indices.min(axis=0) - 1e-6), 0, last + 1).astype(int)
    high = np.clip(np.floor(indices.max(axis=0) + 1e-6), -1, last).astype(int)
    if np.any(high < low):
        raise MedDLError("E102", "region of interest holds no voxel", "", "place it on the image")
    start, shape = low[::-1], (high - low + 1)[::-1]
    return world.cropped((int(start[0]), int(start[1]), int(start[2])), (int(shape[0]), int(shape[1]), int(shape[2])))
