"""What the scene holds of a result at this moment: its segments, what was measured of them, and the volume they lie on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from MedDLLogic.scene.segments import color_of

from .results_presenter import Measured, SegmentNow
from .run_state import Outcome

_VOLUME, _MEAN = "Volume [", "Mean ["


def segments_now(node: Any) -> tuple[SegmentNow, ...]:
    """Name, color and visibility of each segment of a segmentation node, in its order; no voxel is looked at."""
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    found = []
    for number in range(segmentation.GetNumberOfSegments()):
        segment_id, segment = segmentation.GetNthSegmentID(number), segmentation.GetNthSegment(number)
        is_shown = display is not None and bool(display.GetVisibility() and display.GetSegmentVisibility(segment_id))
        found.append(SegmentNow(segment_id, segment.GetName() or "", color_of(segment), is_shown))
    return tuple(found)


def volume_of(node: Any) -> Any:
    """The volume that a segmentation node was made of, None when it is gone."""
    return node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())


def measured_in(outcome: Outcome) -> dict[str, Measured]:
    """Segment id -> what the run measured."""
    return {row.segment_id: Measured(row.volume_ml, row.mean, row.mean_unit) for row in outcome.rows}


def measured_in_table(table_node: Any, segmentation_node: Any) -> dict[str, Measured]:
    """The same out of the table of a scene that was saved and opened again.

    A table names segments as they were called when it was made; one that was renamed since is left out,
    and so are two of one name.
    """
    ids: dict[str, list[str]] = {}
    for segment in segments_now(segmentation_node):
        ids.setdefault(segment.name, []).append(segment.id)
    by_name: dict[str, list[Measured]] = {}
    for name, measured in _lines_of(table_node):
        by_name.setdefault(name, []).append(measured)
    both = [name for name in by_name if len(by_name[name]) == 1 and len(ids.get(name, ())) == 1]
    return {ids[name][0]: by_name[name][0] for name in both}


def _lines_of(table_node: Any) -> Iterator[tuple[str, Measured]]:
    table = table_node.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    volume = next((column for column in columns if column.GetName().startswith(_VOLUME)), None)
    mean = next((column for column in columns if column.GetName().startswith(_MEAN)), None)
    unit = mean.GetName()[len(_MEAN) :].rstrip("]") if mean is not None else ""
    for line in range(table.GetNumberOfRows()):
        yield columns[0].GetValue(line), Measured(_number(volume, line), _number(mean, line), unit)


def _number(column: Any, line: int) -> float | None:
    value = float(column.GetValue(line)) if column is not None else math.nan
    return value if math.isfinite(value) else None
