"""Several predictions of a batch of patches as one, on a device: what ``averaged`` does with arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, cast

import torch
from torch import Tensor

from ..job import Precision
from ..models.card import Blend
from .backend import Floats, OnProgress
from .device_predictor import DevicePredictor, predict_array


class DeviceAveraged:
    """The mean activations over members and every combination of mirrored axes, as ``DeviceNetwork``.

    Parameters
    ----------
    members, mirror_axes, with_variance, activation : as in ``averaged.Averaged``.
    """

    def __init__(
        self,
        members: Sequence[DevicePredictor],
        mirror_axes: tuple[str, ...],
        *,
        with_variance: bool,
        activation: Literal["softmax", "sigmoid"] = "softmax",
    ) -> None:
        self.device, self.backend = members[0].device, members[0].backend
        self.precision: Precision = members[0].precision
        self._members = members
        ways = [((), (axis,)) if name in mirror_axes else ((),) for axis, name in enumerate("kji")]
        flips = [k + j + i for k, j, i in itertools.product(*ways)]
        self._calls = tuple(itertools.product(members, flips))
        self._with_variance, self._activation = with_variance, activation

    @property
    def notes(self) -> list[str]:
        """Those of all members, each once."""
        return list(dict.fromkeys(note for member in self._members for note in member.notes))

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """As ``backend.Predictor`` says."""
        return predict_array(self, patch, side, on_progress, blend)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside every member's ``running``."""
        with ExitStack() as stack:
            for member in reversed(self._members):
                stack.enter_context(member.running())
            yield

    def forward(self, patches: Tensor, side: Mapping[str, Tensor]) -> Tensor:
        """(n, k, j, i, channel) mean activations, and the variance as one more channel where asked for."""
        spread = _Spread(self._activation) if self._with_variance else None
        mean: Tensor | None = None
        for member, axes in self._calls:
            found = member.forward(patches.flip([axis + 2 for axis in axes]), side)
            found = found.flip([axis + 1 for axis in axes]).float()  # a copy: the next call uses the tensor anew
            if spread is not None:
                spread.add(found)
            mean = found if mean is None else mean.add_(found)
        self.precision = self._members[0].precision  # a device may have turned out to have no half precision
        mean = cast(Tensor, mean).div_(len(self._calls))
        return mean if spread is None else torch.cat([mean, spread.variance()], dim=-1)

    def rest(self) -> None:
        """Every member's."""
        for member in self._members:
            member.rest()

    def patches_at_once(self) -> int:
        """As many as the largest member takes."""
        return min(member.patches_at_once() for member in self._members)


class _Spread:
    """Welford's running variance of probabilities, summed over the classes: it takes no difference of large numbers."""

    def __init__(self, activation: Literal["softmax", "sigmoid"]) -> None:
        self._activation = activation
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None
        self._count = 0

    def add(self, activations: Tensor) -> None:
        """Take one more prediction."""
        away = activations.softmax(dim=-1) if self._activation == "softmax" else activations.sigmoid()
        self._count += 1
        if self._mean is None or self._squares is None:
            self._mean, self._squares = away, torch.zeros_like(away[..., :1])
            return
        away -= self._mean
        self._squares += away.square().sum(dim=-1, keepdim=True).mul_((self._count - 1) / self._count)
        self._mean += away.div_(self._count)

    def variance(self) -> Tensor:
        """(n, k, j, i, 1) mean over classes of the variance over predictions."""
        mean, squares = cast(Tensor, self._mean), cast(Tensor, self._squares)
        return squares / (self._count * mean.shape[-1])
