"""Activations on the working grid to masks on the input's grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, softmax

from ..errors import MedDLError
from ..geometry import Geometry
from ..models.card import Decode
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
    keep_probabilities: bool = False,
) -> Decoded:
    """The masks that the card names, on the ``native`` grid; outside the working grid there is none.

    Channels go back one at a time, so no more than three native volumes are held beside the masks.

    Raises
    ------
    MedDLError : E406 when the network gives another number of channels than the card names.
    """
    if len(activations) != len(rule.channels):
        raise MedDLError("E406", "network and card differ", f"{len(activations)} channels, not {len(rule.channels)}")
    activated = _activate(activations, rule)
    if rule.no_background_in is not None:
        inside = working_masks[rule.no_background_in.mask]
        activated[0][_eroded(inside, rule.no_background_in.eroded_voxels)] = 0.0

    def on_native(channel: int) -> Floats:
        return np.asarray(regrid(activated[channel], working, native, rule.restore), dtype=np.float32)

    covered = regrid(np.ones(working.shape_kji, dtype=bool), working, native, "nearest")
    find = _strongest if rule.rule == "argmax" else _above
    masks = find(on_native, rule, np.asarray(covered, dtype=bool))
    kept = {name: on_native(n) for n, name in enumerate(rule.channels) if name} if keep_probabilities else {}
    return Decoded(masks, kept)


def _activate(activations: Floats, rule: Decode) -> Floats:
    if rule.activation == "softmax":
        return np.asarray(softmax(activations, axis=0), dtype=np.float32)
    if rule.activation == "sigmoid":
        return np.asarray(expit(activations), dtype=np.float32)
    return activations.copy()


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


def _eroded(mask: Mask, voxels: int) -> Mask:
    return np.asarray(ndimage.binary_erosion(mask, iterations=voxels), dtype=bool) if voxels else mask
