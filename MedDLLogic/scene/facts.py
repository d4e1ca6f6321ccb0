"""What can be said of volumes before a run, without a look at their voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import PATIENT, Geometry, require_millimetres
from .mrml import Node
from .volumes import view_of_volume

_MODALITY_LENGTH = 4


@dataclass(frozen=True, eq=False)
class VolumeFacts:
    """A volume node at one moment, without its voxels.

    Parameters
    ----------
    node_id : of the volume node.
    world : its grid as it lies in the world, under its parent transform; None where ``refusal`` says why.
    scalar_type : numpy's name of the voxels' type, such as ``"int16"``.
    modality : DICOM's short name, empty when not known.
    frame_of_reference : identifier of the patient space, empty when not known.
    transform : kind of the parent transform.
    warnings : what a user should know, one sentence each.
    refusal : what ``read_volume`` would raise; None for a volume that can be read.
    """

    node_id: str = ""
    world: Geometry | None = None
    scalar_type: str = ""
    modality: str = ""
    frame_of_reference: str = ""
    transform: Literal["none", "linear", "non-linear"] = "none"
    is_label_map: bool = False
    warnings: tuple[str, ...] = ()
    refusal: MedDLError | None = None

    @property
    def size_ijk_mm(self) -> tuple[float, float, float] | None:
        """Length of the grid along i, j, k, edge to edge; None where millimetres are not known."""
        if self.world is None or self.world.frame != PATIENT:
            return None
        i, j, k = np.multiply(self.world.spacing_ijk_mm, self.world.shape_kji[::-1])
        return float(i), float(j), float(k)


@dataclass(frozen=True, eq=False)
class Fit:
    """Whether volumes go together with a model or each other.

    ``needs_yes`` says that a run refuses unless ``Job.allow_other_frame`` is set.
    """

    warnings: tuple[str, ...] = ()
    refusal: MedDLError | None = None
    needs_yes: bool = False


class Wanted(Protocol):
    """What of a card's ``InputSpec`` matters here."""

    @property
    def modality(self) -> str:
        """DICOM's short name."""

    def takes(self, modality: str) -> bool:
        """Whether an image that says to be of that modality, or says nothing, is of the wanted kind."""

    @property
    def in_patient(self) -> bool:
        """Whether pictures without a place in the patient are refused."""


def facts_of_volume(volume_node: Node) -> VolumeFacts:
    """What a volume node is; asks no voxel, so it may follow each change of a choice."""
    try:
        volume = view_of_volume(volume_node)
    except MedDLError as error:
        return VolumeFacts(str(volume_node.GetID() or "") if volume_node is not None else "", refusal=error)
    kind: Literal["linear", "non-linear"] = "linear" if volume.is_linear else "non-linear"
    return VolumeFacts(
        volume.node_id,
        volume.world_geometry,
        volume.image.voxels.dtype.name,
        volume.image.modality,
        volume.image.frame_of_reference,
        "none" if volume.lps_to_world is None else kind,
        bool(volume_node.IsA("vtkMRMLLabelMapVolumeNode")),
        volume.warnings,
    )


def fits_model(facts: VolumeFacts, wanted: Wanted) -> Fit:
    """Whether the volume is of the kind that one of a model's inputs asks for."""
    if facts.world is None:
        return Fit(refusal=facts.refusal)
    if wanted.in_patient:
        try:
            require_millimetres(facts.world)
        except MedDLError as error:
            return Fit(refusal=error)
    if wanted.takes(facts.modality):
        return Fit()
    # A tag's text may be anybody's name.
    is_short_name = facts.modality.isalpha() and facts.modality.isupper() and len(facts.modality) <= _MODALITY_LENGTH
    said = facts.modality if is_short_name else "something else"
    return Fit((f"The model wants {wanted.modality}, the volume says {said}.",))


def facts_together(facts: Mapping[str, VolumeFacts]) -> Fit:
    """Whether the volumes of several roles go together; the first is the one on whose grid results lie."""
    refused = [one.refusal for one in facts.values() if one.refusal is not None]
    if refused:
        return Fit(refusal=refused[0])
    (_, first), *others = facts.items() if facts else [("", VolumeFacts())]
    warnings: list[str] = []
    needs_yes = False
    for role, one in others:
        refusal = _refusal_beside(first, one, role)
        if refusal is not None:
            return Fit(refusal=refusal)
        if one.node_id == first.node_id:
            warnings.append(f"{role} is the same volume as the first.")
        if one.frame_of_reference and first.frame_of_reference not in ("", one.frame_of_reference):
            needs_yes = True
            warnings.append(f"{role} comes from another frame of reference; are they registered?")
        if not _grid(one).is_same_grid(_grid(first)):
            warnings.append(f"{role} has another grid and will be resampled onto the first volume's.")
    return Fit(tuple(warnings), None, needs_yes)


def _refusal_beside(first: VolumeFacts, one: VolumeFacts, role: str) -> MedDLError | None:
    if _grid(one).frame != _grid(first).frame:
        return MedDLError("E331", f"channel {role}", "one image lies in the patient, the other nowhere")
    if not _overlap(_grid(first), _grid(one)):
        return MedDLError("E331", f"channel {role}", "does not overlap the first image")
    return None


def _grid(facts: VolumeFacts) -> Geometry:
    if facts.world is None:
        raise MedDLError("E901", "a refused volume has no grid")
    return facts.world


def _overlap(first: Geometry, other: Geometry) -> bool:
    """Whether the box of the first grid's voxel centers and the other's box, edge to edge, have a point in common.

    Two boxes are apart exactly if they are so along a face's normal, or along one across an edge of each.
    """
    halves = [_half_edges(first, 1), _half_edges(other, 0)]
    between = first.center_lps_mm - other.center_lps_mm
    normals = [np.linalg.inv(grid.direction) for grid in (first, other)]
    crossed = [np.cross(a, b) for a, b in product(first.direction.T, other.direction.T)]
    axes = np.array([*normals[0], *normals[1], *crossed])
    reach = sum(np.abs(axes @ half).sum(axis=1) for half in halves)
    return bool(np.all(np.abs(axes @ between) <= reach + 1e-9))


def _half_edges(grid: Geometry, fewer: int) -> NDArray[np.float64]:
    """(3, 3) columns: half of each edge of the box, ``fewer`` voxels shorter, in mm."""
    lengths = np.asarray(grid.shape_kji[::-1], dtype=np.float64) - fewer
    return np.asarray(grid.ijk_to_lps[:3, :3] * lengths / 2.0, dtype=np.float64)
