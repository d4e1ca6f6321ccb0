"""Steps that map each voxel's value by itself; a channel of one value becomes 0, never NaN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import find_peaks

from ..image import Voxels
from ..recipe import Clip, Linear, MinMax, Percentile, SuppressBright, Window, ZScore
from .channels import chosen, on_channels, with_channels
from .working import Found, StepFunction, Working

_SMALLEST = float(np.finfo(np.float32).tiny)
_PROMINENCE = 0.1


def window(step: Window, working: Working) -> tuple[Working, Found]:
    """Clip to a window and scale to 0 .. 1."""
    return working.with_voxels(_scaled(working.voxels, step.low, step.high)), {}


def percentile(step: Percentile, working: Working) -> tuple[Working, Found]:
    """Clip each channel to two of its percentiles and scale to 0 .. 1."""
    ends = [
        np.percentile(values, (step.low, step.high)).tolist()
        for values in _measured(working, step.mask, chosen(working, ()))
    ]
    voxels = [_scaled(volume, low, high) for volume, (low, high) in zip(working.voxels, ends, strict=True)]
    return working.with_voxels(np.stack(voxels)), {"low": [low for low, _ in ends], "high": [high for _, high in ends]}


def zscore(step: ZScore, working: Working) -> tuple[Working, Found]:
    """Subtract each channel's mean and divide by its (population) standard deviation."""
    which = chosen(working, step.channels)
    values = _measured(working, step.mask, which)
    means = [float(channel.mean(dtype=np.float64)) for channel in values]
    deviations = [deviation(channel) for channel in values]
    voxels = [
        (working.voxels[n] - np.float32(mean)) / np.float32(spread) if spread else np.zeros_like(working.voxels[n])
        for n, mean, spread in zip(which, means, deviations, strict=True)
    ]
    return with_channels(working, which, voxels), {"mean": means, "std": deviations}


def minmax(step: MinMax, working: Working) -> tuple[Working, Found]:
    """Scale each channel's minimum to 0 and maximum to 1; 0 outside the mask if one is named."""
    which = chosen(working, step.channels)
    ends = [(float(values.min()), float(values.max())) for values in _measured(working, step.mask, which)]
    voxels = [_scaled(working.voxels[n], *end) for n, end in zip(which, ends, strict=True)]
    if step.mask:
        voxels = [np.where(working.mask(step.mask), volume, np.float32(0.0)) for volume in voxels]
    found: Found = {"low": [low for low, _ in ends], "high": [high for _, high in ends]}
    return with_channels(working, which, voxels), found


def clip(step: Clip, working: Working) -> tuple[Working, Found]:
    """Limit values to a range."""
    return on_channels(working, step.channels, lambda volume: np.clip(volume, step.low, step.high)), {}


def linear(step: Linear, working: Working) -> tuple[Working, Found]:
    """Multiply and add."""
    scale, shift = np.float32(step.scale), np.float32(step.shift)
    return on_channels(working, step.channels, lambda volume: volume * scale + shift), {}


def suppress_bright(step: SuppressBright, working: Working) -> tuple[Working, Found]:
    """Set voxels far above the brightest tissue peak of their channel to 0."""
    cutoffs = [_bright_cutoff(volume[volume > 0], step) for volume in working.voxels]
    voxels = [
        volume if cutoff is None else np.where(volume > cutoff, np.float32(0.0), volume)
        for volume, cutoff in zip(working.voxels, cutoffs, strict=True)
    ]
    return working.with_voxels(np.stack(voxels)), {"cutoffs": cutoffs}


def _bright_cutoff(values: Voxels, step: SuppressBright) -> float | None:
    """The value above which a voxel is too bright; None where there is nothing to measure."""
    if not values.size:
        return None
    counts, edges = np.histogram(values.astype(np.float64), bins=step.bins)
    centers = (edges[:-1] + edges[1:]) / 2.0
    peaks, _ = find_peaks(counts, prominence=_PROMINENCE * counts.max())
    peak = centers[peaks[-1] if peaks.size else step.bins // 2]
    near = (centers > 0.5 * peak) & (centers < 1.5 * peak)
    if not counts[near].any():
        return None
    mean = np.average(centers[near], weights=counts[near])
    variance = np.average((centers[near] - mean) ** 2, weights=counts[near])
    return float(mean + step.deviations * np.sqrt(variance))


def _measured(working: Working, mask_name: str, channels: tuple[int, ...]) -> list[Voxels]:
    """The values of some channels, those in the mask if one is named."""
    volumes = [working.voxels[channel] for channel in channels]
    if not mask_name:
        return volumes
    mask = working.mask(mask_name)
    return [volume[mask] for volume in volumes]


def deviation(values: Voxels) -> float:
    """Standard deviation of the population; 0 for values that are all the same."""
    if values.min() == values.max():  # the computed deviation of equal values may be rounding noise
        return 0.0
    found = float(values.std(dtype=np.float64))
    return found if found >= _SMALLEST else 0.0


def _scaled(voxels: Voxels, low: float, high: float) -> Voxels:
    if high - low < _SMALLEST:
        return np.zeros_like(voxels)
    scaled = (np.clip(voxels, low, high) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0.0, 1.0, out=scaled)


INTENSITY_STEPS: Mapping[type, StepFunction] = {
    Window: window,
    Percentile: percentile,
    Clip: clip,
    ZScore: zscore,
    MinMax: minmax,
    Linear: linear,
    SuppressBright: suppress_bright,
}
