"""Measurements as the world has them, where a parent transform bends space."""

from __future__ import annotations

from dataclasses import replace

from ..result import Measurement, Result
from .mrml import Node
from .transforms import is_linear
from .volumes import segment_volumes_mm3


def measured_in_world(result: Result, volume_node: Node) -> Result:
    """The result with the volumes that its segments have in the world of the node they lie on.

    A linear parent transform was in the job already. A non-linear one is known to a job by its
    tangent alone, so its volumes are summed anew, and the one on the node's own grid is given too.

    Raises
    ------
    MedDLError : E332 when the result does not lie on the node's grid, E307 for a transform that cannot be.
    """
    if is_linear(volume_node):
        return result
    sizes_mm3 = segment_volumes_mm3(volume_node, result)
    kept = [m for m in result.measurements if m.quantity != "local volume"]
    measured: list[Measurement] = []
    for found in kept:
        if found.quantity != "volume":
            measured.append(found)
            continue
        world_mm3, local_mm3 = sizes_mm3[found.segment_id]
        measured.append(replace(found, value=world_mm3 / 1000))
        measured.append(replace(found, quantity="local volume", value=local_mm3 / 1000))
    return replace(result, measurements=tuple(measured))
