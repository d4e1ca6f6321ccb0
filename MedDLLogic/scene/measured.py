"""Measurements as the world has them, where a parent transform bends space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..labels import MAX_LABEL
from ..result import Measurement, Result
from .arrays import label_counts
from .mrml import Node
from .steps import Steps, finished
from .transforms import VolumeFactors, is_linear, sampling_volume_factors, volume_factor
from .volumes import require_grid_of


def measured_in_world(result: Result, volume_node: Node) -> Result:
    """The result with the volumes that its segments have in the world of the node they lie on.

    A linear parent transform was in the job already. A non-linear one is known to a job by its
    tangent alone, so its volumes are summed anew, and the one on the node's own grid is given too.

    Raises
    ------
    MedDLError : E332 when the result does not lie on the node's grid, E307 for a transform that cannot be.
    """
    return finished(measuring_in_world(result, volume_node))


def measuring_in_world(result: Result, volume_node: Node) -> Steps[Result]:
    """``measured_in_world`` in steps; there are none without a non-linear transform.

    Raises
    ------
    MedDLError : as ``measured_in_world``, and E604 when the transform is changed between two steps.
    """
    if is_linear(volume_node):
        return result
    sizes_mm3 = yield from weighing_segments(volume_node, result)
    measured: list[Measurement] = []
    for found in result.measurements:
        if found.quantity == "volume":
            world_mm3, local_mm3 = sizes_mm3[found.segment_id]
            measured.append(replace(found, value=world_mm3 / 1000))
            measured.append(replace(found, quantity="local volume", value=local_mm3 / 1000))
        elif found.quantity != "local volume":
            measured.append(found)
    return replace(result, measurements=tuple(measured))


def segment_volumes_mm3(volume_node: Node, result: Result) -> dict[str, tuple[float, float]]:
    """Segment id -> (volume in the world, volume on the node's own grid), in cubic millimetres.

    They differ where a parent transform scales; under a non-linear one the first is the sum of its
    Jacobian determinant over the segment's voxels.

    Raises
    ------
    MedDLError : E332 when the result does not lie on the node's grid, E307 as ``read_volume``.
    """
    return finished(weighing_segments(volume_node, result))


def weighing_segments(volume_node: Node, result: Result) -> Steps[dict[str, tuple[float, float]]]:
    """``segment_volumes_mm3`` in steps; raises E604 too, when the transform is changed between two of them."""
    require_grid_of(volume_node, result.geometry)
    if is_linear(volume_node):
        factor = volume_factor(volume_node, result.geometry.center_lps_mm)
        counts = np.array([label_counts(layer) for layer in result.layers])
        weighted = factor * counts
    else:
        factors = yield from sampling_volume_factors(volume_node, result.geometry)
        counts, weighted = yield from _weighted_counts(result, factors)
    voxel_mm3 = result.geometry.voxel_volume_mm3
    return {
        segment.id: (
            float(weighted[segment.layer, segment.value]) * voxel_mm3,
            float(counts[segment.layer, segment.value]) * voxel_mm3,
        )
        for segment in result.table
    }


def _weighted_counts(result: Result, factors: VolumeFactors) -> Steps[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """(layer, label value) numbers of voxels, as they are and each weighted by its factor."""
    counts, weighted = np.zeros((2, len(result.layers), MAX_LABEL + 1))
    for k in range(result.geometry.shape_kji[0]):
        of_voxels = factors.plane(k).ravel()
        for n, layer in enumerate(result.layers):
            labels = layer[k].ravel()
            counts[n] += np.bincount(labels, minlength=MAX_LABEL + 1)
            weighted[n] += np.bincount(labels, weights=of_voxels, minlength=MAX_LABEL + 1)
            yield
    return counts, weighted
