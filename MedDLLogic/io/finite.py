"""NaN and Inf among voxels: counted always, refused unless a value to put in their place is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MedDLError
from .verdict import Finding

_LARGEST = float(np.finfo(np.float32).max)


class FiniteFilter:
    """Passes voxels on piece by piece, with ``fill`` in place of every NaN and Inf.

    Raises
    ------
    MedDLError : E101 when ``fill`` is NaN, Inf or beyond float32.
    """

    def __init__(self, fill: float | None) -> None:
        if fill is not None and not abs(fill) <= _LARGEST:
            raise MedDLError("E101", "nan_fill not usable", str(fill), "give a number that float32 can hold")
        self._fill = fill
        self._nan = self._inf = self._total = 0

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """The same voxels, finite."""
        self._total += values.size
        if values.dtype.kind != "f":
            return values
        finite = np.isfinite(values)
        if finite.all():
            return values
        nan = int(np.isnan(values).sum())
        self._nan += nan
        self._inf += int(values.size - finite.sum()) - nan
        return np.where(finite, values, values.dtype.type(self._fill or 0.0))

    def findings(self) -> tuple[Finding, ...]:
        """Nothing, or the warning that voxels were filled; raises E309 when they were not to be."""
        if not self._nan + self._inf:
            return ()
        told = f"{self._nan} NaN and {self._inf} Inf of {self._total}"
        if self._fill is None:
            raise MedDLError("E309", "", told, "nan_fill puts a number in their place")
        return (Finding("E309", "warning", f"{told} — {self._fill:g} was put in their place"),)
