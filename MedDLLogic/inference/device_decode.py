"""Activations on a device to masks on the input's grid: what ``decode`` does with arrays, with the same outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MedDLError
from ..masks import LabelVolume
from ..models.card import Decode
from .backend import Floats
from .device_copies import device_errors
from .device_restore import DeviceLabels, DeviceNumbers, DeviceRoute
from .restore import Route

if TYPE_CHECKING:
    from .decode import Decoded

_SURE = 1e-3
"""How far from 1 a sum of probabilities may be, as in ``activation.is_distribution``."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What ``decode.Decoding`` would make of arrays.

    Parameters
    ----------
    values : label of each code of the rule.
    no_background : where background cannot win, with the axes of the planes.
    probabilities : output channel -> native volume to fill.
    entropy, variance : native volumes to fill.
    """

    rule: Decode
    values: LabelVolume
    route: Route
    shape_kji: tuple[int, int, int]
    no_background: NDArray[np.bool_] | None = None
    probabilities: Mapping[int, Floats] | None = None
    entropy: Floats | None = None
    variance: Floats | None = None
    has_variance: bool = False


class DeviceDecoding:
    """Takes planes of a device as ``device_engine.TensorSink``; the labels come back as they are finished.

    Parameters
    ----------
    decoded : what to make of the native label volumes once the others are filled.

    Raises
    ------
    MedDLError : ``take`` raises E406 when the network gives another number of channels than the card names; E502 and
        E504 come from the device.
    """

    def __init__(self, wanted: Wanted, device: str, decoded: Callable[[tuple[LabelVolume, ...]], Decoded]) -> None:
        self._decoded = decoded
        self._wanted, self._rule, self._channels = wanted, wanted.rule, len(wanted.rule.channels)
        self._named = [n for n, name in enumerate(self._rule.channels) if name]
        self._are_logits: bool | None = None
        self._come = 0
        volumes = [*(wanted.probabilities or {}).values(), wanted.entropy, wanted.variance]
        numbers = tuple(volume for volume in volumes if volume is not None)
        with device_errors():
            on = DeviceRoute(wanted.route, device)
            count = 1 if self._rule.rule == "argmax" else len(self._named)
            self._labels = DeviceLabels(self._codes, wanted.values, count, wanted.route, wanted.shape_kji, on)
            self._numbers = DeviceNumbers(wanted.route, numbers, on) if numbers else None

    def take(self, planes: Tensor, first: int) -> None:
        """Activate the planes in place, all but the one that came before, and decode what they complete."""
        given = planes.shape[3] - self._wanted.has_variance
        if given != self._channels:
            raise MedDLError("E406", "network and card differ", f"{given} channels, not {self._channels}")
        self._activate(planes, first, self._come - first)
        self._come = first + len(planes)
        self._labels.take(planes, first)
        if self._numbers is not None:
            self._numbers.take(self._numbers_of(planes), first)

    def finish(self) -> Decoded:
        """What was asked for; the last plane must have come."""
        with device_errors():
            if self._numbers is not None:
                self._numbers.finish()
            volumes = self._labels.finish()
        return self._decoded(volumes)

    def _activate(self, planes: Tensor, first: int, new: int) -> None:
        classes = planes[new:, ..., : self._channels]
        if self._rule.activation == "softmax":
            classes.copy_(classes.softmax(dim=-1))
        if self._rule.activation == "sigmoid":
            classes.sigmoid_()
        if self._wanted.no_background is not None:
            inside = np.ascontiguousarray(self._wanted.no_background[first + new : first + len(planes)])
            classes[..., 0].masked_fill_(torch.from_numpy(inside).to(planes.device), 0.0)

    def _codes(self, values: Tensor) -> Tensor:
        """(volume, row, column) codes: of the strongest channel its number, of thresholds 0 and 1 each."""
        if self._rule.rule == "argmax":
            return values[..., : self._channels].argmax(dim=-1)[None]
        return torch.stack([values[..., n] > self._rule.threshold for n in self._named]).long()

    def _numbers_of(self, planes: Tensor) -> Tensor:
        """(n, height, width, volume) probabilities, entropy and variance, as far as they are wanted."""
        classes = self._as_probabilities(planes[..., : self._channels])
        found = [classes[..., n] for n in self._wanted.probabilities or {}]
        if self._wanted.entropy is not None:
            found.append(_entropy_of_classes(classes) if self._rule.rule == "argmax" else _entropy_of_each(classes))
        if self._wanted.variance is not None:
            found.append(planes[..., self._channels])
        return torch.stack(found, dim=-1)

    def _as_probabilities(self, classes: Tensor) -> Tensor:
        """Classes of a card that takes the strongest channel as it comes may be logits: they are if no sum is 1."""
        if self._rule.thresholds_logits:
            return classes.sigmoid()
        if self._rule.activation != "none" or self._rule.rule != "argmax":
            return classes
        if self._are_logits is None:  # as there, by the first plane
            self._are_logits = not _is_distribution(classes[0])
        return classes.softmax(dim=-1) if self._are_logits else classes


def _is_distribution(plane: Tensor) -> bool:
    return bool((plane >= 0).all()) and bool((plane.sum(dim=-1) - 1).abs().max() < _SURE)


def _entropy_of_classes(classes: Tensor) -> Tensor:
    """As ``activation.entropy_of_classes``."""
    if classes.shape[-1] == 1:
        return torch.zeros_like(classes[..., 0])
    total = classes.sum(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
    entropy: Tensor = torch.special.entr(classes).sum(dim=-1).div_(total).add_(total.log())
    return entropy.div_(math.log(classes.shape[-1])).clamp_(0.0, 1.0)


def _entropy_of_each(classes: Tensor) -> Tensor:
    """As ``activation.entropy_of_each``."""
    sure = classes.clamp(0.0, 1.0)
    entropy: Tensor = torch.special.entr(sure) + torch.special.entr(1 - sure)
    return entropy.mean(dim=-1).div_(math.log(2))
