"""A working volume through a network: whole, or window by window, in the memory of a slab of planes.

Windows go along one axis of the volume. Planes that no further window touches are finished, divided by the weights
they got, handed on and forgotten, so that channels times volume is never held.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..models.card import Blend, Tiling
from .backend import Allocate, Floats, OnProgress, Predictor, Sink, part_of
from .patches import Shape, tile_count
from .windows import Cut, cut_axis, plane_sums

ROWS_APART = 0.75
"""A slab along i must be this much smaller than another: its planes lie across the rows that networks give, and adding
those up takes four times as long."""

_BLOCK_BYTES = 1 << 18
"""Activations that are divided at once: they and their divisors stay in a core's cache."""


def slab_axes(shape_kji: Shape, tiling: Tiling) -> Shape:
    """The axes 0, 1, 2 (k, j, i) of a working volume in the engine's order: first the one along which windows go.

    It is the one whose slab takes the least memory, mostly the longest. Without patches all stay as they are.
    """
    if tiling.patch_kji is None:
        return 0, 1, 2
    volume = math.prod(shape_kji)
    sizes = [(min(size, p) + 1) * volume // size for size, p in zip(shape_kji, tiling.patch_kji, strict=True)]
    first = 0 if sizes[0] <= sizes[1] else 1
    if sizes[2] < ROWS_APART * sizes[first]:
        first = 2
    second, third = (axis for axis in range(3) if axis != first)
    return first, second, third


def slide(
    predictor: Predictor,
    voxels: NDArray[np.float32],
    side: Mapping[str, Floats],
    tiling: Tiling,
    axes: Shape,
    sink: Sink,
    on_progress: OnProgress,
    *,
    allocate: Allocate = np.zeros,
) -> None:
    """Hand the activations of a (channel, k, j, i) float32 working volume to the sink, each plane once and in order.

    Without patches the network is called once and the sink gets everything at once. Else the activations of
    overlapping windows are averaged by their weights; a volume smaller than the patch is padded with zeros evenly on
    both sides, of which the sink learns nothing. Memory is one patch and a slab, one plane thicker than the patch:
    the last plane that the sink had comes again before the next ones, as the sink left it.

    Progress is told per patch and within it; whatever ``on_progress`` raises passes.

    Parameters
    ----------
    axes : array axes of the volume (0, 1, 2 for k, j, i) in the order in which the sink gets them (``slab_axes``).
    allocate : makes the slab, as soon as the first patch has shown how many channels there are.

    Raises
    ------
    MedDLError : E606 when an activation is not a finite number, E406 when the network gives no activation for each
        voxel; else what predictor, sink and ``on_progress`` raise.
    """
    patch_kji = tiling.patch_kji
    if patch_kji is None:
        _take_whole(predictor.predict(voxels, side, on_progress), voxels.shape[1:], axes, sink)
        return
    k, j, i = voxels.shape[1:]
    count, done = tile_count((k, j, i), tiling), 0
    if count == 1:  # which is no average
        tiling = replace(tiling, blend="constant")
    blend = None if tiling.blend == "constant" else tiling.blend
    cuts = [cut_axis(size, patch, tiling) for size, patch in zip((k, j, i), patch_kji, strict=True)]
    source = _Source(voxels, cuts)
    slab: _Slab | None = None
    along, down, across = (cuts[axis] for axis in axes)
    for start, following in itertools.pairwise((*along.starts, along.size)):
        for corner in itertools.product([start], down.starts, across.starts):
            patch = source.window([corner[axes.index(axis)] for axis in range(3)])
            found = predictor.predict(patch, side, part_of(on_progress, done, count), blend)
            _require_shape(found, (*patch_kji, slab.channels if slab else found.shape[-1]))
            slab = slab or _Slab(found.shape[-1], (along, down, across), tiling.blend, sink, allocate)
            slab.add(found[tuple(cut.inside for cut in cuts)].transpose(*axes, 3), corner)
            done += 1
            on_progress(done / count)
        cast(_Slab, slab).release(start, following)


def _take_whole(found: Floats, shape_kji: tuple[int, ...], axes: Shape, sink: Sink) -> None:
    _require_shape(found, (*shape_kji, found.shape[-1]))
    planes = found.transpose(*axes, 3)
    for plane in planes:
        _require_finite(plane)
    sink.take(planes, 0)


class _Source:
    """Windows out of a volume; where that is smaller than the patch, in one array with zeros around, used anew."""

    def __init__(self, voxels: NDArray[np.float32], cuts: Sequence[Cut]) -> None:
        self._voxels, self._cuts, self._patch = voxels, cuts, None
        if any(cut.extent < cut.patch for cut in cuts):
            self._patch = np.zeros((len(voxels), *(cut.patch for cut in cuts)), dtype=np.float32)

    def window(self, begin_kji: Sequence[int]) -> Floats:
        """(channel, k, j, i) patch; no copy where there is no padding."""
        place = [slice(begin, begin + cut.extent) for begin, cut in zip(begin_kji, self._cuts, strict=True)]
        found = self._voxels[:, *place]
        if self._patch is None:
            return found
        self._patch[:, *(cut.inside for cut in self._cuts)] = found
        return self._patch


class _Slab:
    """Sums of weighted activations, channels last: of the planes that windows still reach, and of the one before them.

    It is never cleared: windows come in order, so what one of them has that none had before is a box in its far
    corner, and there values are written instead of added.
    """

    def __init__(self, channels: int, cuts: tuple[Cut, Cut, Cut], blend: Blend, sink: Sink, allocate: Allocate) -> None:
        along, down, across = self._cuts = cuts
        self.channels, self._sink = channels, sink
        shape = (along.extent + 1, down.size, across.size, channels)
        self._planes: Floats = allocate(shape, np.dtype(np.float32))
        self._sums_of = plane_sums(cuts, blend)
        self._has_sums = not all((cut.sums == 1).all() for cut in cuts)

    def add(self, found: Floats, corner: Sequence[int]) -> None:
        """Add a window's activations, in the slab's axis order."""
        _, row, column = corner
        height, width = found.shape[1:3]
        box = self._planes[1:, row : row + height, column : column + width]
        planes, rows, columns = (cut.seen(start) for cut, start in zip(self._cuts, corner, strict=True))
        for known in (np.s_[:planes], np.s_[planes:, :rows], np.s_[planes:, rows:, :columns]):
            box[known] += found[known]
        box[planes:, rows:, columns:] = found[planes:, rows:, columns:]

    def release(self, start: int, end: int) -> None:
        """Finish the planes from ``start`` to ``end`` of the volume, hand them on, and move up those behind them."""
        count = end - start
        for number, plane in enumerate(self._planes[1 : count + 1], start):
            if self._has_sums:
                self._divide(plane, self._sums_of(number))
            _require_finite(plane)
        self._sink.take(self._planes[0 if start else 1 : count + 1], start - 1 if start else 0)
        values, stay = self._planes.reshape(-1), len(self._planes) - count
        plane_size = values.size // len(self._planes)
        # Of arrays of one dimension that overlap, numpy makes no copy.
        values[: stay * plane_size] = values[count * plane_size :]

    def _divide(self, plane: Floats, sums: Floats) -> None:
        rows = plane.reshape(len(plane), -1)
        for block in _blocks(len(rows), rows[0].nbytes):
            rows[block] /= np.repeat(sums[block], self.channels, axis=1)


def _blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    step = max(1, _BLOCK_BYTES // row_bytes)
    return (slice(start, start + step) for start in range(0, rows, step))


def _require_shape(found: Floats, expected: tuple[int, ...]) -> None:
    if found.shape != expected:
        raise MedDLError("E406", "network gives no activation for each voxel", f"{found.shape}, not {expected}")


def _require_finite(plane: Floats) -> None:
    """E606 for a value that is none; the sum has none either, and takes no second array to find it in."""
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(plane.sum())
    if not is_finite and not np.isfinite(plane).all():
        raise MedDLError("E606", "model gave numbers that are not finite", "", "check intensities and model")
