"""How a working volume is cut into patches: counted by the engine, and by plans before anything runs."""

from __future__ import annotations

import math
from dataclasses import replace

from ..job import Quality
from ..models.card import Tiling
from .windows import starts

FINE_OVERLAP = 0.75
"""Above this the time grows eightfold for a mask that hardly changes."""

Shape = tuple[int, int, int]


def tiling_for(tiling: Tiling, quality: Quality) -> Tiling:
    """The tiling to run with.

    ``"fast"`` halves the overlap that the card says, ``"fine"`` halves the step from patch to patch, but goes
    no further than ``FINE_OVERLAP``. A network that takes the whole volume has no patches to move.
    """
    if tiling.patch_kji is None or quality == "standard":
        return tiling
    if quality == "fast":
        return replace(tiling, overlap=tiling.overlap / 2)
    return replace(tiling, overlap=max(tiling.overlap, min((1 + tiling.overlap) / 2, FINE_OVERLAP)))


def tile_shape(shape_kji: Shape, tiling: Tiling) -> Shape:
    """Voxels that go through the network at once."""
    return shape_kji if tiling.patch_kji is None else tiling.patch_kji


def tile_count(shape_kji: Shape, tiling: Tiling) -> int:
    """How often the network is called for a working volume; once without patches."""
    if tiling.patch_kji is None:
        return 1
    axes = zip(shape_kji, tiling.patch_kji, strict=True)
    return math.prod(len(starts(size, patch, tiling)) for size, patch in axes)
