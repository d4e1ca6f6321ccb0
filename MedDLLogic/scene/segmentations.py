"""Results to segmentation nodes and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MedDLError
from ..geometry import Geometry
from ..labels import LabelTable, Segment
from ..result import LabelVolume, Result
from . import hierarchy, terminology
from .arrays import extent_of, label_counts, ras_matrix, set_voxels, voxels_of
from .mrml import Node, Scene, slicer
from .placement import pasted, relabeled
from .segments import (
    INTENDED_TAG,
    LABELMAP,
    REFERENCE_GEOMETRY,
    TERMINOLOGY_TAG,
    grid_of_labelmap,
    intended_labels,
    intended_text,
    is_empty,
    labelmaps_of,
    reference_geometry,
    segments_of,
    voxel_counts,
)
from .volumes import require_same_grid

ALGORITHM_TYPE_TAG = "DICOM.SegmentAlgorithmType"
ALGORITHM_NAME_TAG = "DICOM.SegmentAlgorithmName"
"""Both are what 3D Slicer's DICOM SEG export reads; it refuses automatic segments without a name."""

_DICOM_LONG_STRING = 64


def push_segmentation(
    scene: Scene,
    result: Result,
    *,
    name: str,
    reference_node: Node | None = None,
    algorithm_name: str = "",
    algorithm_version: str = "",
) -> Node:
    """A new segmentation node with every segment of the result, empty ones included (see ``voxel_counts``).

    ``reference_node`` is the volume that was segmented: the segmentation takes over its parent
    transform and reference geometry and stands beside it in the subject hierarchy. Without
    ``algorithm_name`` the algorithm is the result's card. On any error the scene is as it was.

    Raises
    ------
    MedDLError : E332 when the result does not lie on the reference's grid, E604 when the reference
        is not in the scene, E402 when a layer has voxels that no segment names or a text cannot be
        stored, E505 when the node holds other voxel counts than the result.
    """
    if reference_node is not None:
        require_same_grid(scene, reference_node, result.geometry)
    expected = _counts_by_segment(result)
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    _fill(node.GetSegmentation(), result, _algorithm(result, algorithm_name, algorithm_version))
    # Views and panels follow every change of a node in the scene, so it goes there once it is complete.
    scene.AddNode(node)
    _put_in_place(scene, node, result, reference_node)
    if voxel_counts(node) != expected:
        _take_back(scene, node)
        raise MedDLError("E505", "segmentation in the scene differs from the result", "voxel counts are not the same")
    return node


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


def _algorithm(result: Result, name: str, version: str) -> str:
    provenance = result.provenance
    text = f"{name} {version}" if name else f"{provenance.card} {provenance.card_version}"
    return terminology.require_storable(text.strip(), "algorithm name")[:_DICOM_LONG_STRING]


def _counts_by_segment(result: Result) -> dict[str, int]:
    """Segment id -> number of voxels; E402 when a layer has voxels of a value that no segment has."""
    counts = [label_counts(layer) for layer in result.layers]
    found = {segment.id: int(counts[segment.layer][segment.value]) for segment in result.table}
    for segment in result.table:
        counts[segment.layer][segment.value] = 0
    for layer, count in enumerate(counts):
        strays = np.flatnonzero(count[1:]) + 1
        if strays.size:
            raise MedDLError("E402", "label value that no segment names", f"layer {layer}: {strays[:8].tolist()}")
    return found


def _fill(segmentation: Any, result: Result, algorithm: str) -> None:
    """One labelmap a layer, shared by all its segments, each with its own label value."""
    segmentation.SetSourceRepresentationName(LABELMAP)
    labelmaps = {layer: _labelmap(result, layer) for layer in {segment.layer for segment in result.table}}
    for segment in result.table:
        added = _vtk_segment(segment, algorithm)
        added.AddRepresentation(LABELMAP, labelmaps[segment.layer])
        segmentation.AddSegment(added, segment.id)


def _vtk_segment(segment: Segment, algorithm: str) -> Any:
    made = slicer.vtkSegment()
    made.SetName(segment.name)
    made.SetColor(*(channel / 255.0 for channel in segment.color))
    # Otherwise the application renames and recolors a segment whenever its terminology is touched.
    made.NameAutoGeneratedOff()
    made.ColorAutoGeneratedOff()
    made.SetLabelValue(segment.value)
    made.SetTag(INTENDED_TAG, intended_text(segment))
    if segment.terminology is not None:  # else the default of a new segment stays, which DICOM export needs
        made.SetTag(TERMINOLOGY_TAG, terminology.to_text(segment.terminology))
    if algorithm:
        made.SetTag(ALGORITHM_TYPE_TAG, "AUTOMATIC")
        made.SetTag(ALGORITHM_NAME_TAG, algorithm)
    return made


def _labelmap(result: Result, layer: int) -> Any:
    # Wide enough for absent values too: the first stroke of a user's brush must not wrap around.
    largest = max(segment.value for segment in result.table if segment.layer == layer)
    labelmap = slicer.vtkOrientedImageData()
    set_voxels(labelmap, result.layers[layer].astype(np.uint8 if largest < 256 else np.uint16, copy=False))
    labelmap.SetImageToWorldMatrix(ras_matrix(result.geometry))
    return labelmap


def _put_in_place(scene: Scene, node: Node, result: Result, reference_node: Node | None) -> None:
    node.CreateDefaultDisplayNodes()
    _outline_upper_layers(node, result)
    if reference_node is None:
        text = slicer.vtkSegmentationConverter.SerializeImageGeometry(
            ras_matrix(result.geometry), extent_of(result.geometry)
        )
        node.GetSegmentation().SetConversionParameter(REFERENCE_GEOMETRY, text)
    else:
        # The transform comes first: the grid is written down as seen from the node's own space.
        node.SetAndObserveTransformNodeID(reference_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference_node)
    hierarchy.place_beside(scene, node, reference_node)


def _outline_upper_layers(node: Node, result: Result) -> None:
    """Segments that lie over others are drawn as lines, or their filling would hide those below."""
    display_node = node.GetDisplayNode()
    for segment in result.table:
        if segment.layer > 0 and display_node is not None:
            display_node.SetSegmentOpacity2DFill(segment.id, 0.0)


def _take_back(scene: Scene, node: Node) -> None:
    hierarchy.remove_item(scene, node)
    display_node = node.GetDisplayNode()
    scene.RemoveNode(node)
    if display_node is not None:
        scene.RemoveNode(display_node)


def _first_grid(labelmaps: list[Any]) -> Geometry:
    for labelmap in labelmaps:
        if not is_empty(labelmap):
            return grid_of_labelmap(labelmap)
    raise MedDLError("E301", "the segmentation has no voxels")


def _layer_on(labelmap: Any, geometry: Geometry) -> LabelVolume:
    if is_empty(labelmap):
        return np.zeros(geometry.shape_kji, dtype=np.uint8)
    return pasted(voxels_of(labelmap), grid_of_labelmap(labelmap), geometry)
