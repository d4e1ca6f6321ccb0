"""Where voxels lie: a grid of indices and its affine map to millimetres.

The library speaks LPS (x to the patient's left, y to the back, z up), as DICOM and ITK do. Arrays
are indexed ``[k, j, i]``; points and matrices order their components ``i, j, k`` and ``x, y, z``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import MedDLError

Matrix = NDArray[np.float64]

GRID_TOLERANCE = 1e-6
"""Largest difference, in mm, between two grids that count as one (law 1)."""

SHEAR_TOLERANCE = 1e-3
"""Largest cosine between two axes of a file's grid that still counts as orthogonal."""

INDEX_TOLERANCE = 1e-4
"""Largest distance, in voxels, from a whole index at which a re-gridding is an exact copy."""

COVER_TOLERANCE = 1e-3
"""Largest part of a voxel by which a grid of another spacing may fall short of the box it covers."""

MAX_DIMENSION = 65535

_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))  # negative, positive direction of x, y, z in LPS

PATIENT = "patient"
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Geometry:
    """A voxel grid in space.

    Parameters
    ----------
    shape_kji : number of voxels along k, j, i; each 1 to 65535.
    ijk_to_lps : (4, 4) float64, index to millimetres; any affine map that can be inverted
        (a parent transform in a scene may scale or shear; readers of files refuse shear).
    frame : ``"patient"``, or ``"unknown"`` for a picture whose place and size in mm nobody knows.

    Raises
    ------
    MedDLError : E303 for a shape, E306 for a spacing, E307 for a matrix that cannot be.
    """

    shape_kji: tuple[int, int, int]
    ijk_to_lps: Matrix
    frame: str = PATIENT

    def __post_init__(self) -> None:
        shape = tuple(self.shape_kji)
        if len(shape) != 3 or any(n != n // 1 or not 1 <= n <= MAX_DIMENSION for n in shape):
            raise MedDLError("E303", "image size not valid", f"k, j, i = {shape}", "whole numbers 1 to 65535")
        matrix = np.array(self.ijk_to_lps, dtype=np.float64)
        _require_affine(matrix)
        if self.frame not in (PATIENT, UNKNOWN):
            raise MedDLError("E303", "frame not known", str(self.frame), "patient or unknown")
        matrix.setflags(write=False)
        object.__setattr__(self, "shape_kji", tuple(int(n) for n in shape))
        object.__setattr__(self, "ijk_to_lps", matrix)

    def __eq__(self, other: object) -> bool:
        """Same shape, frame and matrix to the last bit; see ``is_same_grid`` for a tolerance."""
        return (
            isinstance(other, Geometry)
            and self.shape_kji == other.shape_kji
            and self.frame == other.frame
            and bool(np.array_equal(self.ijk_to_lps, other.ijk_to_lps))
        )

    def __hash__(self) -> int:
        return hash((self.shape_kji, self.ijk_to_lps.tobytes(), self.frame))

    @property
    def spacing_ijk_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along i, j, k, in mm."""
        i, j, k = np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def origin_lps_mm(self) -> tuple[float, float, float]:
        """Centre of voxel (0, 0, 0), in mm."""
        x, y, z = self.ijk_to_lps[:3, 3]
        return float(x), float(y), float(z)

    @property
    def direction(self) -> Matrix:
        """(3, 3) unit columns: where i, j, k point in LPS."""
        return np.asarray(self.ijk_to_lps[:3, :3] / np.asarray(self.spacing_ijk_mm), dtype=np.float64)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, in cubic millimetres (the matrix's determinant, so shear counts)."""
        return float(abs(np.linalg.det(self.ijk_to_lps[:3, :3])))

    @property
    def shear(self) -> float:
        """Largest cosine between two axes; 0 for an orthogonal grid."""
        cosines = self.direction.T @ self.direction - np.eye(3)
        return float(np.abs(cosines).max())

    @property
    def orientation(self) -> str:
        """Three letters: the anatomical direction in which i, j and k grow, such as ``"LPS"``."""
        return orientation_of(self.ijk_to_lps)

    @property
    def oblique_degrees(self) -> float:
        """Largest angle between an axis of the grid and the patient's axis nearest to it; 0 for a straight grid."""
        cosines = np.abs(self.direction).max(axis=0)
        return float(np.degrees(np.arccos(np.clip(cosines, 0.0, 1.0))).max())

    @property
    def center_lps_mm(self) -> NDArray[np.float64]:
        """(3,) centre of the whole grid, in mm."""
        return self.lps_of([[(n - 1) / 2 for n in self.shape_kji[::-1]]]).reshape(3)

    def lps_of(self, points_ijk: ArrayLike) -> NDArray[np.float64]:
        """(n, 3) points in mm of (n, 3) continuous indices i, j, k."""
        return _apply(self.ijk_to_lps, points_ijk)

    def ijk_of(self, points_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """(n, 3) continuous indices i, j, k of (n, 3) points in mm."""
        return _apply(np.asarray(np.linalg.inv(self.ijk_to_lps), dtype=np.float64), points_lps_mm)

    def is_same_grid(self, other: Geometry, tolerance_mm: float = GRID_TOLERANCE) -> bool:
        """Whether both grids put every voxel at the same place, within ``tolerance_mm``."""
        if self.shape_kji != other.shape_kji or self.frame != other.frame:
            return False
        corners = _corner_indices(self.shape_kji)
        return bool(np.abs(self.lps_of(corners) - other.lps_of(corners)).max() <= tolerance_mm)

    def reoriented(self, codes: str) -> Geometry:
        """The same voxels in another axis order, so that i, j, k grow towards ``codes``.

        ``codes`` names one direction of each anatomical pair, such as ``"RAS"``. Each axis of this
        grid goes to the letter it lies closest to, one axis a letter.
        """
        targets = [_axis_of_letter(letter) for letter in require_orientation(codes)]
        axis_of_world = _closest_axes(self.direction)
        step: Matrix = np.zeros((3, 3))
        start: Matrix = np.zeros(3)
        shape_ijk = self.shape_kji[::-1]
        new_shape_ijk = []
        for new_axis, (world, sign) in enumerate(targets):
            old_axis = axis_of_world[world]
            keeps = np.sign(self.direction[world, old_axis]) == sign
            step[old_axis, new_axis] = 1.0 if keeps else -1.0
            start[old_axis] = 0.0 if keeps else shape_ijk[old_axis] - 1
            new_shape_ijk.append(shape_ijk[old_axis])
        new_to_old = _affine(step, start)
        i, j, k = new_shape_ijk
        return Geometry((k, j, i), self.ijk_to_lps @ new_to_old, self.frame)

    def cropped(self, start_kji: tuple[int, int, int], shape_kji: tuple[int, int, int]) -> Geometry:
        """The grid of ``shape_kji`` voxels whose first is this grid's ``start_kji``.

        Negative starts and larger shapes pad.
        """
        return Geometry(shape_kji, self.ijk_to_lps @ _affine(np.eye(3), start_kji[::-1]), self.frame)

    def resized(self, shape_kji: tuple[int, int, int]) -> Geometry:
        """The grid of ``shape_kji`` voxels that covers the same box, edge to edge."""
        scale = np.asarray(self.shape_kji[::-1], dtype=np.float64) / np.asarray(shape_kji[::-1], dtype=np.float64)
        return self._rescaled(shape_kji, scale)

    def respaced(self, spacing_ijk_mm: tuple[float, float, float]) -> Geometry:
        """The grid of that spacing and fewest voxels that covers the box, about the same centre.

        Covering the box lets a result come back to every voxel; keeping the centre makes the grid
        the same in whatever order the axes are stored.
        """
        scale = np.asarray(spacing_ijk_mm, dtype=np.float64) / np.asarray(self.spacing_ijk_mm)
        if not np.all(np.isfinite(scale)) or np.any(scale <= 0):
            raise MedDLError("E306", "target spacing not valid", f"{spacing_ijk_mm}", "give three positive numbers")
        extent = np.asarray(self.shape_kji[::-1], dtype=np.float64) / scale
        i, j, k = (max(1, int(np.ceil(n - COVER_TOLERANCE))) for n in np.minimum(extent, MAX_DIMENSION + 1.0))
        return self._rescaled((k, j, i), scale)

    def transformed(self, lps_to_lps: Matrix) -> Geometry:
        """The grid moved by an affine map of space, as a parent transform does."""
        return Geometry(self.shape_kji, lps_to_lps @ self.ijk_to_lps, self.frame)

    def _rescaled(self, shape_kji: tuple[int, int, int], scale_ijk: NDArray[np.float64]) -> Geometry:
        last_ijk, new_last_ijk = (
            np.asarray(shape[::-1], dtype=np.float64) - 1.0 for shape in (self.shape_kji, shape_kji)
        )
        start = (last_ijk - scale_ijk * new_last_ijk) / 2.0  # both grids have the same centre
        return Geometry(shape_kji, self.ijk_to_lps @ _affine(np.diag(scale_ijk), start), self.frame)


def flip_lps_ras(matrix: ArrayLike) -> Matrix:
    """(4, 4) map from indices to LPS, turned into one to RAS, or the reverse: the one conversion."""
    return np.asarray(_FLIP_XY @ np.asarray(matrix, dtype=np.float64), dtype=np.float64)


def conjugate_lps_ras(matrix: ArrayLike) -> Matrix:
    """(4, 4) map of LPS space to itself, as a map of RAS space, or the reverse."""
    return np.asarray(flip_lps_ras(matrix) @ _FLIP_XY, dtype=np.float64)


def orientation_of(ijk_to_lps: Matrix) -> str:
    """Three letters: the anatomical direction in which i, j and k grow, such as ``"LPS"``."""
    direction = np.asarray(ijk_to_lps, dtype=np.float64)[:3, :3]
    direction = direction / np.linalg.norm(direction, axis=0)
    letters = [""] * 3
    for world, axis in enumerate(_closest_axes(direction)):
        letters[axis] = _LETTERS[world][int(direction[world, axis] > 0)]
    return "".join(letters)


def require_orientation(codes: str) -> str:
    """The three letters themselves; E103 unless they name one direction of each anatomical pair."""
    worlds = {_axis_of_letter(letter)[0] for letter in codes}
    if len(codes) != 3 or len(worlds) != 3:
        raise MedDLError("E103", "orientation not valid", codes[:12], "one letter each of R/L, A/P, I/S, such as RAS")
    return codes


def require_millimetres(geometry: Geometry) -> None:
    """Raise E330 unless the grid lies in a patient's frame."""
    if geometry.frame != PATIENT:
        raise MedDLError("E330", "this needs millimetres", "the picture has no known place or size in the patient")


def _require_affine(matrix: Matrix) -> None:
    if matrix.shape != (4, 4) or not np.all(np.isfinite(matrix)):
        raise MedDLError("E307", "orientation matrix not valid", "not a 4x4 of finite numbers")
    if not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-9):
        raise MedDLError("E307", "orientation matrix not valid", "last row is not 0 0 0 1")
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if np.any(spacing <= 0):
        raise MedDLError("E306", "voxel spacing not valid", f"{tuple(spacing)} mm", "a grid needs positive spacing")
    if abs(np.linalg.det(matrix[:3, :3] / spacing)) < 1e-6:
        raise MedDLError("E307", "orientation matrix not valid", "its axes do not span space")


def _closest_axes(direction: Matrix) -> tuple[int, ...]:
    """For x, y, z the grid axis assigned to it: the assignment of largest total alignment."""
    alignment = np.abs(direction)
    # A tie (45 degrees) goes to the first permutation, so the answer never depends on rounding order.
    return max(permutations(range(3)), key=lambda axes: round(sum(alignment[w, a] for w, a in enumerate(axes)), 9))


def _axis_of_letter(letter: str) -> tuple[int, int]:
    for world, pair in enumerate(_LETTERS):
        if letter in pair:
            return world, 1 if letter == pair[1] else -1
    raise MedDLError("E103", "orientation not valid", letter[:12], "one letter each of R/L, A/P, I/S, such as RAS")


def _affine(linear: Any, offset: Any) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = offset
    return matrix


def _apply(matrix: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    array = np.atleast_2d(np.asarray(points, dtype=np.float64))
    return np.asarray(array @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)


def _corner_indices(shape_kji: tuple[int, int, int]) -> NDArray[np.float64]:
    k, j, i = (n - 1 for n in shape_kji)
    return np.array([[a, b, c] for a in (0, i) for b in (0, j) for c in (0, k)], dtype=np.float64)
