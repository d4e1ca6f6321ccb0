"""Activations on the working grid to masks on the input's grid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from ..errors import MedDLError
from ..geometry import Geometry
from ..models.card import Decode, NoBackgroundIn
from ..preprocess.grid import regrid
from .backend import Floats

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Decoded:
    """Masks by id on the input's grid, and where asked for the activated channels there too."""

    masks: Mapping[str, Mask]
    probabilities: Mapping[str, Floats] = field(default_factory=dict)


def decode(
    activations: Floats,
    rule: Decode,
    working_masks: Mapping[str, Mask],
    working: Geometry,
    native: Geometry,
    *,
    probabilities_of: Collection[str] = (),
) -> Decoded:
    """The masks that the card names, on the ``native`` grid; outside the working grid there is none.

    Channels go back one at a time, so no more than three native volumes are held beside the masks.

    Parameters
    ----------
    activations : (channel, k, j, i) on the ``working`` grid; used up, since a copy of all channels
        would be the largest array of the run.
    working_masks : id -> (k, j, i) on the ``working`` grid.
    probabilities_of : ids of masks whose activated channel is given too.

    Raises
    ------
    MedDLError : E406 when the network gives another number of channels than the card names, E401
        when a rule names a mask that is not there.
    """
    if len(activations) != len(rule.channels):
        raise MedDLError("E406", "network and card differ", f"{len(activations)} channels, not {len(rule.channels)}")
    _activate(activations, rule)
    if rule.no_background_in is not None:
        activations[0][_no_background(rule.no_background_in, working_masks)] = 0.0

    def on_native(channel: int) -> Floats:
        return np.asarray(regrid(activations[channel], working, native, rule.restore), dtype=np.float32)

    covered = regrid(np.ones(working.shape_kji, dtype=bool), working, native, "nearest")
    find = _strongest if rule.rule == "argmax" else _above
    masks = find(on_native, rule, np.asarray(covered, dtype=bool))
    kept = {name: on_native(n) for n, name in enumerate(rule.channels) if name in probabilities_of}
    return Decoded(masks, kept)


def _activate(activations: Floats, rule: Decode) -> None:
    """In place, since the activations of a large volume with many classes do not fit twice."""
    if rule.activation == "softmax":
        activations -= activations.max(axis=0)
        np.exp(activations, out=activations)
        activations /= activations.sum(axis=0)
    if rule.activation == "sigmoid":
        expit(activations, out=activations)


def _strongest(on_native: Callable[[int], Floats], rule: Decode, covered: Mask) -> dict[str, Mask]:
    best = on_native(0)
    winner = np.zeros(best.shape, dtype=np.uint16)
    for channel in range(1, len(rule.channels)):
        value = on_native(channel)
        stronger = value > best
        winner[stronger] = channel
        np.copyto(best, value, where=stronger)
    return {name: (winner == channel) & covered for channel, name in enumerate(rule.channels) if name}


def _above(on_native: Callable[[int], Floats], rule: Decode, covered: Mask) -> dict[str, Mask]:
    named = [(channel, name) for channel, name in enumerate(rule.channels) if name]
    return {name: (on_native(channel) > rule.threshold) & covered for channel, name in named}


def _no_background(rule: NoBackgroundIn, masks: Mapping[str, Mask]) -> Mask:
    if rule.mask not in masks:
        raise MedDLError("E401", "no step or stage makes the mask", rule.mask[:40])
    mask = masks[rule.mask]
    if not rule.eroded_voxels:
        return mask
    return np.asarray(ndimage.binary_erosion(mask, iterations=rule.eroded_voxels), dtype=bool)
