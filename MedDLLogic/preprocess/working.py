"""What a recipe works on: an image and the masks that lie on the same grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from ..geometry import Geometry
from ..image import Image, Voxels
from ..recipe import MAX_VALUE, Interpolation
from .grid import regrid

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Working:
    """An image, its voxels turned into float32, and named masks on its grid.

    Parameters
    ----------
    image : (channel, k, j, i) voxels, finite and within ``MAX_VALUE``.
    masks : name -> (k, j, i) bool.

    Raises
    ------
    MedDLError : E309 for NaN, infinity and values beyond ``MAX_VALUE``, E332 for a mask that does
        not lie on the image's grid.
    """

    image: Image
    masks: Mapping[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # what does not fit becomes infinite and is refused
            voxels = self.image.voxels.astype(np.float32, copy=False)
        if not (-MAX_VALUE <= voxels.min() and voxels.max() <= MAX_VALUE):
            raise MedDLError("E309", "voxel values not usable", f"NaN, infinite or beyond {MAX_VALUE:g}")
        for name, mask in self.masks.items():
            if mask.dtype != np.bool_ or mask.shape != self.geometry.shape_kji:
                raise MedDLError("E332", "mask does not lie on the image's grid", f"{name[:40]}: {mask.shape}")
        object.__setattr__(self, "image", self.image.with_voxels(voxels))

    @property
    def geometry(self) -> Geometry:
        """The working grid."""
        return self.image.geometry

    @property
    def voxels(self) -> Voxels:
        """(channel, k, j, i) float32, read-only."""
        return self.image.voxels

    def mask(self, name: str) -> Mask:
        """(k, j, i) mask of that name; E103 when no step or stage made one, E607 when it is empty."""
        if name not in self.masks:
            raise MedDLError("E103", "mask not known", name[:40], "an earlier step or stage must make it")
        if not self.masks[name].any():
            raise MedDLError("E607", "nothing found to go on with", f"mask {name[:40]} is empty")
        return self.masks[name]

    def with_mask(self, name: str, mask: Mask) -> Working:
        """The same image with one more mask, (k, j, i)."""
        return replace(self, masks={**self.masks, name: mask})

    def with_voxels(self, voxels: Voxels) -> Working:
        """The same grid and masks with other voxels, (channel, k, j, i)."""
        return replace(self, image=self.image.with_voxels(voxels))

    def onto(self, grid: Geometry, interpolation: Interpolation = "linear", fill: float = 0.0) -> Working:
        """Image and masks on another grid; masks by nearest neighbour, outside them is False."""
        voxels = regrid(self.voxels, self.geometry, grid, interpolation, fill)
        masks = {name: regrid(mask, self.geometry, grid, "nearest") for name, mask in self.masks.items()}
        return Working(self.image.with_voxels(voxels, grid), masks)


Found = dict[str, Any]
"""What a step measured or chose, as JSON values."""

StepFunction = Callable[[Any, Working], tuple[Working, Found]]
"""Carries out one kind of step."""
