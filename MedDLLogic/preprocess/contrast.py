"""Steps that bend or center a channel's values the way networks were trained on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from ..recipe import DeviationsAboveMinimum, Sigmoid, SoftLimit, ZScoreNonzero
from .channels import chosen, on_channels, with_channels
from .intensity import deviation
from .working import Found, StepFunction, Working


def zscore_nonzero(step: ZScoreNonzero, working: Working) -> tuple[Working, Found]:
    """Center and scale each channel's voxels that are not 0; where these have one value, it becomes 0."""
    which = chosen(working, step.channels)
    found: Found = {"mean": [], "std": []}
    made = []
    for volume in (working.voxels[n] for n in which):
        inside = volume != 0.0
        values = volume[inside]
        mean = float(values.mean(dtype=np.float64)) if values.size else 0.0
        spread = deviation(values) if values.size else 0.0
        centered = np.zeros_like(volume)
        if spread:
            centered[inside] = (values - np.float32(mean)) / np.float32(spread)
        made.append(centered)
        found["mean"].append(mean)
        found["std"].append(spread)
    return with_channels(working, which, made), found


def deviations_above_minimum(step: DeviationsAboveMinimum, working: Working) -> tuple[Working, Found]:
    """Subtract each channel's minimum, divide by its standard deviation."""
    which = chosen(working, step.channels)
    volumes = [working.voxels[n] for n in which]
    lows = [float(volume.min()) for volume in volumes]
    spreads = [deviation(volume) for volume in volumes]
    made = [
        (volume - np.float32(low)) / np.float32(spread) if spread else np.zeros_like(volume)
        for volume, low, spread in zip(volumes, lows, spreads, strict=True)
    ]
    return with_channels(working, which, made), {"low": lows, "std": spreads}


def sigmoid(step: Sigmoid, working: Working) -> tuple[Working, Found]:
    """Map every value to 0 .. 1."""
    return on_channels(working, step.channels, lambda volume: np.asarray(expit(volume), dtype=np.float32)), {}


def soft_limit(step: SoftLimit, working: Working) -> tuple[Working, Found]:
    """Draw large values towards a limit."""
    limit = np.float32(step.limit)
    return on_channels(working, step.channels, lambda volume: np.tanh(volume / limit) * limit), {}


CONTRAST_STEPS: Mapping[type, StepFunction] = {
    ZScoreNonzero: zscore_nonzero,
    DeviationsAboveMinimum: deviations_above_minimum,
    Sigmoid: sigmoid,
    SoftLimit: soft_limit,
}
