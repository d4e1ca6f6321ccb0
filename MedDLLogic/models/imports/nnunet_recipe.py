"""nnU-Net's preparation of images as a recipe, and its way through the volume as a tiling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

from ...errors import MedDLError
from ...recipe import (
    ApplyMask,
    Clip,
    CropToMask,
    Interpolation,
    Linear,
    MinMax,
    Nonzero,
    Orient,
    ResampleInBox,
    Step,
    Transpose,
    ZScore,
)
from ..card import Tiling
from .nnunet_plans import Plans

_AXES: tuple[Literal["k"], Literal["j"], Literal["i"]] = ("k", "j", "i")
_INTERPOLATIONS: dict[int, Interpolation] = {0: "nearest", 1: "linear", 3: "cubic"}
_NONZERO = "nonzero"
_SMALLEST_DEVIATION = 1e-8
_OVERLAP = 0.5


def recipe_of(plans: Plans, channels: int) -> tuple[Step, ...]:
    """The steps for an image of so many channels.

    Raises
    ------
    MedDLError : E401 for plans that do not say how each channel is normalized, E407 for a scheme that MedDL has not.
    """
    configuration = plans.configuration
    if not len(configuration.schemes) == len(configuration.masked) == channels:
        raise MedDLError("E401", "plans.json: normalization_schemes", f"one for each of {channels} channels is needed")
    return (
        *((Orient(plans.orient),) if plans.orient else ()),
        *_turned(plans.transpose),
        Nonzero(_NONZERO, filled=any(configuration.masked)),
        CropToMask(_NONZERO),
        *(step for channel in range(channels) for step in _normalized(plans, channel, channels)),
        _resampled(plans),
    )


def tiling_of(plans: Plans, mirrored: tuple[int, ...]) -> Tiling:
    """Half-overlapping patches, spread evenly; ``mirrored`` counts the network's axes from 0."""
    patch = plans.configuration.patch
    own = _AXES[3 - len(patch) :]
    if any(not 0 <= axis < len(own) for axis in mirrored):
        raise MedDLError("E401", "mirroring axes of the checkpoint", f"0 to {len(own) - 1}")
    k, j, i = (1,) * (3 - len(patch)) + patch
    return Tiling(
        (k, j, i),
        overlap=_OVERLAP,
        blend="gaussian_on_voxel",
        placement="even",
        mirror_axes=tuple(own[axis] for axis in sorted(set(mirrored))),
    )


def _turned(transpose: tuple[int, ...]) -> tuple[Step, ...]:
    if transpose == (0, 1, 2):
        return ()
    k, j, i = (_AXES[old] for old in transpose)
    return (Transpose((i, j, k)),)


def _normalized(plans: Plans, channel: int, channels: int) -> Iterator[Step]:
    which = () if channels == 1 else (channel,)
    scheme, is_masked = plans.configuration.schemes[channel], plans.configuration.masked[channel]
    if scheme == "CTNormalization":
        seen = plans.intensities.fields(str(channel))
        deviation = max(seen.number("std"), _SMALLEST_DEVIATION)
        yield Clip(seen.number("percentile_00_5"), seen.number("percentile_99_5"), which)
        yield Linear(1.0 / deviation, -seen.number("mean") / deviation, which)
    elif scheme == "ZScoreNormalization":
        yield ZScore(_NONZERO if is_masked else "", which)
        if is_masked:  # nnU-Net leaves the rest as it was, and that is 0
            yield ApplyMask(_NONZERO, 0.0, which)
    elif scheme == "RescaleTo01Normalization":
        yield MinMax("", which)
    elif scheme == "RGBTo01Normalization":
        yield Linear(1.0 / 255.0, 0.0, which)
    elif scheme != "NoNormalization":
        raise MedDLError("E407", "nnU-Net model not usable here", f"it normalizes by {scheme[:40]}")


def _resampled(plans: Plans) -> ResampleInBox:
    """A network of planes keeps the distance between them."""
    configuration = plans.configuration
    spacing_kji = (0.0,) * (3 - configuration.dimensions) + configuration.spacing_mm
    return ResampleInBox(
        cast("tuple[float, float, float]", spacing_kji[::-1]),
        _INTERPOLATIONS[configuration.data.order],
        configuration.data.apart_above,
    )
