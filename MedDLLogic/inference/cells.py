"""Which cells of a grid can hold one label only, and what the labels are in those that can hold several.

A cell is the box between neighbouring voxels. Interpolated activations are a convex combination of those at its
corners, so where all corners have one label, so has every place in the cell; only in the others is there anything to
compute, and these are the few that lie on the border of a structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks import LabelVolume
from .backend import Floats

Codes = NDArray[Any]
Indices = NDArray[np.int64]

_CHUNK_BYTES = 8_000_000
"""Interpolated activations held at once: few enough for the processor's cache, enough to keep Python out of it."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What activations say of a voxel.

    Parameters
    ----------
    codes : of (..., channel) activations: (volume, ...) unsigned integers, one for each volume of labels.
    values : label of each code, uint8 or uint16; never the largest number of that type.
    volumes : how many volumes of labels the rule makes.
    """

    codes: Callable[[Floats], Codes]
    values: LabelVolume
    volumes: int = 1

    @property
    def undecided(self) -> int:
        """The label of cells whose corners disagree."""
        return int(np.iinfo(self.values.dtype).max)


@dataclass(frozen=True, eq=False)
class Squares:
    """The cells of one plane: the code at the first corner of each, and whether its other corners disagree."""

    first: Codes
    mixed: NDArray[np.bool_]


def squares_of(codes: Codes, height: int, width: int) -> Squares:
    """The cells of a plane of (volume, h, w) codes, ``height`` and ``width`` voxels large, 1 or 2."""
    rows, columns = codes.shape[1] - height + 1, codes.shape[2] - width + 1
    first = codes[:, :rows, :columns]
    mixed = np.zeros(first.shape, dtype=bool)
    for row, column in np.ndindex(height, width):
        if row or column:
            mixed |= codes[:, row : row + rows, column : column + columns] != first
    return Squares(first, mixed)


def labels_of_cells(rule: Rule, *planes: Squares) -> LabelVolume:
    """(volume, h, w) label of every cell that has one plane of corners, or two; ``rule.undecided`` where they disagree."""
    below, above = planes[0], planes[-1]
    labels = rule.values[below.first]
    labels[below.mixed | above.mixed | (below.first != above.first)] = rule.undecided
    return labels


def corners_of(lower: tuple[Indices, ...], shape: tuple[int, ...], widths: tuple[int, ...]) -> Indices:
    """(n, corner) flat indices into an array of ``shape`` of the corners of n cells, the last axis the fastest."""
    first = np.ravel_multi_index(lower, shape) if lower[0].size else np.zeros(0, dtype=np.int64)
    steps = np.ravel_multi_index(np.indices(widths).reshape(len(widths), -1), shape)
    return np.asarray(first[:, None] + steps)


def weights_of(count: int, shares: tuple[Floats | np.float32 | None, ...]) -> Floats:
    """(count, corner) float32 weights of the corners of cells, in the order of ``corners_of``.

    Parameters
    ----------
    shares : for each axis the (count,) weight of the upper corner, one number where all have the same, None where
        cells are one voxel wide.
    """
    products: list[Floats] = [np.ones(count, dtype=np.float32)]
    for share in shares:
        if share is not None:
            products = [product * part for product in products for part in (1 - share, share)]
    # Corner by corner these are long rows, which numpy multiplies many times as fast as many short ones.
    return np.stack(products, axis=1)


def codes_between(rule: Rule, rows: Floats, corners: Indices, weights: Floats) -> Codes:
    """(volume, n) codes of what is interpolated of (voxel, channel) rows, for n places among their (n, corner) corners."""
    found = [rule.codes(part) for part in _interpolated(rows, corners, weights)]
    return np.concatenate(found, axis=1) if found else np.zeros((rule.volumes, 0), dtype=np.uint8)


def _interpolated(rows: Floats, corners: Indices, weights: Floats) -> Iterator[Floats]:
    """(m, channel) weighted sums, some places at a time, as products with a sparse matrix.

    That adds one whole row of channels after the other to the sum, in compiled code and with no copy of the corners.
    """
    from scipy.sparse import csr_array

    count, width = corners.shape
    chunk = max(1, _CHUNK_BYTES // (rows.shape[1] * rows.itemsize))
    index_type = np.int32 if max(len(rows), chunk * width) < 2**31 else np.int64
    ends = np.arange(0, (min(chunk, count) + 1) * width, width, dtype=index_type)
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        columns = corners[part].astype(index_type).ravel()
        n = columns.size // width
        yield csr_array((weights[part].ravel(), columns, ends[: n + 1]), shape=(n, len(rows))) @ rows
