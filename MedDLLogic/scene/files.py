"""Segmentations and whole scenes to files and back.

These write to exactly the path they are given, and after a failure parts may lie beside it; that a
file takes its final name only when it is whole is the business of the writer that calls them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..disk import disk_error, refusal_of_more
from ..errors import MedDLError
from .mrml import Node, Scene, slicer, vtkObject
from .segments import content_of, is_labelmap, labels_kept, segments_of
from .whole import require_whole_archive, require_whole_nrrd

SEGMENTATION_SUFFIX = ".seg.nrrd"
SCENE_SUFFIX = ".mrb"


def write_segmentation(node: Node, path: Path) -> None:
    """Write a segmentation node as ``.seg.nrrd``, read it back and compare segments and voxel counts.

    3D Slicer packs several layers into as few as possible when it writes, and numbers the segments
    anew; ``read_segmentation`` restores layers and values. The node itself stays as it is.

    Raises
    ------
    MedDLError : E101 for another suffix, E301 without segments, E310 and E402 as ``segments_of``, E501
        on a full disk, E503 when the folder cannot be written to, E505 when the file does not hold
        what the node holds.
    """
    _require_suffix(path, SEGMENTATION_SUFFIX)
    _require_folder(path.parent)
    if not segments_of(node):
        raise MedDLError("E301", "there is no segment to write")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path.absolute()))
    with _quiet(), labels_kept([node]):
        written = bool(storage.WriteData(node))
    if not written or not path.is_file():
        raise _not_written(path, storage.GetUserMessages())
    _require_same_content(node, path)


def read_segmentation_file(scene: Scene, path: Path) -> Node:
    """A new segmentation node with the content of a ``.seg.nrrd`` file; the scene is as it was on any error.

    Raises
    ------
    MedDLError : E101 for another suffix, E301 when there is no such file, E305 when it is damaged, E310 for
        a grid of one voxel.
    """
    _require_suffix(path, SEGMENTATION_SUFFIX)
    _require_file(path)
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(path.name.removesuffix(SEGMENTATION_SUFFIX))
    _read_into(node, path)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    return node


def write_scene(scene: Scene, path: Path) -> None:
    """Write a scene and all its data as one ``.mrb`` file, and check the archive.

    Nodes that have no storage node get one, as always when a scene is saved.

    Raises
    ------
    MedDLError : E101 for another suffix, E501 on a full disk, E503 when the folder cannot be written
        to, E505 when the archive is damaged.
    """
    _require_suffix(path, SCENE_SUFFIX)
    _require_folder(path.parent)
    messages = slicer.vtkMRMLMessageCollection()
    with _quiet(), labels_kept(_labelmap_nodes(scene)):
        written = bool(scene.WriteToMRB(str(path.absolute()), None, messages))
    if not written or not path.is_file():
        raise _not_written(path, messages)
    require_whole_archive(path, code="E505")


def read_scene(scene: Scene, path: Path) -> None:
    """Add the content of an ``.mrb`` file to a scene.

    Raises
    ------
    MedDLError : E101 for another suffix, E301 when there is no such file, E305 when it cannot be read.
    """
    _require_suffix(path, SCENE_SUFFIX)
    _require_file(path)
    require_whole_archive(path, code="E305")
    messages = slicer.vtkMRMLMessageCollection()
    with _quiet(), _unpacking_folder(scene):
        read = bool(scene.ReadFromMRB(str(path.absolute()), 0, messages))
    if not read:
        raise MedDLError("E305", "scene file not readable", detail=messages.GetAllMessagesAsString())


def _read_into(node: Node, path: Path) -> None:
    segment_count = require_whole_nrrd(path)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path.absolute()))
    with _quiet():
        read = bool(storage.ReadData(node))
    if not read or node.GetSegmentation().GetNumberOfSegments() != segment_count:
        detail = storage.GetUserMessages().GetAllMessagesAsString()
        raise MedDLError("E305", "segmentation file not readable", detail=detail)


def _labelmap_nodes(scene: Scene) -> list[Node]:
    nodes = (scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(scene.GetNumberOfNodes()))
    return [node for node in nodes if node is not None and is_labelmap(node)]


def _require_same_content(node: Node, path: Path) -> None:
    copy = slicer.vtkMRMLSegmentationNode()
    try:
        _read_into(copy, path)
    except MedDLError as exc:
        if exc.code != "E305":
            raise
        refusal = _refusal(path.parent)
        raise disk_error(refusal) if refusal else MedDLError("E505", "written file is damaged", exc.why) from exc
    if content_of(copy) != content_of(node):
        raise MedDLError("E505", "segmentation file differs from the scene", "segments or voxel counts changed")


@contextmanager
def _quiet() -> Iterator[None]:
    """VTK prints paths and tag text to the console; what went wrong is told by our own error."""
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.SetGlobalWarningDisplay(0)
    try:
        yield
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)


@contextmanager
def _unpacking_folder(scene: Scene) -> Iterator[None]:
    """A folder into which a scene can unpack; the application has one, a scene of our own has not."""
    if scene.GetDataIOManager() is not None:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(folder)
        manager = slicer.vtkDataIOManager()
        manager.SetCacheManager(cache)
        scene.SetDataIOManager(manager)
        try:
            yield
        finally:
            scene.SetDataIOManager(None)


def _require_suffix(path: Path, suffix: str) -> None:
    if not path.name.lower().endswith(suffix):
        raise MedDLError("E101", "file name not usable", f"it must end in {suffix}")


def _require_folder(folder: Path) -> None:
    # VTK would make it, and a mistyped name would go unnoticed.
    if not folder.is_dir():
        raise MedDLError("E503", "", "the folder is not there")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise MedDLError("E301", "no such file")


def _not_written(path: Path, messages: Any) -> MedDLError:
    refusal = _refusal(path.parent)
    if refusal is not None:
        return disk_error(refusal)
    return MedDLError("E503", "file could not be written", detail=messages.GetAllMessagesAsString())


def _refusal(folder: Path) -> OSError | None:
    """What the disk answers when asked again, since VTK does not pass its answer on."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as probe:
            return refusal_of_more(Path(probe))
    except OSError as exc:
        return exc
