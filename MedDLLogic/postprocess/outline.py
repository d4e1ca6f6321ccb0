"""Cavities and outline of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter

Mask = NDArray[np.bool_]

SIGMAS_REACHED = 4.0
"""Distance, in standard deviations, at which the smoothing Gaussian is cut off."""


def without_holes(mask: Mask) -> Mask:
    """(k, j, i) mask with its cavities filled; in an image of a single plane, the holes in the plane."""
    return np.asarray(binary_fill_holes(np.squeeze(mask))).reshape(mask.shape)


def smoothed(mask: Mask, sigma_kji: tuple[float, ...]) -> Mask:
    """(k, j, i) where the mask, smoothed with a Gaussian, is above one half."""
    return np.asarray(
        gaussian_filter(mask.astype(np.float32), sigma_kji, mode="nearest", truncate=SIGMAS_REACHED) > 0.5
    )
