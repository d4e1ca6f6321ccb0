"""Boxes on slices: from voxel indices to the patient, and from there onto whatever grid the image has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry, Matrix
from ..job import BoxPrompt

ONE_SLICE = 1.0
"""A box thinner than that, in voxels, lies on one slice; one that is no wider than that holds nothing to draw."""

# With k across the slice: how i and j run, so that the slice looks as on a light box, however the image is stored.
_AS_ON_A_LIGHT_BOX = {
    "L": "PIL", "R": "PIL",
    "P": "LIP", "A": "LIP",
    "S": "LPS", "I": "LPS",
}  # fmt: skip


@dataclass(frozen=True)
class Slice:
    """One slice of a grid: across ``axis`` (0, 1, 2 for i, j, k), at that index."""

    axis: int
    index: int

    def native(self, grid: Geometry) -> Geometry:
        """The slice as the grid has it, one voxel thick."""
        start, shape = [0, 0, 0], list(grid.shape_kji)
        start[2 - self.axis], shape[2 - self.axis] = self.index, 1
        return grid.cropped((start[0], start[1], start[2]), (shape[0], shape[1], shape[2]))

    def upright(self, grid: Geometry) -> Geometry:
        """The slice with k across it, i and j to the patient's left or back, and to the back or down."""
        return self.native(grid).reoriented(_AS_ON_A_LIGHT_BOX[grid.orientation[self.axis]])

    def voxels(self) -> tuple[slice | int, ...]:
        """Index of the slice in a (k, j, i) array of the whole grid; keeps three axes."""
        index: list[slice | int] = [slice(None)] * 3
        index[2 - self.axis] = slice(self.index, self.index + 1)
        return tuple(index)


@dataclass(frozen=True, eq=False)
class PlacedBox:
    """A box on a grid: (2, 3) indices i, j, k of its corners, inside the grid."""

    where: Slice
    corners_ijk: Matrix
    segment: str

    def on_plane(self, grid: Geometry, plane: Geometry) -> tuple[float, float, float, float]:
        """Indices i, j of the smaller and of the larger corner on another grid whose i, j run along the slice."""
        (i0, j0), (i1, j1) = plane.ijk_of(grid.lps_of(self.corners_ijk))[:, :2]
        return min(i0, i1), min(j0, j1), max(i0, i1), max(j0, j1)


def box_of_voxels(
    grid: Geometry, first_ijk: tuple[int, int, int], last_ijk: tuple[int, int, int], segment: str
) -> BoxPrompt:
    """The box from the center of one voxel of the grid to that of another."""
    (x0, y0, z0), (x1, y1, z1) = grid.lps_of([first_ijk, last_ijk]).tolist()
    return BoxPrompt((x0, y0, z0), (x1, y1, z1), segment)


def placed(prompts: tuple[BoxPrompt, ...], grid: Geometry) -> tuple[PlacedBox, ...]:
    """The boxes on the grid, in order.

    Raises
    ------
    MedDLError : E102 for a box on no slice or on several, one without an area, one outside the image.
    """
    return tuple(_placed(prompt, grid, f"box {number}") for number, prompt in enumerate(prompts, start=1))


def _placed(prompt: BoxPrompt, grid: Geometry, name: str) -> PlacedBox:
    corners = grid.ijk_of([prompt.corner_lps_mm, prompt.opposite_lps_mm])
    flat = np.flatnonzero(np.ptp(corners, axis=0) < ONE_SLICE)
    if not len(flat):
        raise MedDLError("E102", f"{name} lies on no slice of the image", "", "draw it on a slice as it was acquired")
    if len(flat) > 1:
        raise MedDLError("E102", f"{name} has no area", "", "give two opposite corners")
    axis = int(flat[0])
    last = np.asarray(grid.shape_kji[::-1]) - 1
    index = int(np.floor(corners[:, axis].mean() + 0.5))
    inside = np.clip(corners, 0, last)
    inside[:, axis] = index
    across = np.ptp(np.delete(inside, axis, axis=1), axis=0)
    if not 0 <= index <= last[axis] or (across < ONE_SLICE).any():
        raise MedDLError("E102", f"{name} lies outside the image", "", "place it on the image")
    return PlacedBox(Slice(axis, index), inside, prompt.segment)
