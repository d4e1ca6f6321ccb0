"""Nodes of the scene to files that the user named, each through the one atomic writer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from MedDLLogic.errors import MedDLError
from MedDLLogic.io.write import Cell, WrittenFile, write_atomically, write_csv
from MedDLLogic.scene.files import SCENE_SUFFIX, SEGMENTATION_SUFFIX, write_scene, write_segmentation
from MedDLLogic.scene.segmentations import ALGORITHM_NAME_TAG
from MedDLLogic.scene.segments import tag
from MedDLLogic.scene.whole import require_whole_archive, require_whole_nrrd

TABLE_SUFFIX = ".csv"


def proposed_name(segmentation_node: Any) -> str:
    """A file name without its ending: the model's, never a node's, which may be a patient's."""
    segmentation = segmentation_node.GetSegmentation()
    first = segmentation.GetNthSegment(0) if segmentation.GetNumberOfSegments() else None
    words = tag(first, ALGORITHM_NAME_TAG).split() if first is not None else []
    name = words[0] if words else ""
    usable = name.isascii() and all(sign.isalnum() or sign == "-" for sign in name)
    return name if name and usable else "result"


def with_suffix(path: str, suffix: str) -> Path:
    """The path with that ending.

    Raises
    ------
    MedDLError : E503 when the ending had to be added and such a file is there, which nobody was asked about.
    """
    if path.lower().endswith(suffix):
        return Path(path)
    whole = Path(path + suffix)
    if whole.exists():
        raise MedDLError(
            "E503", "not written", f"that name with {suffix} is there", "choose the file itself to replace it"
        )
    return whole


def export_segmentation(node: Any, path: str) -> WrittenFile:
    """Write a segmentation node; the errors of ``write_segmentation`` and ``write_atomically``."""
    place = with_suffix(path, SEGMENTATION_SUFFIX)
    return write_atomically(place, lambda partial: write_segmentation(node, partial), require_whole_nrrd)


def export_scene(scene: Any, path: str) -> WrittenFile:
    """Write a whole scene; the errors of ``write_scene`` and ``write_atomically``."""
    place = with_suffix(path, SCENE_SUFFIX)
    return write_atomically(
        place, lambda partial: write_scene(scene, partial), lambda partial: require_whole_archive(partial, code="E505")
    )


def export_table(node: Any, path: str) -> WrittenFile:
    """Write a table node as comma-separated text; the errors of ``write_csv``."""
    return write_csv(with_suffix(path, TABLE_SUFFIX), rows_of_table(node))


def rows_of_table(node: Any) -> list[list[Cell]]:
    """The columns' names, then one row a line; what is not a number is an empty cell."""
    columns = [node.GetTable().GetColumn(n) for n in range(node.GetNumberOfColumns())]
    header: list[Cell] = [str(column.GetName()) for column in columns]
    lines = range(node.GetNumberOfRows())
    return [header, *([_cell(column.GetVariantValue(line)) for column in columns] for line in lines)]


def _cell(value: Any) -> Cell:
    if value.IsString():
        return str(value.ToString())
    number = float(value.ToDouble())
    return number if math.isfinite(number) else None
