"""Where the windows of a volume lie, and how much each of their voxels weighs; one axis at a time.

Weights are separable: the sum of all weights on a voxel is the product of three numbers, one an axis, so nobody
needs a second volume to count them in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models.card import Blend, Tiling

SIGMA = 1 / 8
"""Of the Gaussian weights, as a share of the patch."""

FLOOR = 1e-3
"""Least weight of a voxel where a blend has a floor: MONAI's."""

FloatRow = NDArray[np.float64]


def starts(size: int, patch: int, tiling: Tiling) -> tuple[int, ...]:
    """First voxel of each window along one axis of ``size`` voxels, ascending; ``(0,)`` where one patch covers it.

    ``"regular"`` is the way of MONAI's ``sliding_window_inference``, ``"even"`` that of nnU-Net's predictor.
    """
    rest = size - patch
    if rest <= 0:
        return (0,)
    if tiling.placement == "regular":
        step = max(1, int(patch * (1 - tiling.overlap)))
        return (*range(0, rest, step), rest)
    # A patch of one voxel, as networks of planes have it, would stand twice in one place for less than a voxel.
    count = math.ceil(rest / max(1.0, patch * (1 - tiling.overlap)))
    return tuple(round(rest / count * n) for n in range(count + 1))


def padding_before(size: int, patch: int) -> int:
    """Voxels of padding in front of an axis that is shorter than the patch; behind it there are as many, or one more."""
    return max(0, patch - size) // 2


def axis_weights(length: int, blend: Blend) -> FloatRow:
    """Weights of a patch's voxels along one axis; ``is_symmetric`` says which are the same from both ends.

    They fall to 3e-4 at the ends of an axis and nowhere to 0: float32 holds the product of three, and divides by it.
    """
    if blend == "constant":
        return np.ones(length)
    center = (length - 1) / 2 if is_symmetric(blend) else length // 2
    from_center = np.arange(length) - center
    return np.exp(-((from_center / (SIGMA * length)) ** 2) / 2)


def is_symmetric(blend: Blend) -> bool:
    """Whether a mirrored patch has the same weights."""
    return blend != "gaussian_on_voxel"


def weights(shape_kji: tuple[int, int, int], blend: Blend) -> NDArray[np.float32]:
    """(k, j, i) float32 weights of a patch's voxels: what activations are multiplied with before they are added up."""
    along_k, along_j, along_i = (axis_weights(length, blend) for length in shape_kji)
    product: FloatRow = along_k[:, None, None] * along_j[:, None] * along_i
    return _floored(product, blend).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Cut:
    """One axis of a volume and the windows along it.

    Parameters
    ----------
    starts : first voxel of each window, ascending.
    inside : the part of each patch that lies in the volume, which of a smaller volume is not all.
    weights : of the voxels of that part.
    """

    size: int
    patch: int
    starts: tuple[int, ...]
    inside: slice
    weights: FloatRow

    @property
    def extent(self) -> int:
        """Voxels of the volume in each window."""
        return min(self.size, self.patch)

    @property
    def sums(self) -> FloatRow:
        """(size,) weights that all windows along the axis together lay on its voxels."""
        sums = np.zeros(self.size)
        for start in self.starts:
            sums[start : start + self.extent] += self.weights
        return sums

    def seen(self, start: int) -> int:
        """How many of a window's voxels, from its start on, the windows before it had too."""
        number = self.starts.index(start)
        return self.starts[number - 1] + self.extent - start if number else 0


def cut_axis(size: int, patch: int, tiling: Tiling) -> Cut:
    """How an axis of ``size`` voxels is cut into windows of ``patch``."""
    low = padding_before(size, patch)
    inside = slice(low, low + min(size, patch))
    row = axis_weights(patch, tiling.blend)[inside]
    return Cut(size, patch, starts(size, patch, tiling), inside, row)


def plane_sums(cuts: tuple[Cut, Cut, Cut], blend: Blend) -> Callable[[int], NDArray[np.float32]]:
    """Gives, for a plane's number along the first axis, the (height, width) sums of all windows' weights on its voxels.

    A floor makes an end of the product of three: then every window of the plane is looked at, at the cost of a plane.
    """
    along, down, across = cuts
    along_sums, down_sums, across_sums = (cut.sums for cut in cuts)
    if blend != "gaussian_floored":
        return lambda plane: np.multiply.outer(along_sums[plane] * down_sums, across_sums).astype(np.float32)

    def summed(plane: int) -> NDArray[np.float32]:
        sums = np.zeros((down.size, across.size))
        for start, row, column in itertools.product(along.starts, down.starts, across.starts):
            if start <= plane < start + along.extent:
                product = np.multiply.outer(along.weights[plane - start] * down.weights, across.weights)
                sums[row : row + down.extent, column : column + across.extent] += _floored(product, blend)
        return sums.astype(np.float32)

    return summed


def _floored(product: FloatRow, blend: Blend) -> FloatRow:
    return np.maximum(product, FLOOR) if blend == "gaussian_floored" else product
