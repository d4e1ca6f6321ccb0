"""The demo head as a volume node under parent transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from MedDLLogic.image import Image


def away_from_volume_mm(image: Image) -> float:
    """Largest distance between a corner voxel of the volume and of its segmentation, both in the world."""
    import MedDLLogic
    from MedDLLogic.scene.create import new_scene
    from MedDLLogic.scene.segmentations import push_segmentation
    from MedDLLogic.scene.volumes import push_volume

    scene = new_scene()
    node = push_volume(scene, image, "head")
    linear = Rotation.from_euler("xyz", (25, -10, 40), degrees=True).as_matrix() @ np.diag([1.1, 0.9, 1.05])
    _put_under(scene, node, linear, (10.0, -20.0, 30.0))
    result = MedDLLogic.segment(node, model="brain-t1")
    pushed = push_segmentation(scene, result, name="brain", reference_node=node)
    segmentation = pushed.GetSegmentation()
    labelmap = segmentation.GetSegment("brain").GetRepresentation("Binary labelmap")
    k, j, i = image.geometry.shape_kji
    corners = [(a, b, c) for a in (0, i - 1) for b in (0, j - 1) for c in (0, k - 1)]
    return max(_apart(node, pushed, labelmap, corner) for corner in corners)


def brain_of_turned_head(image: Image, brain_of: Callable[[Any], np.ndarray]) -> np.ndarray:
    """The brain found in a head that lies on its side on disk and that a parent transform puts right."""
    from MedDLLogic.scene.create import new_scene
    from MedDLLogic.scene.volumes import push_volume

    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    scene = new_scene()
    node = push_volume(scene, image.with_voxels(image.voxels, image.geometry.transformed(turn)), "turned")
    # LPS and RAS differ by a half turn around z, which turns a rotation around x the other way.
    _put_under(scene, node, Rotation.from_euler("x", 90, degrees=True).as_matrix(), (0.0, 0.0, 0.0))
    return brain_of(node)


def _put_under(scene: Any, node: Any, linear_ras: np.ndarray, offset_ras_mm: tuple[float, float, float]) -> None:
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear_ras, offset_ras_mm
    from MedDLLogic.scene.mrml import vtkMatrix4x4

    parent = vtkMatrix4x4()
    parent.DeepCopy(matrix.ravel())
    transform.SetMatrixTransformToParent(parent)
    node.SetAndObserveTransformNodeID(transform.GetID())


def _apart(volume: Any, segmentation: Any, labelmap: Any, ijk: tuple[int, int, int]) -> float:
    from MedDLLogic.scene.mrml import vtkMatrix4x4

    places = []
    for node, fill in ((volume, volume.GetIJKToRASMatrix), (segmentation, labelmap.GetImageToWorldMatrix)):
        to_ras, to_world = vtkMatrix4x4(), vtkMatrix4x4()
        fill(to_ras)
        node.GetParentTransformNode().GetMatrixTransformToWorld(to_world)
        places.append(np.array(to_world.MultiplyPoint(to_ras.MultiplyPoint((*ijk, 1.0))))[:3])
    return float(np.linalg.norm(places[0] - places[1]))
