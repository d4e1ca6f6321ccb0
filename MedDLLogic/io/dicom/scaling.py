"""From stored pixel values to real ones: rescale, modality table, and the type that holds the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ...errors import MedDLError
from . import tags

Stored = NDArray[Any]

_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class Scaling:
    """``real = slope * stored + intercept``, or a lookup ``table`` whose first entry stands for ``first``.

    ``stated`` tells whether the file gave any of it; ``unit`` is the file's code for the outcome (``"HU"``).
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    stated: bool = False
    table: tuple[int, ...] = ()
    first: int = 0

    @property
    def is_integer(self) -> bool:
        """Whether integers stay integers."""
        return self.slope.is_integer() and self.intercept.is_integer()

    def inverted(self, low: int, high: int) -> Scaling:
        """The map whose outcomes run the other way, for stored values from ``low`` to ``high`` (MONOCHROME1)."""
        if self.table:
            ends = min(self.table) + max(self.table)
            return replace(self, table=tuple(ends - entry for entry in self.table))
        return replace(self, slope=-self.slope, intercept=self.slope * (low + high) + self.intercept)


def scaling_of(data: Dataset) -> Scaling:
    """The modality scaling of a header or of a frame's functional group. Errors: E312."""
    tables = tags.items(data, "ModalityLUTSequence")
    if tables:
        return _table(tables[0])
    slope, intercept = (_one_number(data, keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))
    if slope is None and intercept is None:
        return Scaling()
    if slope is None or intercept is None:
        raise MedDLError("E312", "rescale not valid", "one of RescaleSlope and RescaleIntercept is missing")
    if slope == 0:
        raise MedDLError("E312", "rescale not valid", "RescaleSlope is 0")
    return Scaling(slope, intercept, tags.text(data, "RescaleType").upper(), stated=True)


def rescaled(stored: Sequence[Stored], scalings: Sequence[Scaling]) -> NDArray[Any]:
    """The planes as one array (plane, j, i) of real values: int16 where that is exact, else float32.

    Errors: E312 when the outcome is not finite.
    """
    ranges = [_range(plane, scaling) for plane, scaling in zip(stored, scalings, strict=True)]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    fits = _INT16.min <= low and high <= _INT16.max and all(scaling.is_integer for scaling in scalings)
    if max(abs(low), abs(high)) > np.finfo(np.float32).max:
        raise MedDLError("E312", "rescale not valid", "rescaled values are too large")
    real = np.empty((len(stored), *stored[0].shape), np.int16 if fits else np.float32)
    for plane, values, scaling in zip(real, stored, scalings, strict=True):
        plane[...] = _apply(values, scaling)
    return real


def _one_number(data: Dataset, keyword: str) -> float | None:
    found = tags.numbers(data, keyword, "E312")
    if len(found) > 1:
        raise MedDLError("E312", "rescale not valid", f"{keyword} has {len(found)} values")
    return found[0] if found else None


def _table(item: Dataset) -> Scaling:
    descriptor = [int(part) for part in tags.numbers(item, "LUTDescriptor", "E312")]
    with tags.translated("E312", "modality table not valid"):
        raw, order = item["LUTData"].value, ">" if item.original_encoding[1] is False else "<"
        packed = np.frombuffer(raw, f"{order}u2") if isinstance(raw, bytes) else np.array(raw, np.int64)
        entries = tuple(int(entry) for entry in packed)
    if len(descriptor) != 3 or not entries or len(entries) < (descriptor[0] or 1 << 16):
        raise MedDLError("E312", "modality table not valid", f"{len(entries)} entries")
    kept = entries[: descriptor[0] or 1 << 16]
    return Scaling(unit=tags.text(item, "ModalityLUTType").upper(), stated=True, table=kept, first=descriptor[1])


def _apply(stored: Stored, scaling: Scaling) -> NDArray[Any]:
    if scaling.table:
        index = np.clip(stored.astype(np.int64) - scaling.first, 0, len(scaling.table) - 1)
        return np.asarray(scaling.table, dtype=np.float64)[index]
    return stored.astype(np.float64) * scaling.slope + scaling.intercept


def _range(stored: Stored, scaling: Scaling) -> tuple[float, float]:
    ends = _apply(np.array([stored.min(), stored.max()]), scaling)
    if scaling.table:
        return float(min(scaling.table)), float(max(scaling.table))
    return float(ends.min()), float(ends.max())
