"""What of a segmentation is shown: single segments, all of them in 3-D, a slice through one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry
from .arrays import voxels_of
from .mrml import Node, Scene, slicer
from .prepare import Point, center_lps_mm
from .segments import LABELMAP, grid_of_labelmap, is_empty, pushed_center_lps_mm

SURFACE = "Closed surface"

PointRas = tuple[float, float, float]


def segment_visible(node: Node, segment_id: str) -> bool:
    """Whether a segment is shown; E310 when the node is no segmentation, E402 when it has no such segment."""
    _segment(node, segment_id)
    display_node = node.GetDisplayNode()
    return display_node is not None and bool(
        display_node.GetVisibility() and display_node.GetSegmentVisibility(segment_id)
    )


def set_segment_visible(node: Node, segment_id: str, on: bool) -> None:
    """Show or hide one segment, which shows a segmentation that was hidden as a whole; raises as ``segment_visible``."""
    _segment(node, segment_id)
    node.CreateDefaultDisplayNodes()
    display_node = node.GetDisplayNode()
    display_node.SetSegmentVisibility(segment_id, on)
    if on:
        display_node.SetVisibility(True)


def is_shown_3d(node: Node) -> bool:
    """Whether the segments have surfaces that are shown; E310 when the node is no segmentation."""
    display_node = node.GetDisplayNode()
    has_surfaces = bool(_segmentation(node).ContainsRepresentation(SURFACE))
    return has_surfaces and display_node is not None and bool(display_node.GetVisibility3D())


def show_3d(node: Node, on: bool) -> None:
    """Make and show the surfaces of all segments, or remove them, as the application's own button does.

    Making them takes 3D Slicer a part of a second a segment, and nothing else runs meanwhile.

    Raises
    ------
    MedDLError : E310 when the node is no segmentation, E301 when it has nothing to show.
    """
    segmentation = _segmentation(node)
    if not on:
        node.RemoveClosedSurfaceRepresentation()
        return
    if not segmentation.GetNumberOfSegments() or not node.CreateClosedSurfaceRepresentation():
        raise MedDLError("E301", "there is nothing to show in 3-D", "no surface could be made")
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility3D(True)


def segment_center_ras(node: Node, segment_id: str) -> PointRas | None:
    """A point of the world inside the segment and near its middle; None when it has no voxel.

    It was found when the result was prepared. Where the segment has lost that voxel since, all voxels
    of its labelmap are asked. Raises as ``segment_visible``, and E310 as ``voxels_of``.
    """
    segment = _segment(node, segment_id)
    labelmap = segment.GetRepresentation(LABELMAP)
    if is_empty(labelmap):
        return None
    labels, grid, value = voxels_of(labelmap), grid_of_labelmap(labelmap), segment.GetLabelValue()
    center = pushed_center_lps_mm(segment)
    if center is None or _label_at(labels, grid, center) != value:
        of_planes = np.array([np.count_nonzero(plane == value) for plane in labels])
        center = center_lps_mm(labels, value, of_planes, grid)
    if center is None:
        return None
    x, y, z = center
    world_ras = [0.0, 0.0, 0.0]
    node.TransformPointToWorld([-x, -y, z], world_ras)
    return world_ras[0], world_ras[1], world_ras[2]


def jump_to(scene: Scene, ras: PointRas) -> None:
    """Let every slice view show the slice through a point of the world."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *ras)


def _segmentation(node: Node) -> Any:
    if node is None or not node.IsA("vtkMRMLSegmentationNode"):
        raise MedDLError("E310", "this is not a segmentation")
    return node.GetSegmentation()


def _segment(node: Node, segment_id: str) -> Any:
    segment = _segmentation(node).GetSegment(segment_id)
    if segment is None:
        raise MedDLError("E402", "no such segment", segment_id[:40])
    return segment


def _label_at(labels: NDArray[Any], grid: Geometry, point_lps_mm: Point) -> int | None:
    i, j, k = (int(n) for n in np.round(grid.ijk_of([point_lps_mm])[0]))
    inside = all(0 <= n < size for n, size in zip((k, j, i), labels.shape, strict=True))
    return int(labels[k, j, i]) if inside else None
