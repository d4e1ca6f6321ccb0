"""A result as Slicer's own files: a segmentation, or a whole scene with image, segments and table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..image import Image
from ..io.write import WrittenFile, differs, write_atomically
from ..result import Result


def write_segmentation_file(path: Path, result: Result, image: Image) -> WrittenFile:
    """A ``.seg.nrrd`` with every segment of the result, on the image's grid.

    Raises
    ------
    MedDLError : E104 without slicer-core, and what the scene and the writer raise.
    """
    from ..scene.create import new_scene
    from ..scene.files import read_segmentation_file, write_segmentation
    from ..scene.segments import voxel_counts

    scene = new_scene()
    node, _ = _push(scene, result, image, path.name.removesuffix(".seg.nrrd"))
    meant = voxel_counts(node)

    def verify(partial: Path) -> None:
        if voxel_counts(read_segmentation_file(new_scene(), partial)) != meant:
            raise differs("other voxels were read back")

    return write_atomically(path, lambda partial: write_segmentation(node, partial), verify)


def write_scene_file(path: Path, result: Result, image: Image, name: str) -> WrittenFile:
    """A ``.mrb`` that opens in Slicer: image, segmentation, table, and the result's other volumes if there are any.

    Raises
    ------
    MedDLError : as ``write_segmentation_file``.
    """
    from ..scene.create import new_scene, show_in_slices
    from ..scene.files import read_scene, write_scene
    from ..scene.segments import voxel_counts
    from ..scene.tables import push_measurements
    from ..scene.volumes import push_volume

    scene = new_scene()
    node, volume = _push(scene, result, image, name)
    push_measurements(scene, result, name=f"{name} measurements", reference_node=volume)
    probabilities = {f"{segment_id} probability": voxels for segment_id, voxels in result.probabilities.items()}
    for title, voxels in {**probabilities, **result.uncertainty}.items():
        push_volume(scene, Image(voxels[None], result.geometry, (title,)), f"{name} {title}", reference_node=volume)
    show_in_slices(scene, volume)
    meant = voxel_counts(node)

    def verify(partial: Path) -> None:
        again = new_scene()
        read_scene(again, partial)
        found = again.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        if found is None or voxel_counts(found) != meant:
            raise differs("other voxels were read back")

    return write_atomically(path, lambda partial: write_scene(scene, partial), verify)


def _push(scene: Any, result: Result, image: Image, name: str) -> tuple[Any, Any]:
    """The new segmentation node, and the volume node it lies on."""
    from ..scene.segmentations import push_segmentation
    from ..scene.volumes import push_volume

    volume = push_volume(scene, image, name)
    node = push_segmentation(
        scene,
        result,
        name=f"{name} segmentation",
        reference_node=volume,
        algorithm_name=f"MedDL {result.provenance.card}",
        algorithm_version=result.provenance.card_version,
    )
    return node, volume
