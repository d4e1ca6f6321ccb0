"""Results to segmentation nodes and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry
from ..labels import LabelTable, Segment
from ..result import LabelVolume, Result
from . import hierarchy, terminology
from .arrays import extent_of, ras_matrix, voxels_of
from .filling import ALGORITHM_NAME_TAG, ALGORITHM_TYPE_TAG, Filled, filled, require_filled
from .mrml import Node, Scene, slicer
from .placement import offset_kji, pasted, relabeled
from .prepare import PreparedPush, prepare_push
from .segments import (
    REFERENCE_GEOMETRY,
    grid_of_labelmap,
    intended_labels,
    is_empty,
    labelmaps_of,
    let_go,
    reference_geometry,
    segments_of,
)
from .volumes import geometry_of, require_same_grid

__all__ = [
    "ALGORITHM_NAME_TAG",
    "ALGORITHM_TYPE_TAG",
    "PreparedPush",
    "is_on_grid",
    "prepare_push",
    "push_segmentation",
    "read_segmentation",
    "replace_segmentation",
]

_DICOM_LONG_STRING = 64


def push_segmentation(
    scene: Scene,
    result: Result | PreparedPush,
    *,
    name: str,
    reference_node: Node | None = None,
    algorithm_name: str = "",
    algorithm_version: str = "",
) -> Node:
    """A new segmentation node with every segment of the result, empty ones included (see ``voxel_counts``).

    ``reference_node`` is the volume that was segmented: the segmentation takes over its parent
    transform and reference geometry and stands beside it in the subject hierarchy. Without
    ``algorithm_name`` the algorithm is the result's card. A result prepared in another thread is
    pushed without a look at each voxel here. On any error the scene is as it was.

    Raises
    ------
    MedDLError : E332 when the result does not lie on the reference's grid, E604 when the reference
        is not in the scene, E402 when a layer has voxels that no segment names or a text cannot be
        stored, E505 when the node does not hold what the result holds, E901 when a prepared result
        was pushed before.
    """
    meant = _meant(scene, result, reference_node, (algorithm_name, algorithm_version))
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    # Views and panels follow every change of a node in the scene, so it goes there once it is complete.
    node.SetAndObserveSegmentation(meant.segmentation)
    with _taken_back_on_error(scene, node, meant), hierarchy.items_kept_on_error(scene, node, reference_node):
        scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        _outline_upper_layers(node, meant.segments)
        _refer_to(node, meant.grid, reference_node)
        hierarchy.place_beside(scene, node, reference_node)
        _require_as_meant(scene, node, meant, reference_node)
    return node


def replace_segmentation(
    scene: Scene,
    node: Node,
    result: Result | PreparedPush,
    *,
    reference_node: Node | None = None,
    algorithm_name: str = "",
    algorithm_version: str = "",
) -> None:
    """Let the result's segments take the place of all segments of a node, as one change.

    The node keeps its id, name, place in the subject hierarchy, and how segments are shown whose ids
    stay. Parent transform and reference geometry become those of ``reference_node``. Surfaces shown
    in 3-D belonged to the old segments; ``display.show_3d`` makes new ones. On any error the node
    has its old segments, the very same objects, under the old transform.

    Raises
    ------
    MedDLError : E310 when the node is no segmentation, E604 when it is not in this scene, and as
        ``push_segmentation``.
    """
    if node is None or not node.IsA("vtkMRMLSegmentationNode"):
        raise MedDLError("E310", "only a segmentation can be replaced", hint="choose one, or a new node")
    if scene.GetNodeByID(node.GetID() or "") is not node:
        raise MedDLError("E604", "the segmentation to be replaced is not in this scene", hint="choose it again")
    meant = _meant(scene, result, reference_node, (algorithm_name, algorithm_version))
    old = node.GetSegmentation()
    with _old_content_on_error(node):
        # As a whole: VTK's RemoveSegment would clear the voxels of a labelmap that is shared, for good.
        with _one_event(node):
            meant.segmentation.CopyConversionParameters(old)
            node.SetAndObserveSegmentation(meant.segmentation)
            _refer_to(node, meant.grid, reference_node)
        _outline_upper_layers(node, (s for s in meant.segments if old.GetSegment(s.id) is None))
        _require_as_meant(scene, node, meant, reference_node)
    # Nobody in VTK or Python has it but this variable (and the call that counts).
    if old.GetReferenceCount() == 1 and sys.getrefcount(old) == 2:
        let_go(old)


def read_segmentation(
    node: Node, reference: Geometry | None = None
) -> tuple[Geometry, tuple[LabelVolume, ...], LabelTable]:
    """Grid, label volumes (k, j, i) and segments of a segmentation node; shares no memory with it.

    The grid is ``reference``, else the node's reference geometry, else that of its first labelmap.
    Layers and label values are those that the segments were pushed with, unless a user has added
    segments since or let two of a layer overlap; then they are the scene's. Signs that an id cannot
    have are replaced by ``_``. Parent transforms are left out.

    Raises
    ------
    MedDLError : E310 when segments are not kept as labelmaps, E301 when there are none, E332 when a
        labelmap's voxels are not voxels of the grid, E402 when a segment cannot be described.
    """
    segments, labelmaps = segments_of(node), labelmaps_of(node)
    geometry = reference or reference_geometry(node) or _first_grid(labelmaps)
    layers = tuple(_layer_on(labelmap, geometry) for labelmap in labelmaps)
    return geometry, *relabeled(layers, segments, intended_labels(node))


def is_on_grid(node: Node, volume_node: Node) -> bool:
    """Whether a segmentation lies on a volume's voxels: its reference geometry, every labelmap, the parent transform.

    A labelmap that was cropped to what is in it, as 3D Slicer does, still lies on them. Raises as
    ``labelmaps_of`` and ``geometry_of``.
    """
    geometry = geometry_of(volume_node)
    grid = Geometry(geometry.shape_kji, geometry.ijk_to_lps)
    named = reference_geometry(node)
    try:
        for labelmap in labelmaps_of(node):
            if not is_empty(labelmap):
                offset_kji(grid_of_labelmap(labelmap), grid)
    except MedDLError:
        return False
    is_under_same = node.GetParentTransformNode() is volume_node.GetParentTransformNode()
    return is_under_same and named is not None and named.is_same_grid(grid)


def _meant(
    scene: Scene, result: Result | PreparedPush, reference_node: Node | None, algorithm: tuple[str, str]
) -> Filled:
    """The segments that are to stand in a node; the scene is not touched, only asked whether it fits."""
    whole = result.result if isinstance(result, PreparedPush) else result
    if reference_node is not None:
        require_same_grid(scene, reference_node, whole.geometry)
    text = _algorithm(whole, *algorithm)
    return filled(result if isinstance(result, PreparedPush) else prepare_push(result), text)


def _algorithm(result: Result, name: str, version: str) -> str:
    provenance = result.provenance
    text = f"{name} {version}" if name else f"{provenance.card} {provenance.card_version}"
    return terminology.require_storable(text.strip(), "algorithm name")[:_DICOM_LONG_STRING]


def _refer_to(node: Node, grid: Geometry, reference_node: Node | None) -> None:
    """Parent transform and reference geometry of the volume, or the grid alone where there is none."""
    if reference_node is None:
        text = slicer.vtkSegmentationConverter.SerializeImageGeometry(ras_matrix(grid), extent_of(grid))
        node.GetSegmentation().SetConversionParameter(REFERENCE_GEOMETRY, text)
        return
    # The transform comes first: the grid is written down as seen from the node's own space.
    node.SetAndObserveTransformNodeID(reference_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference_node)


def _require_as_meant(scene: Scene, node: Node, meant: Filled, reference_node: Node | None) -> None:
    if scene.GetNodeByID(node.GetID() or "") is not node:
        raise MedDLError("E604", "the segmentation was removed while it was put into the scene")
    require_filled(node, meant)
    if reference_node is not None and node.GetParentTransformNode() is not reference_node.GetParentTransformNode():
        raise MedDLError("E505", "segmentation in the scene differs from the result", "another parent transform")


def _outline_upper_layers(node: Node, segments: Iterable[Segment]) -> None:
    """Segments that lie over others are drawn as lines, or their filling would hide those below."""
    display_node = node.GetDisplayNode()
    for segment in segments:
        if segment.layer > 0 and display_node is not None:
            display_node.SetSegmentOpacity2DFill(segment.id, 0.0)


@contextmanager
def _taken_back_on_error(scene: Scene, node: Node, meant: Filled) -> Iterator[None]:
    """Remove a node and its display node from the scene when the ``with`` block fails."""
    try:
        yield
    except BaseException:
        for made in (node, node.GetDisplayNode()):
            if made is not None and scene.IsNodePresent(made):
                scene.RemoveNode(made)
        let_go(meant.segmentation)
        raise


@contextmanager
def _one_event(node: Node) -> Iterator[None]:
    """Let those who follow a node hear of all that the ``with`` block does at its end, as one change."""
    was_modifying = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(was_modifying)


@contextmanager
def _old_content_on_error(node: Node) -> Iterator[None]:
    """Give a node its segments, their display, transform and reference volume back when the ``with`` block fails."""
    role = node.GetReferenceImageGeometryReferenceRole()
    segmentation, transform_id = node.GetSegmentation(), node.GetTransformNodeID()
    volume_id, display_node = node.GetNodeReferenceID(role), node.GetDisplayNode()
    display = slicer.vtkMRMLSegmentationDisplayNode()
    if display_node is not None:
        display.CopyContent(display_node)
    try:
        yield
    except BaseException:
        made = node.GetSegmentation()
        with _one_event(node):
            node.SetAndObserveSegmentation(segmentation)
            node.SetAndObserveTransformNodeID(transform_id)
            node.SetNodeReferenceID(role, volume_id)
        # The node's display follows its segments and has forgotten those that were gone for a moment.
        if display_node is not None:
            display_node.CopyContent(display)
        if made is not segmentation:
            let_go(made)
        raise


def _first_grid(labelmaps: list[Any]) -> Geometry:
    for labelmap in labelmaps:
        if not is_empty(labelmap):
            return grid_of_labelmap(labelmap)
    raise MedDLError("E301", "the segmentation has no voxels")


def _layer_on(labelmap: Any, geometry: Geometry) -> LabelVolume:
    if is_empty(labelmap):
        return np.zeros(geometry.shape_kji, dtype=np.uint8)
    return pasted(voxels_of(labelmap), grid_of_labelmap(labelmap), geometry)
