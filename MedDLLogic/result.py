"""What a task returns: label volumes on the input's grid, what they mean, numbers, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MedDLError
from .geometry import Geometry
from .labels import LabelTable

LabelVolume = NDArray[Any]


@dataclass(frozen=True)
class Measurement:
    """One number of one segment, such as ``("brain", "volume", 1612.3, "ml")``."""

    segment_id: str
    quantity: str
    value: float
    unit: str


@dataclass(frozen=True)
class AppliedStep:
    """One step that was carried out, with its parameters and what it found (JSON values)."""

    stage: str
    step: Mapping[str, Any]
    found: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Provenance:
    """How a result came about; times are in seconds, hashes SHA-256 in hex."""

    card: str = ""
    card_version: str = ""
    card_sha256: str = ""
    weights_sha256: Mapping[str, str] = field(default_factory=dict)
    input_sha256: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[AppliedStep, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Result:
    """Segments on the input's own grid.

    Parameters
    ----------
    geometry : the grid of the first input, as it came (law 1).
    layers : label volumes (k, j, i), unsigned integers, one a layer; made read-only.
    table : the segments and the layer and value each one has.
    probabilities : segment id -> (k, j, i) float volume 0 .. 1, only where asked for.
    uncertainty : ``"entropy"`` of the classes, 0 .. 1 of the most that is possible, and where several predictions were
        averaged their ``"variance"`` -> (k, j, i) float volume; only where asked for.

    Raises
    ------
    MedDLError : E332 when a volume does not have the grid's shape, E402 when layers and table disagree.
    """

    geometry: Geometry
    layers: tuple[LabelVolume, ...]
    table: LabelTable
    probabilities: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    uncertainty: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.layers) < self.table.layer_count:
            raise MedDLError("E402", "segments name a layer that is not there", f"{len(self.layers)} layers")
        for volume in (*self.layers, *self.probabilities.values(), *self.uncertainty.values()):
            if volume.shape != self.geometry.shape_kji:
                raise MedDLError("E332", "result lies on another grid", f"{volume.shape}")
        if any(layer.dtype not in (np.uint8, np.uint16) for layer in self.layers):
            raise MedDLError("E402", "label volume not valid", "8 or 16 bit unsigned integers are needed")
        object.__setattr__(self, "layers", tuple(_read_only(layer) for layer in self.layers))

    def mask_of(self, segment_id: str) -> NDArray[np.bool_]:
        """(k, j, i) where that segment is; E402 when there is no such segment."""
        segment = self.table.by_id(segment_id)
        return np.asarray(self.layers[segment.layer] == segment.value)


def _read_only(array: LabelVolume) -> LabelVolume:
    view = array.view()
    view.setflags(write=False)
    return view
