"""What the engine asks of a backend: one network, ready on a device, called with one patch after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..job import Backend, Precision
from ..models.card import Blend

Floats = NDArray[np.float32]
OnProgress = Callable[[float], None]
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
"""An array of zeros of that shape and type: in memory, or on disk where memory does not suffice."""


def part_of(on_progress: OnProgress, number: int, count: int) -> OnProgress:
    """What tells the progress of one of ``count`` equal parts, ``number`` of which are done, as that of the whole."""
    return lambda part: on_progress((number + part) / count)


class Predictor(Protocol):
    """A network on a device.

    Parameters
    ----------
    device : ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    backend, precision : who computes and how; neither is ever ``"auto"``.
    """

    device: str
    backend: Backend
    precision: Precision

    def predict(
        self, patch: Floats, side: Mapping[str, Floats], on_progress: OnProgress, blend: Blend | None = None
    ) -> Floats:
        """(k, j, i, channel) float32 activations of a (channel, k, j, i) float32 patch, on the CPU.

        The array is valid until the next call. Whatever ``on_progress`` raises passes, within a second or so: so a
        run is cancelled inside one large patch too.

        Parameters
        ----------
        side : the network's further inputs by name, each (1, m) float32.
        on_progress : called with the fraction of the patch's work that is done, from time to time.
        blend : activations come multiplied with these weights (``windows.weights``).

        Raises
        ------
        MedDLError : E406 for a patch that the network does not take, E502, E504 from the device.
        """


class Sink(Protocol):
    """Takes finished planes of activations as the engine moves along a volume, so that none holds them all."""

    def take(self, planes: Floats, first: int) -> None:
        """Planes (n, height, width, channel) of the volume in the engine's axis order, ``first`` the first one's index.

        The first plane is the last one of the call before, but in the first call: what lies between two planes can
        be interpolated with no state of one's own. The array is valid within the call.
        """
