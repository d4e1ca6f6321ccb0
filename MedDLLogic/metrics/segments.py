"""Size and intensity of each segment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..geometry import PATIENT, Geometry
from ..image import Image
from ..labels import LabelTable
from ..result import Measurement

SCALE_TOLERANCE = 1e-6
"""Relative difference of voxel volumes above which the local volume is given beside the world's."""


def measure_segments(
    table: LabelTable, masks: Mapping[str, NDArray[np.bool_]], image: Image, native: Geometry
) -> tuple[Measurement, ...]:
    """Voxels, volume in ml, mean and standard deviation of the first channel, for each segment in order.

    Volumes are world volumes, of ``image.geometry``; where the scene's transform scales, the volume
    on the ``native`` grid is given too, as ``local volume``. A picture without millimetres has no
    volume, an empty segment no mean.
    """
    found: list[Measurement] = []
    for segment in table:
        mask = masks[segment.id]
        count = int(np.count_nonzero(mask))
        found.append(Measurement(segment.id, "voxels", count, "1"))
        found.extend(_volumes(segment.id, count, image.geometry, native))
        if count:
            found.extend(_intensities(segment.id, image.voxels[0][mask], image.units))
    return tuple(found)


def _volumes(segment_id: str, count: int, world: Geometry, native: Geometry) -> list[Measurement]:
    if world.frame != PATIENT:
        return []
    found = [Measurement(segment_id, "volume", count * world.voxel_volume_mm3 / 1000, "ml")]
    if abs(world.voxel_volume_mm3 / native.voxel_volume_mm3 - 1) > SCALE_TOLERANCE:
        found.append(Measurement(segment_id, "local volume", count * native.voxel_volume_mm3 / 1000, "ml"))
    return found


def _intensities(segment_id: str, values: NDArray[np.float64], units: str) -> list[Measurement]:
    unit = units or "a.u."
    wide = values.astype(np.float64)
    return [
        Measurement(segment_id, "mean", float(wide.mean()), unit),
        Measurement(segment_id, "sd", float(wide.std()), unit),
    ]
