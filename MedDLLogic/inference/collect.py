"""Planes of activations on a working grid that was turned against the input's: kept until the last one is there.

The cells are those of ``restore``; but native voxels lie in them at any angle, so none can be finished before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry
from ..masks import LabelVolume
from ..preprocess.grid import index_map, regrid
from ..recipe import Interpolation
from .backend import Allocate, Floats
from .cells import Indices, Rule, codes_between, corners_of, labels_of_cells, squares_of, weights_of
from .restore import Axes, between, is_covered


@dataclass(frozen=True, eq=False)
class Turn:
    """A working grid whose axes cross those of the native one, and the order in which planes have them."""

    working: Geometry
    native: Geometry
    axes: Axes
    interpolation: Interpolation

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the working grid, in the order of the planes."""
        first, second, third = (self.working.shape_kji[axis] for axis in self.axes)
        return first, second, third

    def places(self, plane: int) -> list[NDArray[np.float64]]:
        """Continuous indices along each axis of the planes, (j, i) each, of the voxels of one native plane."""
        matrix = index_map(self.native, self.working)
        _, height, width = self.native.shape_kji
        j, i = np.arange(height)[:, None], np.arange(width)
        rows = [matrix[2 - axis] for axis in self.axes]
        return [row[2] * plane + row[3] + row[1] * j + row[0] * i for row in rows]


class CollectedLabels:
    """Makes native label volumes of all planes at once; outside the working grid labels are 0."""

    def __init__(self, rule: Rule, turn: Turn, allocate: Allocate) -> None:
        self._rule, self._turn, self._allocate = rule, turn, allocate
        self._kept: Floats | None = None

    def take(self, planes: Floats, first: int) -> None:
        """As ``backend.Sink.take``."""
        if self._kept is None:
            self._kept = self._allocate((*self._turn.shape, planes.shape[3]), np.dtype(np.float32))
        self._kept[first : first + len(planes)] = planes

    def finish(self) -> tuple[LabelVolume, ...]:
        """The native label volumes (k, j, i)."""
        rule, shape = self._rule, self._turn.native.shape_kji
        made = tuple(np.zeros(shape, dtype=rule.values.dtype) for _ in range(rule.volumes))
        if self._kept is not None:
            cells = self._cells(self._kept)
            for plane in range(shape[0]):
                covered, labels = self._labels(self._kept, cells, self._turn.places(plane))
                for volume, found in zip(made, labels, strict=True):
                    volume[plane][covered] = found
        return made

    @property
    def _widths(self) -> Axes:
        """Size of a cell in voxels along the axes of the planes."""
        if self._turn.interpolation == "nearest":
            return 1, 1, 1
        a, b, c = (min(2, size) for size in self._turn.shape)
        return a, b, c

    def _cells(self, kept: Floats) -> LabelVolume:
        """(volume, d, h, w) label of every cell of the working grid."""
        squares = [squares_of(self._rule.codes(plane), *self._widths[1:]) for plane in kept]
        apart = self._widths[0] - 1
        pairs = zip(squares, squares[apart:], strict=False)
        return np.stack([labels_of_cells(self._rule, below, above) for below, above in pairs], axis=1)

    def _labels(
        self, kept: Floats, cells: LabelVolume, places: list[NDArray[np.float64]]
    ) -> tuple[NDArray[np.bool_], LabelVolume]:
        """Which of the places are on the working grid, and the (volume, n) labels there."""
        shape, widths = self._turn.shape, self._widths
        covered = np.logical_and.reduce([is_covered(at, size) for at, size in zip(places, shape, strict=True)])
        found = [between(at[covered], size, self._turn.interpolation) for at, size in zip(places, shape, strict=True)]
        lower, shares = _in_cells(found, shape, widths)
        labels = np.stack([volume[lower] for volume in cells])
        open_ones = np.flatnonzero((labels == self._rule.undecided).any(axis=0))
        if open_ones.size:
            corners = corners_of(tuple(at[open_ones] for at in lower), shape, widths)
            weights = weights_of(open_ones.size, tuple(s if s is None else s[open_ones] for s in shares))
            codes = codes_between(self._rule, kept.reshape(-1, kept.shape[3]), corners, weights)
            labels[:, open_ones] = self._rule.values[codes]
        return covered, labels


class CollectedNumbers:
    """Makes native float32 volumes of planes (n, height, width, volume) of numbers, all at once."""

    def __init__(self, turn: Turn, volumes: tuple[Floats, ...], allocate: Allocate) -> None:
        self._turn, self._volumes = turn, volumes
        self._kept: Floats = allocate((len(volumes), *turn.shape), np.dtype(np.float32))

    def take(self, planes: Floats, first: int) -> None:
        """As ``backend.Sink.take``."""
        self._kept[:, first : first + len(planes)] = np.moveaxis(planes, 3, 0)

    def finish(self) -> None:
        """Fill the volumes."""
        turn = self._turn
        for volume, kept in zip(self._volumes, self._kept, strict=True):
            found = kept.transpose(np.argsort(turn.axes))
            volume[...] = regrid(np.ascontiguousarray(found), turn.working, turn.native, turn.interpolation)


def _in_cells(
    found: list[tuple[Indices, Floats]], shape: Axes, widths: Axes
) -> tuple[tuple[Indices, ...], tuple[Floats | None, ...]]:
    """Cell and share along each axis: the last voxel of an axis is the upper one of the last cell."""
    lower, shares = [], []
    for (below, share), size, width in zip(found, shape, widths, strict=True):
        is_last = (below == size - 1) & (width == 2)
        lower.append(below - is_last)
        shares.append(np.where(is_last, np.float32(1), share) if width == 2 else None)
    return tuple(lower), tuple(shares)
