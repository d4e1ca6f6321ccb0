"""What an engine must offer: one network, ready on a device, called with patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
OnProgress = Callable[[float], None]


class Predictor(Protocol):
    """A network on a device.

    ``predict`` returns (n, channels, k, j, i) float32 activations of a (n, c, k, j, i) float32
    batch; ``side`` holds the further inputs by name, each (n, m) float32. It calls
    ``on_progress`` with the fraction of the work done, from time to time, and lets whatever that
    raises pass: so a run is cancelled inside one large patch too.
    """

    device: str

    def predict(self, batch: Any, side: Mapping[str, Floats], on_progress: OnProgress) -> Any:
        """Activations of one batch."""
