"""Labelmaps put onto a grid of which their voxels are voxels, and under other label values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import MedDLError
from ..geometry import INDEX_TOLERANCE, Geometry
from ..labels import LabelTable, Segment
from ..result import LabelVolume
from .arrays import require_labels


def pasted(labels: LabelVolume, grid: Geometry, target: Geometry) -> LabelVolume:
    """(k, j, i) copy of ``labels``, which lie on ``grid``, on ``target``; 8 or 16 bit, 0 elsewhere.

    Raises
    ------
    MedDLError : E332 when the voxels of both grids do not coincide, or a label lies outside ``target``;
        E402 when a label value is no whole number from 0 to 65535.
    """
    start_kji = offset_kji(grid, target)
    here, there = [], []
    for start, length, room in zip(start_kji, labels.shape, target.shape_kji, strict=True):
        low, high = min(max(start, 0), room), max(0, min(start + length, room))
        there.append(slice(low, max(low, high)))
        here.append(slice(low - start, max(low, high) - start))
    inside = labels[tuple(here)]
    if np.count_nonzero(inside) != np.count_nonzero(labels):
        raise MedDLError("E332", "segments reach beyond the grid", hint="crop them or choose another reference")
    require_labels(inside)
    whole = np.zeros(target.shape_kji, dtype=np.uint8 if inside.max(initial=0) < 256 else np.uint16)
    whole[tuple(there)] = inside
    return whole


def offset_kji(grid: Geometry, target: Geometry) -> tuple[int, ...]:
    """Index in ``target`` of the first voxel of ``grid``; E332 when the voxels of both do not coincide."""
    i, j, k = (n - 1 for n in grid.shape_kji[::-1])
    corners = np.array([[0, 0, 0], [i, 0, 0], [0, j, 0], [0, 0, k], [i, j, k]], dtype=np.float64)
    # A grid one voxel long says nothing about its step there, so one index further is compared too.
    corners = np.concatenate([corners, np.eye(3)])
    offsets = target.ijk_of(grid.lps_of(corners)) - corners
    start = np.round(offsets[0])
    if np.abs(offsets - start).max() > INDEX_TOLERANCE:
        raise MedDLError("E332", "segments lie on another grid than the volume", hint="resample them onto it first")
    return tuple(int(n) for n in start[::-1])


def relabeled(
    layers: tuple[LabelVolume, ...], segments: tuple[Segment, ...], labels: list[tuple[int, int] | None]
) -> tuple[tuple[LabelVolume, ...], LabelTable]:
    """The same segments with the given (layer, value) each; as they are where that cannot be.

    It cannot be when a segment has none given, two have the same, or voxels of one layer would overlap.
    """
    given = [label for label in labels if label is not None]
    as_they_are = layers, LabelTable(segments)
    current = [(segment.layer, segment.value) for segment in segments]
    if given == current or len(given) < len(segments) or len(set(given)) < len(given):
        return as_they_are
    renewed = tuple(replace(s, layer=layer, value=value) for s, (layer, value) in zip(segments, given, strict=True))
    table = LabelTable(renewed)
    made = tuple(np.zeros(layers[0].shape, dtype=np.uint16) for _ in range(table.layer_count))
    for old, new in zip(segments, renewed, strict=True):
        place = layers[old.layer] == old.value
        if made[new.layer][place].any():
            return as_they_are
        made[new.layer][place] = new.value
    return made, table
