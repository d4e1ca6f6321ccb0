"""What a segmentation node holds: its segments, their labelmaps and voxel counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry
from ..labels import MAX_LABEL, Segment, Terminology
from . import terminology
from .arrays import grid_of, label_counts, voxels_of
from .mrml import Node, reference, slicer, vtkMatrix4x4

LABELMAP = "Binary labelmap"
TERMINOLOGY_TAG = "TerminologyEntry"
INTENDED_TAG = "MedDL.LayerAndValue"
"""3D Slicer renumbers segments whenever it saves several layers; this tag keeps what they are in the model."""

CENTER_TAG = "MedDL.Center"
"""RAS, in mm and in the node's own space, of a voxel inside the segment as it was pushed."""

REFERENCE_GEOMETRY = "Reference image geometry"

_MAX_LAYER = 255


def labelmaps_of(node: Node) -> list[Any]:
    """The ``vtkOrientedImageData`` of each layer, in the order in which segments name them; E310 as below."""
    return list(dict.fromkeys(segment.GetRepresentation(LABELMAP) for _, segment in _segments_of(node)))


def segments_of(node: Node) -> tuple[Segment, ...]:
    """The segments of a node in order, their layers as ``labelmaps_of`` numbers them.

    Signs that an id cannot have are replaced by ``_``.

    Raises
    ------
    MedDLError : E310 for another kind of node or when segments are not kept as labelmaps, E402 when a
        segment cannot be described.
    """
    layer_of = {labelmap: layer for layer, labelmap in enumerate(labelmaps_of(node))}
    return tuple(
        Segment(
            _usable_id(segment_id),
            segment.GetName() or "",
            segment.GetLabelValue(),
            color_of(segment),
            _terminology_of(segment),
            layer_of[segment.GetRepresentation(LABELMAP)],
        )
        for segment_id, segment in _segments_of(node)
    )


def voxel_counts(node: Node) -> dict[str, int]:
    """Segment id -> number of its voxels, as the node has them now; 0 for an empty one. Raises as ``segments_of``."""
    counts = [_counts(labelmap) for labelmap in labelmaps_of(node)]
    described = zip(_segments_of(node), segments_of(node), strict=True)
    return {segment_id: int(counts[segment.layer][segment.value]) for (segment_id, _), segment in described}


def content_of(node: Node) -> dict[str, tuple[Any, ...]]:
    """Segment id -> name, color, terminology, intended layer and value, number of voxels.

    This is what saving and loading keep. Layers and label values themselves are kept only where
    there is one layer.
    """
    counts = voxel_counts(node)
    intended = dict(zip(counts, intended_labels(node), strict=True))
    return {
        segment_id: (segment.name, segment.color, segment.terminology, intended[segment_id], counts[segment_id])
        for segment_id, segment in zip(counts, segments_of(node), strict=True)
    }


def intended_labels(node: Node) -> list[tuple[int, int] | None]:
    """Layer and label value that each segment was pushed with; None for a segment made by others."""
    return [_parsed(tag(segment, INTENDED_TAG)) for _, segment in _segments_of(node)]


def intended_text(segment: Segment) -> str:
    """What ``INTENDED_TAG`` says of a segment."""
    return f"{segment.layer} {segment.value}"


def center_text(center_lps_mm: tuple[float, float, float]) -> str:
    """What ``CENTER_TAG`` says of a point: RAS as scenes speak it, to a thousandth of a millimetre."""
    x, y, z = center_lps_mm
    return f"{-x:.3f} {-y:.3f} {z:.3f}"


def pushed_center_lps_mm(segment: Any) -> tuple[float, float, float] | None:
    """The point that ``CENTER_TAG`` of a ``vtkSegment`` says, None where it says none."""
    try:
        x, y, z = (float(part) for part in tag(segment, CENTER_TAG).split())
    except ValueError:
        return None
    return (-x, -y, z) if np.all(np.isfinite([x, y, z])) else None


def color_of(segment: Any) -> tuple[int, int, int]:
    """Red, green and blue of a ``vtkSegment``, 0 to 255."""
    red, green, blue = (round(255.0 * channel) for channel in segment.GetColor())
    return red, green, blue


@contextmanager
def labels_kept(nodes: list[Node]) -> Iterator[None]:
    """Give the segments of ``nodes`` their labelmaps and label values back after the ``with`` block.

    Saving packs and renumbers the layers of a segmentation that has several, in the very node it saves.
    """
    segments = [segment for node in nodes for _, segment in _segments_of(node)]
    labels = [(segment, segment.GetRepresentation(LABELMAP), segment.GetLabelValue()) for segment in segments]
    try:
        yield
    finally:
        for segment, labelmap, value in labels:
            if segment.GetRepresentation(LABELMAP) is not labelmap:
                segment.AddRepresentation(LABELMAP, labelmap)
                segment.SetLabelValue(value)


def let_go(segmentation: Any) -> None:
    """Empty a ``vtkSegmentation`` that is about to be deleted.

    VTK deletes segment by segment and moves each one's voxels out of the labelmap that it shares with
    others: half a minute for a hundred segments of a large volume, ten milliseconds without labelmaps.
    """
    for n in range(segmentation.GetNumberOfSegments()):
        segmentation.GetNthSegment(n).RemoveRepresentation(LABELMAP)


def is_labelmap(node: Node) -> bool:
    """Whether a segmentation node keeps its segments as labelmaps (else as surfaces, for instance)."""
    return bool(node.GetSegmentation().GetSourceRepresentationName() == LABELMAP)


def is_empty(labelmap: Any) -> bool:
    """Whether a labelmap has no voxels at all."""
    return labelmap is None or labelmap.IsEmpty() or labelmap.GetPointData().GetScalars() is None


def grid_of_labelmap(labelmap: Any) -> Geometry:
    """The grid of a labelmap; it may begin at another index than 0."""
    image_to_world = vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(image_to_world)
    return grid_of(image_to_world, labelmap.GetExtent())


def reference_geometry(node: Node) -> Geometry | None:
    """The grid that the node names as that of its image, None when it names none."""
    text = node.GetSegmentation().GetConversionParameter(REFERENCE_GEOMETRY)
    ijk_to_ras, extent = vtkMatrix4x4(), [0, -1, 0, -1, 0, -1]
    if not text or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, ijk_to_ras, extent):
        return None
    return grid_of(ijk_to_ras, tuple(extent))


def tag(segment: Any, name: str) -> str:
    """A tag of a ``vtkSegment``; empty when it has none of that name."""
    text = reference("")
    return str(text) if segment.GetTag(name, text) else ""


def _segments_of(node: Node) -> list[tuple[str, Any]]:
    segmentation = node.GetSegmentation() if node is not None and node.IsA("vtkMRMLSegmentationNode") else None
    if segmentation is None:
        raise MedDLError("E310", "this is not a segmentation")
    if segmentation.GetNumberOfSegments() and not is_labelmap(node):
        raise MedDLError("E310", "segments are not kept as labelmaps", hint="make Binary labelmap the source")
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return [(segment_id, segmentation.GetSegment(segment_id)) for segment_id in ids]


def _parsed(text: str) -> tuple[int, int] | None:
    parts = text.split()
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return None
    layer, value = int(parts[0]), int(parts[1])
    return (layer, value) if layer <= _MAX_LAYER and 1 <= value <= MAX_LABEL else None


def _counts(labelmap: Any) -> NDArray[np.int64]:
    return np.zeros(65536, dtype=np.int64) if is_empty(labelmap) else label_counts(voxels_of(labelmap))


def _terminology_of(segment: Any) -> Terminology | None:
    text = tag(segment, TERMINOLOGY_TAG)
    # A new segment carries a default ("Tissue", "Tissue") with which nobody has said anything yet.
    return None if text == tag(slicer.vtkSegment(), TERMINOLOGY_TAG) else terminology.from_text(text)


def _usable_id(segment_id: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in segment_id)
