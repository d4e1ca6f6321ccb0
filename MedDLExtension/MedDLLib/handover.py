"""From the scene to the worker: what Apply saw, and the copy that is made of it when its turn comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from vtkmodules.vtkCommonCore import vtkWeakReference

from MedDLLogic.errors import MedDLError
from MedDLLogic.geometry import Geometry, Matrix
from MedDLLogic.image import Image
from MedDLLogic.job import Box, CardRef, Computing, InputRef, Job, Matrix4
from MedDLLogic.models.registry import FoundCard
from MedDLLogic.scene.roi import roi_box, roi_warnings
from MedDLLogic.scene.transforms import lps_to_world
from MedDLLogic.scene.volumes import SceneVolume, find_volume, geometry_of, read_volume

from .i18n import _
from .run_state import Wish

SEGMENTATION_CLASS = "vtkMRMLSegmentationNode"


class NodeRef:
    """A node that may be gone when it is needed. Another one that got its id is not taken for it."""

    def __init__(self, node: Any) -> None:
        self._id = node.GetID() or ""
        self._node = vtkWeakReference()
        self._node.Set(node)

    def find(self, scene: Any) -> Any:
        """The node, None when it is no longer in this scene."""
        node = scene.GetNodeByID(self._id) if self._id else None
        return node if node is not None and self.is_for(node) else None

    def is_for(self, node: Any) -> bool:
        """Whether this is the very node."""
        return node is self._node.Get()


@dataclass(frozen=True, eq=False)
class Seen:
    """A volume as it was when Apply was pressed; holds no voxels."""

    node: NodeRef
    geometry: Geometry
    world: Matrix | None
    voxels_changed: int

    def require_unchanged(self, scene: Any) -> Any:
        """The node; E604 when it is gone, was moved, or has other voxels by now."""
        node = self.node.find(scene)
        if node is None:
            raise MedDLError("E604", "the input volume is no longer in the scene", "", "choose it again")
        now = see(node)
        if now.voxels_changed != self.voxels_changed or now.geometry != self.geometry or not _same(now, self):
            raise MedDLError("E604", "the input volume was changed while the run waited", "", "run it again")
        return node


class Target:
    """The segmentation whose segments a result takes the place of, as the user last saw it when asking for that."""

    def __init__(self, node: Any) -> None:
        self._node, self._segments = NodeRef(node), _segments_as_they_are(node)

    def is_for(self, node: Any) -> bool:
        """Whether this is the very node."""
        return self._node.is_for(node)

    def require_unchanged(self, scene: Any) -> Any:
        """The node; E604 when it is gone, or when somebody has worked on its segments since."""
        node = self._node.find(scene)
        if node is None:
            raise MedDLError("E604", "the segmentation to be replaced is no longer in the scene")
        if _segments_as_they_are(node) != self._segments:
            raise MedDLError("E604", "the segmentation to be replaced was changed during the run")
        return node


@dataclass(frozen=True, eq=False)
class Order:
    """All that Apply asked for, resolved while the scene was as the user saw it.

    Nothing of it holds voxels or keeps a node alive: a queue of ten runs needs no more memory than one.
    """

    model: str
    found: FoundCard
    inputs: Mapping[str, Seen]
    box: Box | None
    replace: Target | None
    computing: Computing
    allow_other_frame: bool = False
    warnings: tuple[str, ...] = ()

    def after_push(self, node: Any) -> Order:
        """The same once another run's result is in the segmentation: that is no work of the user's to be kept."""
        return self if self.replace is None or not self.replace.is_for(node) else replace(self, replace=Target(node))


@dataclass(frozen=True, eq=False)
class Taken:
    """An input whose voxels are on their way; what is left is what the scene must still be like at the end."""

    node: NodeRef
    volume: SceneVolume
    voxels_changed: int

    def find(self, scene: Any) -> Any:
        """The node; E604 when it is gone, or was moved or re-gridded since."""
        node = self.node.find(scene)
        if node is None:
            raise MedDLError("E604", "the input volume is no longer in the scene")
        return find_volume(scene, self.volume)

    def warnings(self, node: Any) -> tuple[str, ...]:
        """What is to be known about the input that ``find`` found, at the end of its run."""
        if _voxels_changed(node) == self.voxels_changed:
            return self.volume.warnings
        changed = _("the volume was changed while the model ran; the result is of what it was")
        return (*self.volume.warnings, changed)


def take_order(scene: Any, wish: Wish, found: FoundCard) -> Order:
    """What the wish means in this scene at this moment.

    Raises
    ------
    MedDLError : E331 for other inputs than the model's, E604 for a node of another scene, E3xx for a
        volume that cannot be used, E310 for something else than a segmentation to be replaced.
    """
    roles = found.card.roles
    if set(wish.volumes) != set(roles):
        raise MedDLError("E331", "these are not the model's inputs", f"needed: {', '.join(roles)}")
    for node in (*wish.volumes.values(), wish.roi, wish.replace):
        if node is not None and scene.GetNodeByID(node.GetID() or "") is not node:
            raise MedDLError("E604", "a chosen node is not in this scene", "", "choose it again")
    if wish.replace is not None and not wish.replace.IsA(SEGMENTATION_CLASS):
        raise MedDLError("E310", "only a segmentation can be replaced")
    return Order(
        wish.model,
        found,
        {role: see(wish.volumes[role]) for role in roles},
        roi_box(wish.roi) if wish.roi is not None else None,
        Target(wish.replace) if wish.replace is not None else None,
        wish.computing,
        wish.allow_other_frame,
        roi_warnings(wish.roi) if wish.roi is not None else (),
    )


def see(volume_node: Any) -> Seen:
    """What a volume node is like now; E301, E303, E306, E307, E310 when it cannot be used."""
    geometry = geometry_of(volume_node)
    world = lps_to_world(volume_node, geometry.center_lps_mm)
    return Seen(NodeRef(volume_node), geometry, world, _voxels_changed(volume_node))


def hand_over(scene: Any, order: Order) -> tuple[Job, dict[str, Image], dict[str, Taken]]:
    """The job, its images by handle, and what is to be found again at the end. Voxels are copied here, once.

    Raises
    ------
    MedDLError : E604 when the scene is not what Apply saw.
    """
    nodes = {role: seen.require_unchanged(scene) for role, seen in order.inputs.items()}
    volumes = {role: read_volume(node) for role, node in nodes.items()}
    job = Job(
        "segment",
        {role: InputRef(handle=role, lps_to_world=_rows_of(volume.lps_to_world)) for role, volume in volumes.items()},
        card=CardRef(order.model, order.found.sha256),
        roi=order.box,
        allow_other_frame=order.allow_other_frame,
        **vars(order.computing),
    )
    taken = {
        role: Taken(seen.node, _without_voxels(volumes[role]), seen.voxels_changed)
        for role, seen in order.inputs.items()
    }
    return job, {role: volume.image for role, volume in volumes.items()}, taken


def _voxels_changed(volume_node: Any) -> int:
    """A number that is another one after each change; VTK counts over all objects, so no two arrays share one."""
    return int(volume_node.GetImageData().GetPointData().GetScalars().GetMTime())


def _segments_as_they_are(node: Any) -> tuple[tuple[str, int, int], ...]:
    """Id, label value and the number of the last change of each segment's voxels, or surface where that is kept."""
    segmentation = node.GetSegmentation()
    kind = segmentation.GetSourceRepresentationName()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    segments = [(segment_id, segmentation.GetSegment(segment_id)) for segment_id in ids]
    contents = [(segment_id, segment, segment.GetRepresentation(kind)) for segment_id, segment in segments]
    return tuple(
        (segment_id, segment.GetLabelValue(), content.GetMTime() if content is not None else 0)
        for segment_id, segment, content in contents
    )


def _same(one: Seen, other: Seen) -> bool:
    grids = [s.geometry if s.world is None else s.geometry.transformed(s.world) for s in (one, other)]
    return grids[0].is_same_grid(grids[1])


def _without_voxels(volume: SceneVolume) -> SceneVolume:
    """The same with voxels that take no memory: what is compared at the end is the grid."""
    nothing = np.broadcast_to(np.uint8(0), volume.image.voxels.shape)
    return replace(volume, image=volume.image.with_voxels(nothing))


def _rows_of(matrix: Matrix | None) -> Matrix4 | None:
    if matrix is None:
        return None
    a, b, c, d = ((float(w), float(x), float(y), float(z)) for w, x, y, z in matrix)
    return a, b, c, d
