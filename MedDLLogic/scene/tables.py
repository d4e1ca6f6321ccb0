"""Measurements as a table node."""

from __future__ import annotations

from ..errors import MedDLError
from ..result import Result
from . import hierarchy
from .mrml import Node, Scene, slicer, vtkDoubleArray, vtkStringArray

SEGMENT_COLUMN = "Segment"

_NOT_MEASURED = float("nan")


def push_measurements(scene: Scene, result: Result, *, name: str, reference_node: Node | None = None) -> Node:
    """A new table node: one row a segment, one column a quantity, such as ``"Volume [ml]"``, with its unit label.

    A quantity that was not measured for a segment is not a number there. ``reference_node``, when
    given, is the volume beside which the table stands in the subject hierarchy.

    Raises
    ------
    MedDLError : E402 when a measurement names no segment of the result, or stands twice.
    """
    values = _by_column(result)
    node = slicer.vtkMRMLTableNode()
    node.SetName(name)
    node.AddColumn(_text_column(SEGMENT_COLUMN, [segment.name for segment in result.table]))
    for (quantity, unit), measured in values.items():
        title = _title(quantity, unit)
        node.AddColumn(_number_column(title, [measured.get(segment.id, _NOT_MEASURED) for segment in result.table]))
        node.SetColumnUnitLabel(title, unit)
    _use_titles(node)
    node.SetLocked(1)
    scene.AddNode(node)
    hierarchy.place_beside(scene, node, reference_node)
    return node


def _by_column(result: Result) -> dict[tuple[str, str], dict[str, float]]:
    columns: dict[tuple[str, str], dict[str, float]] = {}
    for measurement in result.measurements:
        column = columns.setdefault((measurement.quantity, measurement.unit), {})
        if result.table.by_id(measurement.segment_id).id in column:
            raise MedDLError("E402", "measured twice", f"{measurement.quantity} of {measurement.segment_id}")
        column[measurement.segment_id] = measurement.value
    return columns


def _title(quantity: str, unit: str) -> str:
    words = quantity.replace("_", " ")
    title = words[:1].upper() + words[1:]
    return f"{title} [{unit}]" if unit else title


def _text_column(title: str, texts: list[str]) -> object:
    column = vtkStringArray()
    column.SetName(title)
    for text in texts:
        column.InsertNextValue(text)
    return column


def _number_column(title: str, numbers: list[float]) -> object:
    column = vtkDoubleArray()
    column.SetName(title)
    for number in numbers:
        column.InsertNextValue(number)
    return column


def _use_titles(node: Node) -> None:
    """Let the columns' titles head the table; Slicer 5.13 renamed the call."""
    use = getattr(node, "SetUseColumnTitleAsColumnHeader", None) or node.SetUseColumnNameAsColumnHeader
    use(True)
