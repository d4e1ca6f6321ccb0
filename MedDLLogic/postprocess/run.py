"""Carries out postprocessing steps on finished masks, each within the box it can change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from ..errors import MedDLError
from ..geometry import Geometry, require_millimetres
from ..masks import LabelVolume, Mask, Masks
from ..preprocess.box import VoxelBox
from ..recipe import FillHoles, LargestComponent, PostStep, RemoveSmall, Smooth
from .components import largest_component, without_small
from .outline import SIGMAS_REACHED, smoothed, without_holes

Operation = Callable[[Mask], Mask]
Slices = tuple[slice, ...]


def apply_postprocess(steps: tuple[PostStep, ...], masks: Masks, geometry: Geometry) -> Masks:
    """All masks, the named ones cleaned; what came in is not changed.

    Each mask is cleaned by itself, so one that grows may come to lie over another one.

    Parameters
    ----------
    steps : carried out in order, on the masks each of them names, or on all.
    masks : on ``geometry``; empty ones stay empty.

    Raises
    ------
    MedDLError : E103 for a name that is not there, E330 for a step in millimetres on a picture
        without a patient frame, E332 for masks that do not lie on ``geometry``.
    """
    if masks.shape_kji != geometry.shape_kji:
        raise MedDLError("E332", "mask does not lie on the grid", f"{masks.shape_kji}")
    if not steps:
        return masks
    workbench = _Workbench(masks)
    for step in steps:
        operation, margin_kji = _operation(step, geometry)
        boxes = workbench.boxes()
        for name in dict.fromkeys(step.segments or masks):
            if name not in masks:
                raise MedDLError("E103", f"segment not known to step {step.kind}", name[:40])
            if name in boxes:
                workbench.change(name, boxes[name].widened(margin_kji, geometry.shape_kji).slices, operation)
    return workbench.finished()


def _operation(step: PostStep, geometry: Geometry) -> tuple[Operation, NDArray[np.float64]]:
    """What a step does to a cropped mask, and the margin of voxels k, j, i it needs around it."""
    one_voxel = np.ones(3)  # lets the box be flat only where the whole volume is
    match step:
        case LargestComponent():
            return largest_component, one_voxel
        case FillHoles():
            return without_holes, one_voxel
        case RemoveSmall():
            require_millimetres(geometry)
            min_voxels = round(step.min_volume_mm3 / geometry.voxel_volume_mm3, 6)
            return partial(without_small, min_voxels=min_voxels), one_voxel
        case Smooth():
            require_millimetres(geometry)
            sigma_kji = step.sigma_mm / np.asarray(geometry.spacing_ijk_mm[::-1])
            return partial(smoothed, sigma_kji=tuple(sigma_kji)), SIGMAS_REACHED * sigma_kji + 1.0


class _Workbench:
    """Masks under change: a volume is copied once, and a mask that grows over another one goes to a further volume."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._volumes = list(masks.volumes)
        self._places = dict(masks.places)
        self._given = len(masks.volumes)
        self._copied: set[int] = set()

    def boxes(self) -> dict[str, VoxelBox]:
        """The smallest box around each mask that has a voxel; one search a volume, however many masks it holds."""
        found = [find_objects(volume) for volume in self._volumes]
        named = ((name, found[number][value - 1 : value]) for name, (number, value) in self._places.items())
        return {
            name: VoxelBox(tuple(s.start for s in slices[0]), tuple(s.stop for s in slices[0]))
            for name, slices in named
            if slices and slices[0] is not None
        }

    def change(self, name: str, slices: Slices, operation: Operation) -> None:
        """Let the operation make a new mask of that part of one, which holds all of it."""
        number, value = self._places[name]
        before = self._volumes[number][slices] == value
        after = operation(before)
        if np.array_equal(before, after):
            return
        part = self._own(number)[slices]
        part[before] = 0
        if self._is_taken(number)[part[after]].any():
            self._places[name] = self._put(slices, after)
        else:
            part[after] = value

    def finished(self) -> Masks:
        """The masks as they are now."""
        return Masks(self._masks.shape_kji, tuple(self._volumes), self._places)

    def _own(self, number: int) -> LabelVolume:
        if number < self._given and number not in self._copied:
            self._volumes[number] = self._volumes[number].copy()
            self._copied.add(number)
        return self._volumes[number]

    def _is_taken(self, number: int) -> NDArray[np.bool_]:
        """For every value of a volume whether it is a mask's."""
        taken = np.zeros(np.iinfo(self._volumes[number].dtype).max + 1, dtype=bool)
        taken[[value for volume, value in self._places.values() if volume == number]] = True
        return taken

    def _put(self, slices: Slices, mask: Mask) -> tuple[int, int]:
        """Place of a mask in the first further volume that is free where it lies."""
        for number in range(self._given, len(self._volumes)):
            part = self._volumes[number][slices]
            value = 1 + max((v for n, v in self._places.values() if n == number), default=0)
            if value <= np.iinfo(part.dtype).max and not part[mask].any():
                part[mask] = value
                return number, value
        self._volumes.append(np.zeros(self._masks.shape_kji, dtype=np.uint8))
        self._volumes[-1][slices][mask] = 1
        return len(self._volumes) - 1, 1
