"""Planes of activations on the working grid to labels, and to volumes of numbers, on the input's grid.

Nothing is kept of the planes: what lies between two of them is finished when the second one comes. That needs grids
whose axes run along each other; ``collect`` has the others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry, Matrix
from ..masks import LabelVolume
from ..preprocess.grid import HALVES_UP, lines_along
from ..preprocess.new_grid import long_axis
from ..recipe import Interpolation
from .backend import Floats
from .cells import Indices, Rule, Squares, codes_between, corners_of, labels_of_cells, squares_of, weights_of

Axes = tuple[int, int, int]
"""The axes of a (k, j, i) array in the order in which the engine has them."""


_WRITTEN_AT_ONCE = 32
"""Native planes that wait for each other: a row of so many bytes is half of what memory is read and written by."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Native voxels along one axis of the working grid, in ascending order.

    Parameters
    ----------
    start, stop : the native voxels that lie on the working grid; the outer faces of its outer voxels end it.
    lower : (stop - start,) working voxel below each of them.
    share : (stop - start,) weight of the working voxel above, None where every one of them lies on a working voxel.
    """

    start: int
    stop: int
    lower: Indices
    share: Floats | None

    @property
    def width(self) -> int:
        """Working voxels that a native one lies between: 1 or 2."""
        return 1 if self.share is None else 2

    @property
    def upper(self) -> Indices:
        """(stop - start,) last working voxel that each native one needs."""
        return self.lower + (self.width - 1)

    def matrix(self, size: int) -> Any:
        """Sparse (stop - start, size) matrix that interpolates along this axis."""
        from scipy.sparse import csr_array

        count = self.stop - self.start
        corners = self.lower[:, None] + np.arange(self.width)
        weights = weights_of(count, (self.share,))
        return csr_array((weights.ravel(), corners.ravel(), np.arange(count + 1) * self.width), shape=(count, size))


def sampled(indices: Matrix, size: int, interpolation: Interpolation) -> Samples:
    """Native voxels at ascending continuous ``indices`` of an axis of ``size`` voxels."""
    inside = np.flatnonzero(is_covered(indices, size))
    start, stop = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)
    lower, share = between(indices[start:stop], size, interpolation)
    return Samples(start, stop, lower, share if share.any() else None)


def is_covered(indices: Matrix, size: int) -> NDArray[np.bool_]:
    """Where continuous indices lie within the outer faces of an axis of ``size`` voxels, or on one of them.

    A plane of native voxels exactly on a face is common: 1 mm to 2 mm counted from the first voxel leaves one.
    """
    return np.asarray((indices + HALVES_UP >= -0.5) & (indices - HALVES_UP <= size - 0.5))


def between(indices: Matrix, size: int, interpolation: Interpolation) -> tuple[Indices, Floats]:
    """Voxel below each continuous index, and the weight of the one above; beyond the outer centers the edge goes on."""
    clipped = np.clip(indices, 0.0, size - 1.0)
    if interpolation == "nearest":
        clipped = np.minimum(np.floor(clipped + 0.5 + HALVES_UP), size - 1.0)
    if not (clipped % 1.0).any():
        return clipped.astype(np.int64), np.zeros(clipped.shape, dtype=np.float32)
    lower = np.minimum(np.floor(clipped), size - 2.0)
    return lower.astype(np.int64), (clipped - lower).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Route:
    """How the axes of the native grid run along those of the planes.

    Parameters
    ----------
    samples : native voxels along each axis of the planes.
    native_axes, flips : axis of the native array along each of them, and whether it runs the other way.
    """

    samples: tuple[Samples, Samples, Samples]
    native_axes: Axes
    flips: tuple[bool, bool, bool]

    @property
    def widths(self) -> Axes:
        """Size of a cell in voxels along the axes of the planes."""
        a, b, c = (samples.width for samples in self.samples)
        return a, b, c

    def view(self, native: NDArray[Any]) -> NDArray[Any]:
        """The part of a native (k, j, i) array that the working grid covers, its axes as the planes have them."""
        turned = native.transpose(self.native_axes)[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return turned[tuple(slice(samples.start, samples.stop) for samples in self.samples)]

    def due(self, first: int, count: int) -> Iterator[tuple[int, range]]:
        """Lower plane, and the native planes above it, of all that ``count`` planes from ``first`` on complete.

        The first plane was the last one before, so what needs no more than that one is done.
        """
        lower, upper = self.samples[0].lower, self.samples[0].upper
        begin = 0 if first == 0 else int(np.searchsorted(upper, first, "right"))
        end = int(np.searchsorted(upper, first + count - 1, "right"))
        starts = [*(begin + np.flatnonzero(np.diff(lower[begin:end], prepend=-1))).tolist(), end]
        for start, stop in itertools.pairwise(starts):
            yield int(lower[start]), range(start, stop)


def route_between(
    working: Geometry, native: Geometry, axes: Axes, interpolation: Interpolation, apart_above: float | None = None
) -> Route | None:
    """The route from planes in the axis order ``axes`` of the working grid; None where axes cross each other.

    ``apart_above`` as in ``card.Decode``.
    """
    lines = lines_along(native, working)
    if lines is None:
        return None
    native_axes = [next(n for n, line in enumerate(lines) if line.axis == axis) for axis in axes]
    steps_mm = [working.spacing_ijk_mm[::-1][axis] for axis in axes]
    native_mm = [native.spacing_ijk_mm[::-1][axis] for axis in native_axes]
    apart = long_axis(steps_mm, native_mm, apart_above)
    ways = [lines[axis].indices for axis in native_axes]
    flips = [bool(indices[0] > indices[-1]) for indices in ways]
    one, two, three = (
        sampled(indices[::-1] if flip else indices, working.shape_kji[axis], "nearest" if n == apart else interpolation)
        for n, (indices, flip, axis) in enumerate(zip(ways, flips, axes, strict=True))
    )
    return Route((one, two, three), (native_axes[0], native_axes[1], native_axes[2]), (flips[0], flips[1], flips[2]))


class _Writer:
    """Planes on their way into a native array: one by one where they are planes there too, else some at a time.

    Each voxel of a plane that lies across the array's rows is far from the next one; but of several planes those that
    are neighbours in a row go together.
    """

    def __init__(self, view: NDArray[Any]) -> None:
        self._view = view
        self._lies_across = abs(view.strides[0]) < max(abs(stride) for stride in view.strides)
        self._first = 0
        self._waiting: list[NDArray[Any]] = []

    def add(self, number: int, plane: NDArray[Any]) -> None:
        """Write that plane; planes come in order."""
        if not self._lies_across:
            self._view[number] = plane
            return
        if not self._waiting:
            self._first = number
        self._waiting.append(plane.copy())
        if len(self._waiting) == _WRITTEN_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._view[self._first : self._first + len(self._waiting)] = np.stack(self._waiting)
            self._waiting = []


class StreamedLabels:
    """Makes native label volumes of planes as they come; outside the working grid labels are 0."""

    def __init__(self, rule: Rule, route: Route, shape_kji: tuple[int, ...]) -> None:
        self._rule, self._route = rule, route
        self._made = tuple(np.zeros(shape_kji, dtype=rule.values.dtype) for _ in range(rule.volumes))
        self._writers = [_Writer(route.view(volume)) for volume in self._made]

    def take(self, planes: Floats, first: int) -> None:
        """As ``backend.Sink.take``."""
        squares: dict[int, Squares] = {}
        for lower, native_planes in self._route.due(first, len(planes)):
            needed = range(lower, lower + self._route.widths[0])
            squares = {plane: squares.get(plane) or self._squares(planes[plane - first]) for plane in needed}
            labels = self._spread(labels_of_cells(self._rule, *squares.values()))
            between_them = planes[lower - first : needed.stop - first]
            self._write(labels, native_planes, between_them)
        for writer in self._writers:
            writer.flush()

    def finish(self) -> tuple[LabelVolume, ...]:
        """The native label volumes (k, j, i)."""
        return self._made

    def _squares(self, plane: Floats) -> Squares:
        return squares_of(self._rule.codes(plane), *self._route.widths[1:])

    def _spread(self, labels: LabelVolume) -> LabelVolume:
        _, rows, columns = self._route.samples
        return labels.take(columns.lower, axis=2).take(rows.lower, axis=1)

    def _write(self, labels: LabelVolume, native_planes: range, planes: Floats) -> None:
        """One set of labels for all native planes between two planes, but where cells are undecided."""
        height, rows, columns = self._route.samples
        row, column = np.divmod(np.flatnonzero((labels == self._rule.undecided).any(axis=0)), labels.shape[2])
        corners = corners_of(
            (np.zeros_like(row), rows.lower[row], columns.lower[column]), planes.shape[:3], self._route.widths
        )
        flat_shares = (_at(rows.share, row), _at(columns.share, column))
        voxels = np.ascontiguousarray(planes).reshape(-1, planes.shape[3])
        for native_plane in native_planes:
            if row.size:
                share = None if height.share is None else height.share[native_plane]
                codes = codes_between(self._rule, voxels, corners, weights_of(row.size, (share, *flat_shares)))
                labels[:, row, column] = self._rule.values[codes]
            for writer, plane in zip(self._writers, labels, strict=True):
                writer.add(native_plane, plane)


class StreamedNumbers:
    """Makes native float32 volumes of planes (n, height, width, volume) of numbers, by linear interpolation.

    Volumes are written plane by plane, so they may lie on a disk; outside the working grid they stay as they are.
    """

    def __init__(self, route: Route, volumes: tuple[Floats, ...], plane_shape: tuple[int, int]) -> None:
        self._route, self._writers = route, [_Writer(route.view(volume)) for volume in volumes]
        _, rows, columns = route.samples
        self._rows, self._columns = rows.matrix(plane_shape[0]), columns.matrix(plane_shape[1])

    def take(self, planes: Floats, first: int) -> None:
        """As ``backend.Sink.take``."""
        height = self._route.samples[0]
        wide: dict[int, list[Floats]] = {}
        for lower, native_planes in self._route.due(first, len(planes)):
            needed = range(lower, lower + height.width)
            wide = {plane: wide.get(plane) or self._spread(planes[plane - first]) for plane in needed}
            for native_plane in native_planes:
                share = 0.0 if height.share is None else height.share[native_plane]
                for writer, below, above in zip(self._writers, wide[lower], wide[needed[-1]], strict=True):
                    writer.add(native_plane, below if share == 0.0 else (1 - share) * below + share * above)
        for writer in self._writers:
            writer.flush()

    def _spread(self, plane: Floats) -> list[Floats]:
        return [self._rows @ (self._columns @ plane[..., n].T).T for n in range(plane.shape[2])]


def _at(share: Floats | None, places: Indices) -> Floats | None:
    return None if share is None else share[places]
