"""A result made ready for the scene: copied, counted and checked in any thread, so that the push itself is short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry
from ..labels import Segment
from ..result import LabelVolume, Result
from . import terminology
from .arrays import checksums, owned_scalars, plane_counts

Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """The voxels of one layer as the scene will have them, and by which they are known again."""

    scalars: Any
    sums: NDArray[np.uint64]


class PreparedPush:
    """What ``prepare_push`` made of a result.

    It serves one push: its voxels become the scene's own, where a user may paint in them.

    Attributes
    ----------
    result : as it came; shares no memory with the scene.
    voxel_counts : segment id -> number of voxels, 0 for a segment that was not found.
    centers_lps_mm : segment id -> center of a voxel of the segment near its middle, None where it has no voxel.
    """

    def __init__(
        self,
        result: Result,
        layers: Mapping[int, PreparedLayer],
        voxel_counts: Mapping[str, int],
        centers_lps_mm: Mapping[str, Point | None],
    ) -> None:
        self.result, self.voxel_counts, self.centers_lps_mm = result, voxel_counts, centers_lps_mm
        self._layers: Mapping[int, PreparedLayer] | None = layers

    def take_layers(self) -> Mapping[int, PreparedLayer]:
        """Number of the layer -> its voxels, which belong to the caller now.

        Raises
        ------
        MedDLError : E901 when they were taken before.
        """
        layers, self._layers = self._layers, None
        if layers is None:
            raise MedDLError("E901", "a prepared result was pushed twice")
        return layers


def prepare_push(result: Result) -> PreparedPush:
    """The result ready for ``push_segmentation`` or ``replace_segmentation``; may run in any thread.

    Raises
    ------
    MedDLError : E402 when a layer has voxels that no segment names or a text cannot be stored.
    """
    for segment in result.table:
        if segment.terminology is not None:
            terminology.to_text(segment.terminology)
    counts: dict[str, int] = {}
    centers: dict[str, Point | None] = {}
    for number, layer in enumerate(result.layers):
        segments = [segment for segment in result.table if segment.layer == number]
        by_plane = _counts_by_plane(number, layer, segments)
        for segment, of_planes in zip(segments, by_plane.T, strict=True):
            counts[segment.id] = int(of_planes.sum())
            centers[segment.id] = center_lps_mm(layer, segment.value, of_planes, result.geometry)
    layers = {number: _prepared(result, number) for number in sorted({segment.layer for segment in result.table})}
    in_order = [segment.id for segment in result.table]
    return PreparedPush(result, layers, {n: counts[n] for n in in_order}, {n: centers[n] for n in in_order})


def center_lps_mm(labels: LabelVolume, value: int, of_planes: NDArray[np.int64], grid: Geometry) -> Point | None:
    """Center of a voxel of one label value, None where ``of_planes`` (voxels of it in each plane k) are all 0.

    It is the one nearest to the centroid within the plane that halves the segment, so it lies inside
    a curved one too.
    """
    total = int(of_planes.sum())
    if not total:
        return None
    k = int(np.searchsorted(np.cumsum(of_planes), (total + 1) // 2))
    points_ji = np.argwhere(labels[k] == value)
    away_mm = (points_ji - points_ji.mean(axis=0)) * grid.spacing_ijk_mm[1::-1]
    j, i = points_ji[np.argmin((away_mm**2).sum(axis=1))]
    x, y, z = grid.lps_of([[i, j, k]])[0]
    return float(x), float(y), float(z)


def _counts_by_plane(number: int, layer: LabelVolume, segments: list[Segment]) -> NDArray[np.int64]:
    """(k, segment) voxels; E402 when the layer has voxels of a value that no segment has."""
    values = [segment.value for segment in segments]
    counts = np.zeros((len(layer), len(values)), dtype=np.int64)
    strays: set[int] = set()
    for k, of_plane in enumerate(plane_counts(layer)):
        counts[k] = of_plane[values]
        of_plane[[0, *values]] = 0
        strays.update(np.flatnonzero(of_plane).tolist())
    if strays:
        raise MedDLError("E402", "label value that no segment names", f"layer {number}: {sorted(strays)[:8]}")
    return counts


def _prepared(result: Result, number: int) -> PreparedLayer:
    # Wide enough for absent values too: the first stroke of a user's brush must not wrap around.
    largest = max(segment.value for segment in result.table if segment.layer == number)
    scalars = owned_scalars(result.layers[number], np.uint8 if largest < 256 else np.uint16)
    return PreparedLayer(scalars, checksums(scalars))
