"""Several predictions of one patch as one: by the members of an ensemble, and of the patch mirrored."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ..models.card import Blend
from .activation import sigmoid, softmax
from .backend import Floats, OnProgress, Predictor, part_of
from .windows import is_symmetric, weights

_Flip = tuple[slice, slice, slice]


class Averaged:
    """The mean activations over members and every combination of mirrored axes, as ``backend.Predictor``.

    Its arrays are kept from patch to patch: memory is that of one prediction more, and of three with the variance.

    Parameters
    ----------
    members : networks on one device, of one backend and precision, whose channels mean the same; at least one.
    mirror_axes : of ``"i"``, ``"j"``, ``"k"``; each doubles the number of predictions.
    with_variance : one more channel comes last: the variance of each class's probability over the predictions, in
        the mean over classes.
    activation : what makes probabilities of activations, for the variance alone.
    """

    def __init__(
        self,
        members: Sequence[Predictor],
        mirror_axes: tuple[str, ...],
        *,
        with_variance: bool,
        activation: Literal["softmax", "sigmoid"] = "softmax",
    ) -> None:
        self.device, self.backend, self.precision = members[0].device, members[0].backend, members[0].precision
        self._calls = tuple(itertools.product(members, _flips(mirror_axes)))
        self._spread = _Spread(activation) if with_variance else None
        self._mirrored = self._mean = np.empty(0, dtype=np.float32)

    @property
    def notes(self) -> list[str]:
        """What the members do not do as planned, each once."""
        return list(dict.fromkeys(note for member, _ in self._calls for note in getattr(member, "notes", [])))

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """The mean of all predictions, and the variance where asked for; as ``backend.Predictor`` says."""
        if len(self._calls) == 1 and self._spread is None:
            return self._calls[0][0].predict(patch, side, on_progress, blend)
        self._mirrored = _fitting(self._mirrored, patch.shape)
        # The variance is that of probabilities: no weights before it is known. Nor any that mirroring would mirror.
        weighs_last = self._spread is not None or (blend is not None and not is_symmetric(blend))
        inner = None if weighs_last else blend
        for number, (member, flip) in enumerate(self._calls):
            self._mirrored[...] = patch[:, *flip]
            told = part_of(on_progress, number, len(self._calls))
            self._add(member.predict(self._mirrored, side, told, inner)[flip], number)
        self._mean /= len(self._calls)
        if self._spread is not None:
            self._mean[..., -1] = self._spread.variance()
        if blend is not None and inner is None:
            self._mean *= weights(patch.shape[1:], blend)[..., None]
        return self._mean

    def _add(self, found: Floats, number: int) -> None:
        *place, channels = found.shape
        extra = 0 if self._spread is None else 1
        self._mean = _fitting(self._mean, (*place, channels + extra))
        if number == 0:
            self._mean[..., :channels] = found
        else:
            self._mean[..., :channels] += found
        if self._spread is not None:
            self._spread.add(found, number)


class _Spread:
    """Welford's running variance of probabilities, summed over the classes: it takes no difference of large numbers."""

    def __init__(self, activation: Literal["softmax", "sigmoid"]) -> None:
        self._activate = softmax if activation == "softmax" else sigmoid
        self._mean = self._squares = np.empty(0, dtype=np.float32)
        self._count = 0

    def add(self, activations: Floats, number: int) -> None:
        """Take the prediction of that number, (k, j, i, channel); number 0 begins anew."""
        away = np.array(activations, dtype=np.float32, order="C")
        self._activate(away)
        self._count = number + 1
        if number == 0:
            self._mean, self._squares = away, np.zeros(away.shape[:-1], dtype=np.float32)
            return
        away -= self._mean
        self._squares += np.einsum("kjic,kjic->kji", away, away) * np.float32(number / self._count)
        away /= self._count
        self._mean += away

    def variance(self) -> Floats:
        """(k, j, i) mean over classes of the variance over predictions."""
        return self._squares / np.float32(self._count * self._mean.shape[-1])


def _flips(mirror_axes: tuple[str, ...]) -> list[_Flip]:
    ways = [(slice(None), slice(None, None, -1)) if axis in mirror_axes else (slice(None),) for axis in "kji"]
    return [(k, j, i) for k, j, i in itertools.product(*ways)]


def _fitting(array: Floats, shape: tuple[int, ...]) -> Floats:
    return array if array.shape == shape else np.empty(shape, dtype=np.float32)
