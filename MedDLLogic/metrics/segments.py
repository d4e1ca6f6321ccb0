"""Size and intensity of each segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import PATIENT, Geometry
from ..image import Image
from ..labels import LabelTable
from ..masks import LabelVolume, Masks
from ..result import Measurement

SCALE_TOLERANCE = 1e-6
"""Relative difference of voxel volumes above which the local volume is given beside the world's."""

_VOXELS_AT_ONCE = 1 << 20

_Sums = NDArray[np.float64]


def measure_segments(table: LabelTable, masks: Masks, image: Image, native: Geometry) -> tuple[Measurement, ...]:
    """Voxels, volume in ml, mean and standard deviation of the first channel, for each segment in order.

    Volumes are world volumes, of ``image.geometry``; where the scene's transform scales, the volume
    on the ``native`` grid is given too, as ``local volume``. A picture without millimetres has no
    volume, an empty segment no mean.
    """
    moments = [_moments(volume, image.voxels[0]) for volume in masks.volumes]
    found: list[Measurement] = []
    for segment in table:
        number, value = masks.places[segment.id]
        count = moments[number].count(value)
        found.append(Measurement(segment.id, "voxels", count, "1"))
        found.extend(_volumes(segment.id, count, image.geometry, native))
        if count:
            unit = image.units or "a.u."
            found.append(Measurement(segment.id, "mean", float(moments[number].means[value]), unit))
            found.append(Measurement(segment.id, "sd", float(moments[number].deviations[value]), unit))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Moments:
    """For each label of a volume its voxels, and the mean and standard deviation of the image's values there."""

    counts: NDArray[np.int64]
    means: _Sums
    deviations: _Sums

    def count(self, label: int) -> int:
        """Voxels of a label; 0 of one beyond the largest."""
        return int(self.counts[label]) if label < len(self.counts) else 0


def _moments(volume: LabelVolume, values: NDArray[Any]) -> _Moments:
    """All labels in two passes, the second one about the means: one pass would lose digits far from zero."""
    size = int(volume.max(initial=0)) + 1
    counts, sums, squares = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    for labels, wide in _parts(volume, values):
        counts += np.bincount(labels, minlength=size)
        sums += np.bincount(labels, wide, size)
    some = np.maximum(counts, 1)
    means = sums / some
    for labels, wide in _parts(volume, values):
        squares += np.bincount(labels, (wide - means[labels]) ** 2, size)
    return _Moments(counts, means, np.sqrt(squares / some))


def _parts(volume: LabelVolume, values: NDArray[Any]) -> Iterator[tuple[LabelVolume, _Sums]]:
    """Labels above 0, and the float64 values at them, some planes at a time."""
    planes = max(1, _VOXELS_AT_ONCE // max(1, volume[0].size))
    for start in range(0, len(volume), planes):
        labels = volume[start : start + planes].ravel()
        inside = np.flatnonzero(labels)
        yield labels[inside], values[start : start + planes].ravel()[inside].astype(np.float64)


def _volumes(segment_id: str, count: int, world: Geometry, native: Geometry) -> list[Measurement]:
    if world.frame != PATIENT:
        return []
    found = [Measurement(segment_id, "volume", count * world.voxel_volume_mm3 / 1000, "ml")]
    if abs(world.voxel_volume_mm3 / native.voxel_volume_mm3 - 1) > SCALE_TOLERANCE:
        found.append(Measurement(segment_id, "local volume", count * native.voxel_volume_mm3 / 1000, "ml"))
    return found
