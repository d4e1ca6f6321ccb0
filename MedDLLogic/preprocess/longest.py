"""Planes in the size that a network of planes takes, in their own proportions."""

from __future__ import annotations

import numpy as np

from ..image import Voxels
from ..recipe import ResampleToLongest
from .grid import require_modest
from .new_grid import new_grid
from .working import Found, Working


def resample_to_longest(step: ResampleToLongest, working: Working) -> tuple[Working, Found]:
    """Fewer pixels by the mean of what each covers, more by interpolation; masks by nearest neighbour."""
    grid = new_grid(step, working.geometry)
    require_modest(grid)
    found: Found = {"shape_kji": list(grid.shape_kji)}
    if max(grid.shape_kji[1:]) >= max(working.geometry.shape_kji[1:]):
        return working.onto(grid, "linear"), found
    _, height, width = working.geometry.shape_kji
    rows, columns = _shares(height, grid.shape_kji[1]), _shares(width, grid.shape_kji[2])
    return working.onto(grid, "nearest").with_voxels(rows @ working.voxels @ columns.T), found


def _shares(size: int, new_size: int) -> Voxels:
    """(new_size, size) float32: how much of a new pixel each old one makes up, 1 in all."""
    edges = np.linspace(0.0, size, new_size + 1)
    first = np.arange(size)
    covered = np.minimum(edges[1:, None], first + 1.0) - np.maximum(edges[:-1, None], first)
    return np.asarray(np.clip(covered, 0.0, None) * (new_size / size), dtype=np.float32)
