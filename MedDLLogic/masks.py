"""Named masks on one grid, held as label volumes: a hundred of them take the memory of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import MedDLError

Mask = NDArray[np.bool_]
LabelVolume = NDArray[Any]

_Place = tuple[int, int]
"""Number of a volume, and the value a mask has in it."""


class Masks(Mapping[str, Mask]):
    """Immutable; ``masks["liver"]`` is a new (k, j, i) bool array each time.

    Parameters
    ----------
    shape_kji : of every mask.
    volumes : label volumes (k, j, i), uint8 or uint16; 0 is no mask.
    places : mask id -> number of its volume, and its value there; every other value is nobody's.

    Raises
    ------
    MedDLError : E332 when a volume has another shape.
    """

    def __init__(
        self,
        shape_kji: tuple[int, ...],
        volumes: tuple[LabelVolume, ...] = (),
        places: Mapping[str, _Place] | None = None,
    ) -> None:
        for volume in volumes:
            if volume.shape != tuple(shape_kji):
                raise MedDLError("E332", "mask does not lie on the grid", f"{volume.shape}")
        self.shape_kji, self.volumes, self.places = tuple(shape_kji), volumes, dict(places or {})

    @classmethod
    def of(cls, masks: Mapping[str, Mask], shape_kji: tuple[int, ...]) -> Masks:
        """Each mask in a volume of its own, so that they may overlap."""
        volumes = tuple(mask.astype(np.uint8) for mask in masks.values())
        return cls(shape_kji, volumes, {name: (number, 1) for number, name in enumerate(masks)})

    def __getitem__(self, name: str) -> Mask:
        volume, value = self.places[name]
        return np.asarray(self.volumes[volume] == value)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def joined(self, other: Masks) -> Masks:
        """These and the other's; of two masks of one name the other's counts."""
        moved = {name: (volume + len(self.volumes), value) for name, (volume, value) in other.places.items()}
        return _tidy(Masks(self.shape_kji, (*self.volumes, *other.volumes), self.places | moved))

    def only(self, names: Iterable[str]) -> Masks:
        """Those named, in that order; KeyError for one that is not there."""
        return _tidy(Masks(self.shape_kji, self.volumes, {name: self.places[name] for name in names}))

    def within(self, area: Mask) -> Masks:
        """Every mask without its voxels outside the area."""
        return Masks(self.shape_kji, tuple(np.where(area, v, v.dtype.type(0)) for v in self.volumes), self.places)


def _tidy(masks: Masks) -> Masks:
    """The same without the volumes that no name uses."""
    used = sorted({volume for volume, _ in masks.places.values()})
    number = {old: new for new, old in enumerate(used)}
    places = {name: (number[volume], value) for name, (volume, value) in masks.places.items()}
    return Masks(masks.shape_kji, tuple(masks.volumes[old] for old in used), places)
