"""Regions of interest: markups ROI nodes to the box that a job searches."""

from __future__ import annotations

import numpy as np

from ..errors import MedDLError
from ..job import Box
from .arrays import numpy_matrix
from .mrml import Node
from .transforms import is_linear

_STRAIGHT = 1.0 - 1e-6


def roi_box(roi_node: Node) -> Box:
    """The box in the world's LPS that a markups ROI node encloses, its parent transforms counted in.

    A turned region gives the box around it; ``roi_warnings`` tells so.

    Raises
    ------
    MedDLError : E310 for any other kind of node, E102 for a region without extent.
    """
    _require_roi(roi_node)
    bounds_ras_mm = [0.0] * 6
    roi_node.GetRASBounds(bounds_ras_mm)
    r, a, s = (bounds_ras_mm[2 * axis : 2 * axis + 2] for axis in range(3))
    if not np.all(np.isfinite(bounds_ras_mm)) or min(high - low for low, high in (r, a, s)) <= 0:
        raise MedDLError("E102", "the region of interest is empty", hint="draw it on the image")
    return Box((-r[1], -a[1], s[0]), (-r[0], -a[0], s[1]))


def roi_warnings(roi_node: Node) -> tuple[str, ...]:
    """What ``roi_box`` cannot keep of the region, one sentence each; E310 for any other kind of node."""
    _require_roi(roi_node)
    warnings = []
    axes = np.abs(numpy_matrix(roi_node.GetObjectToWorldMatrix())[:3, :3])
    if np.any(axes.max(axis=0) < _STRAIGHT * np.linalg.norm(axes, axis=0)):
        warnings.append("The region of interest is turned; the box around it is searched.")
    if not is_linear(roi_node):
        warnings.append("The region of interest lies under a transform that bends; the box around it is approximate.")
    if roi_node.GetInsideOut():
        warnings.append("The region of interest is inside out; its inside is searched all the same.")
    return tuple(warnings)


def _require_roi(roi_node: Node) -> None:
    if roi_node is None or not roi_node.IsA("vtkMRMLMarkupsROINode"):
        raise MedDLError("E310", "this is not a region of interest", hint="choose a markups ROI")
