"""Voxels with their place in space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MedDLError
from .geometry import Geometry

Voxels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Image:
    """One or more channels on one grid.

    Parameters
    ----------
    voxels : (channel, k, j, i), real numbers; made read-only, not copied.
    geometry : the grid; ``voxels.shape[1:] == geometry.shape_kji``.
    channel_names : one a channel.
    modality : DICOM's short name (``"MR"``, ``"CT"``, ...), empty when not known.
    units : of the voxel values (``"HU"``, ``"SUV"``), empty for arbitrary units.
    frame_of_reference : identifier of the patient space, empty when not known.

    Raises
    ------
    MedDLError : E310 for complex or non-numeric voxels, E303 when shapes do not agree.
    """

    voxels: Voxels
    geometry: Geometry
    channel_names: tuple[str, ...] = ("image",)
    modality: str = ""
    units: str = ""
    frame_of_reference: str = ""

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels)
        if voxels.dtype.kind not in "buif":
            raise MedDLError("E310", "kind of voxel not supported", str(voxels.dtype), "give real numbers")
        if not self.channel_names:
            raise MedDLError("E303", "image has no channel")
        expected = (len(self.channel_names), *self.geometry.shape_kji)
        if voxels.shape != expected:
            raise MedDLError("E303", "voxels and grid do not agree", f"{voxels.shape} instead of {expected}")
        view = voxels.view()
        view.setflags(write=False)
        object.__setattr__(self, "voxels", view)

    def with_voxels(self, voxels: Voxels, geometry: Geometry | None = None) -> Image:
        """The same image with other voxels, (channel, k, j, i), and grid if given."""
        return replace(self, voxels=voxels, geometry=geometry or self.geometry)
