"""Volume nodes to images and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath

from ..errors import MedDLError
from ..geometry import GRID_TOLERANCE, UNKNOWN, Geometry, Matrix
from ..image import Image
from . import hierarchy, transforms
from .arrays import copied, grid_of, ras_matrix, set_voxels, voxels_of
from .mrml import Node, Scene, slicer, vtkImageData, vtkMatrix4x4

_UNITS = {"[hnsf'U]": "HU", "{SUVbw}g/ml": "SUV"}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
_MODALITY = "DICOM.Modality"
_FRAME = "DICOM.FrameOfReferenceUID"
_GRID_FRAME = "MedDL.GridFrame"
"""Attribute of the volume nodes that are made here of pictures."""


@dataclass(frozen=True, eq=False)
class SceneVolume:
    """A volume node's content at one moment; shares no memory with the scene.

    Parameters
    ----------
    image : voxels (1, k, j, i) on the node's own grid, parent transforms left out.
    node_id : of the volume node; ``find_volume`` resolves it.
    lps_to_world : (4, 4) map from the grid's LPS to the world's; None without a parent transform.
        Under a non-linear one its tangent at the middle of the volume.
    is_linear : False under a non-linear parent transform.
    warnings : what a user should know, one sentence each.
    """

    image: Image
    node_id: str
    lps_to_world: Matrix | None = None
    is_linear: bool = True
    warnings: tuple[str, ...] = ()

    @property
    def world_geometry(self) -> Geometry:
        """The grid as it lies in the world; orientation and millimetres are those of this one."""
        grid = self.image.geometry
        return grid if self.lps_to_world is None else grid.transformed(self.lps_to_world)


def read_volume(volume_node: Node) -> SceneVolume:
    """The image of a scalar or label map volume node, with its parent transform.

    The time this takes is that of one copy of the voxels; nothing looks at their values.

    Raises
    ------
    MedDLError : E301 without voxels, E310 for any other kind of node or several components a voxel,
        E303, E306, E307 for a grid or a parent transform that cannot be.
    """
    volume = view_of_volume(volume_node)
    return replace(volume, image=volume.image.with_voxels(copied(volume.image.voxels[0])[None]))


def view_of_volume(volume_node: Node) -> SceneVolume:
    """The same, but its voxels are the scene's own memory: for a look at once, not to be kept. Raises as above."""
    geometry = geometry_of(volume_node)
    image = Image(
        voxels_of(volume_node.GetImageData())[None],
        geometry,
        modality=hierarchy.attribute(volume_node, _MODALITY),
        units=_units_of(volume_node),
        frame_of_reference=hierarchy.attribute(volume_node, _FRAME),
    )
    return SceneVolume(
        image,
        node_id=str(volume_node.GetID() or ""),
        lps_to_world=transforms.lps_to_world(volume_node, geometry.center_lps_mm),
        is_linear=transforms.is_linear(volume_node),
        warnings=tuple(_warnings_about(volume_node)),
    )


def geometry_of(volume_node: Node) -> Geometry:
    """The node's own grid, from its IJK-to-RAS matrix; parent transforms are left out.

    The frame is ``"unknown"`` for a picture file, whose place and size nobody knows. Raises as ``read_volume``.
    """
    if volume_node is None or not volume_node.IsA("vtkMRMLScalarVolumeNode"):
        raise MedDLError("E310", "this is not a volume of one value a voxel", hint="choose a scalar volume")
    image_data = volume_node.GetImageData()
    voxels_of(image_data)
    ijk_to_ras = vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(ijk_to_ras)
    geometry = grid_of(ijk_to_ras, image_data.GetExtent())
    return Geometry(geometry.shape_kji, geometry.ijk_to_lps, UNKNOWN) if _is_picture(volume_node) else geometry


def find_volume(scene: Scene, volume: SceneVolume) -> Node:
    """The node that ``volume`` was read from.

    Raises
    ------
    MedDLError : E604 when it is gone, or its grid or parent transform is another one by now.
    """
    node = scene.GetNodeByID(volume.node_id) if volume.node_id else None
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        raise MedDLError("E604", "the input volume is no longer in the scene", hint="load it and run again")
    geometry = geometry_of(node)
    now = SceneVolume(volume.image, volume.node_id, transforms.lps_to_world(node, geometry.center_lps_mm))
    if not geometry.is_same_grid(volume.image.geometry) or not now.world_geometry.is_same_grid(volume.world_geometry):
        raise MedDLError("E604", "the input volume was moved or re-gridded during the run", hint="run it again")
    return node


def require_same_grid(scene: Scene, reference_node: Node, geometry: Geometry) -> None:
    """Raise E604 when the volume node is not in the scene, E332 when it has another grid than ``geometry``."""
    if scene.GetNodeByID(reference_node.GetID() or "") is not reference_node:
        raise MedDLError("E604", "the input volume is not in this scene", hint="choose it again")
    require_grid_of(reference_node, geometry)


def require_grid_of(volume_node: Node, geometry: Geometry) -> None:
    """Raise E332 when the volume node has another grid than ``geometry``."""
    found = geometry_of(volume_node)
    if not found.is_same_grid(geometry, GRID_TOLERANCE):
        why = f"{geometry.shape_kji} voxels k, j, i, the volume has {found.shape_kji}"
        raise MedDLError("E332", "the result does not lie on the grid of this volume", why)


def push_volume(scene: Scene, image: Image, name: str, *, reference_node: Node | None = None) -> Node:
    """A new scalar volume node with a copy of a one-channel image.

    ``reference_node``, when given, is the volume it belongs to: same grid, same parent transform,
    beside it in the subject hierarchy.

    Raises
    ------
    MedDLError : E310 for several channels, E332 and E604 as ``require_same_grid``.
    """
    if image.voxels.shape[0] != 1:
        raise MedDLError("E310", "one channel makes a volume node", f"{image.voxels.shape[0]} channels")
    if reference_node is not None:
        require_same_grid(scene, reference_node, image.geometry)
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(name)
    voxels = vtkImageData()
    set_voxels(voxels, image.voxels[0])
    node.SetIJKToRASMatrix(ras_matrix(image.geometry))
    node.SetAndObserveImageData(voxels)
    if image.geometry.frame == UNKNOWN:
        node.SetAttribute(_GRID_FRAME, UNKNOWN)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    if reference_node is not None:
        node.SetAndObserveTransformNodeID(reference_node.GetTransformNodeID())
    hierarchy.place_beside(scene, node, reference_node)
    return node


def _units_of(volume_node: Node) -> str:
    entry = volume_node.GetVoxelValueUnits()
    return _UNITS.get(entry.GetCodeValue() or "", "") if entry is not None else ""


def _is_picture(volume_node: Node) -> bool:
    if volume_node.GetAttribute(_GRID_FRAME) == UNKNOWN:
        return True
    storage = volume_node.GetStorageNode()
    name = storage.GetFileName() if storage is not None else None
    return name is not None and PurePath(name).suffix.lower() in _PICTURES


def _warnings_about(volume_node: Node) -> list[str]:
    warnings = []
    if volume_node.IsA("vtkMRMLLabelMapVolumeNode"):
        warnings.append("This is a label map; its label values are taken as intensities.")
    if not transforms.is_linear(volume_node):
        warnings.append(
            "The parent transform is not linear; orientation is that at the middle of the volume, "
            "volumes in ml follow the transform everywhere."
        )
    return warnings
