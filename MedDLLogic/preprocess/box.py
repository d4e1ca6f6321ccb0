"""The box of voxels around a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry

_WHOLE_TOLERANCE = 1e-6  # a margin of 3.0000000000000004 voxels is one of 3


@dataclass(frozen=True)
class VoxelBox:
    """Voxels ``start_kji`` up to, and without, ``stop_kji``."""

    start_kji: tuple[int, ...]
    stop_kji: tuple[int, ...]

    @classmethod
    def at(cls, start_kji: tuple[int, ...], shape_kji: tuple[int, ...]) -> VoxelBox:
        """The box of that shape from that voxel on; negative starts lie outside the grid."""
        return cls(start_kji, tuple(start + size for start, size in zip(start_kji, shape_kji, strict=True)))

    def of(self, grid: Geometry) -> Geometry:
        """The part of the grid that lies in the box, padded where the box goes beyond it."""
        k, j, i = self.start_kji
        return grid.cropped((k, j, i), self.shape_kji)

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = (stop - start for start, stop in zip(self.start_kji, self.stop_kji, strict=True))
        return k, j, i

    @property
    def slices(self) -> tuple[slice, ...]:
        """Index that cuts the box out of a (k, j, i) array."""
        return tuple(slice(start, stop) for start, stop in zip(self.start_kji, self.stop_kji, strict=True))

    def widened(self, margin_kji: NDArray[np.float64], shape_kji: tuple[int, ...]) -> VoxelBox:
        """The box with at least that many more voxels on each side, as far as the grid of ``shape_kji`` goes."""
        margins = np.ceil(margin_kji - _WHOLE_TOLERANCE)
        starts = np.maximum(np.asarray(self.start_kji) - margins, 0)
        stops = np.minimum(np.asarray(self.stop_kji) + margins, shape_kji)
        return VoxelBox(tuple(map(int, starts)), tuple(map(int, stops)))


def box_of(mask: NDArray[np.bool_], min_plane_fraction: float = 0.0) -> VoxelBox | None:
    """Smallest box that holds all planes of a (k, j, i) mask of which more than that part is True, else None."""
    ends = [_ends(mask, axis, min_plane_fraction) for axis in range(3)]
    found = [pair for pair in ends if pair is not None]
    if len(found) < 3:
        return None
    return VoxelBox(tuple(first for first, _ in found), tuple(last + 1 for _, last in found))


def _ends(mask: NDArray[np.bool_], axis: int, min_plane_fraction: float) -> tuple[int, int] | None:
    others = tuple(other for other in range(3) if other != axis)
    counts = np.asarray(np.count_nonzero(mask, axis=others))
    planes = np.flatnonzero(counts > min_plane_fraction * (mask.size // mask.shape[axis]))
    return (int(planes[0]), int(planes[-1])) if planes.size else None
