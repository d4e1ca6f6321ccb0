"""What networks made of single planes, kept as long as the network itself: a further box then takes no time."""

from __future__ import annotations

import hashlib
from weakref import WeakKeyDictionary

import numpy as np

from .backend import Floats, OnProgress, Predictor

MOST_PLANES = 32
"""How many a network keeps, those last asked for; one of 256 x 256 pixels takes 4 MB."""

_kept: WeakKeyDictionary[Predictor, dict[str, Floats]] = WeakKeyDictionary()


def embedded(predictor: Predictor, plane: Floats, on_progress: OnProgress) -> tuple[Floats, bool]:
    """(channel, 1, j, i) activations of a (channel, 1, j, i) plane, and whether they were computed just now.

    Raises
    ------
    MedDLError : as ``Predictor.predict``.
    """
    planes = _kept.setdefault(predictor, {})
    key = hashlib.sha256(np.ascontiguousarray(plane).data).hexdigest()
    found = planes.pop(key, None)
    is_new = found is None
    if found is None:
        found = np.ascontiguousarray(np.moveaxis(predictor.predict(plane, {}, on_progress), -1, 0))
    planes[key] = found
    for oldest in list(planes)[:-MOST_PLANES]:
        del planes[oldest]
    return found, is_new
