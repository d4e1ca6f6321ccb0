"""Planes of activations on a device to planes of the input's grid, all channels of them.

Trilinear interpolation between grids whose axes run along each other is three linear ones, one axis after the other.
A graphics card does that for every voxel; ``restore`` looks for those where it matters. Multiplications and additions
are operations of their own, since a fused one rounds differently on each device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..masks import LabelVolume
from .backend import Floats
from .device_copies import Downloads, work_bytes
from .restore import Route, Samples

_LIVE_COPIES = 8
"""Of the piece of a native plane that is worked on: the planes around it, what they come from, and the rule's own."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows of one native plane: (rows, columns, channel) values, not to be changed.

    Parameters
    ----------
    plane, rows : where it lies in what ``Route.view`` shows of a native array.
    """

    plane: int
    rows: slice
    values: Tensor


class DeviceRoute:
    """A route with its tables on a device."""

    def __init__(self, route: Route, device: str) -> None:
        self.device, self.downloads = device, Downloads(device)
        self._route = route
        self._down, self._across = (_Line(samples, device) for samples in route.samples[1:])

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of a native plane."""
        return self._down.size, self._across.size

    def native_planes(self, first: int, count: int) -> range:
        """Those that ``count`` planes from ``first`` on complete."""
        due = [planes for _, planes in self._route.due(first, count)]
        return range(due[0].start, due[-1].stop) if due else range(0)

    def pieces(self, planes: Tensor, first: int) -> Iterator[Piece]:
        """The native planes that (n, height, width, channel) planes from ``first`` on complete, piece by piece."""
        along = self._route.samples[0]
        due = list(self._route.due(first, len(planes)))
        for rows in self._parts(planes):
            spread: dict[int, Tensor] = {}
            for lower, native_planes in due:
                needed = range(lower, lower + along.width)
                spread = {n: spread[n] if n in spread else self._spread(planes[n - first], rows) for n in needed}
                for native_plane in native_planes:
                    share = 0.0 if along.share is None else float(along.share[native_plane])
                    yield Piece(native_plane, rows, _between(spread[lower], spread[needed[-1]], share))

    def _parts(self, planes: Tensor) -> Iterator[slice]:
        row_bytes = max(self._across.size, planes.shape[2]) * planes.shape[3] * planes.element_size()
        step = max(1, work_bytes(self.device) // (_LIVE_COPIES * max(1, row_bytes)))
        return (slice(start, min(start + step, self._down.size)) for start in range(0, self._down.size, step))

    def _spread(self, plane: Tensor, rows: slice) -> Tensor:
        """Native rows and columns of a plane: (rows, columns, channel)."""
        return self._across.restored(self._down.restored(plane, 0, rows), 1, slice(None))


class _Line:
    """Samples along one axis, on a device."""

    def __init__(self, samples: Samples, device: str) -> None:
        self.size = samples.stop - samples.start
        self._lower = torch.from_numpy(samples.lower).to(device)
        self._share = None if samples.share is None else torch.from_numpy(samples.share).to(device)

    def restored(self, plane: Tensor, axis: Literal[0, 1], part: slice) -> Tensor:
        """The native rows or columns in ``part`` out of the (row, column, channel) plane's."""
        lower = self._lower[part]
        low = plane.index_select(axis, lower)
        if self._share is None:
            return low
        share = self._share[part][:, None, None] if axis == 0 else self._share[part][None, :, None]
        return plane.index_select(axis, lower + 1).sub_(low).mul_(share).add_(low)


def _between(low: Tensor, high: Tensor, share: float) -> Tensor:
    return low if share == 0.0 else (high - low).mul_(share).add_(low)


class DeviceLabels:
    """Makes native label volumes of planes on a device, as ``restore.StreamedLabels`` does of arrays.

    Parameters
    ----------
    codes : of (row, column, channel) activations: (volume, row, column) whole numbers, one for each volume of labels.
    values : label of each code, uint8 or uint16.
    volumes : how many volumes of labels there are.
    """

    def __init__(
        self,
        codes: Callable[[Tensor], Tensor],
        values: LabelVolume,
        volumes: int,
        route: Route,
        shape_kji: tuple[int, ...],
        on: DeviceRoute,
    ) -> None:
        self._codes, self._on, self._downloads = codes, on, on.downloads
        # 16 bits are the same bits with a sign; without one torch has no operations for them.
        self._bits = np.dtype(np.uint8) if values.dtype == np.uint8 else np.dtype(np.int16)
        self._values = torch.from_numpy(values.view(self._bits)).to(on.device)
        self._made = tuple(np.zeros(shape_kji, dtype=values.dtype) for _ in range(volumes))
        self._views = [_Turned(route, volume.view(self._bits)) for volume in self._made]

    def take(self, planes: Tensor, first: int) -> None:
        """As ``device_engine.TensorSink.take``."""
        native = self._on.native_planes(first, len(planes))
        if not native:
            return
        shape = (len(self._views), len(native), *self._on.plane_shape)
        labels = torch.empty(shape, dtype=self._values.dtype, device=planes.device)
        for piece in self._on.pieces(planes, first):
            labels[:, piece.plane - native.start, piece.rows] = self._values[self._codes(piece.values)]
        for view, volume in zip(self._views, labels, strict=True):
            self._downloads.send(view.as_stored(volume), partial(view.write, native))

    def finish(self) -> tuple[LabelVolume, ...]:
        """The native label volumes (k, j, i); 0 outside the working grid."""
        self._downloads.finish()
        return self._made


class DeviceNumbers:
    """Makes native float32 volumes of (n, height, width, volume) planes of numbers, as ``restore.StreamedNumbers``."""

    def __init__(self, route: Route, volumes: tuple[Floats, ...], on: DeviceRoute) -> None:
        self._on, self._views = on, [route.view(volume) for volume in volumes]

    def take(self, planes: Tensor, first: int) -> None:
        """As ``device_engine.TensorSink.take``."""
        for piece in self._on.pieces(planes, first):
            self._on.downloads.send(
                piece.values.movedim(2, 0).contiguous(), partial(self._write, piece.plane, piece.rows)
            )

    def finish(self) -> None:
        """Wait until the volumes hold everything."""
        self._on.downloads.finish()

    def _write(self, plane: int, rows: slice, numbers: Floats) -> None:
        for view, values in zip(self._views, numbers, strict=True):
            view[plane, rows] = values


class _Turned:
    """A native array as planes see it, written in the order in which it lies in memory."""

    def __init__(self, route: Route, native: NDArray[Any]) -> None:
        self._order = np.argsort(route.native_axes).tolist()
        self._flips = [axis for axis, flip in enumerate(route.flips) if flip]
        self._along = tuple(slice(None, None, -1 if flip else 1) for flip in route.flips)
        self._native = route.view(native)

    def as_stored(self, planes: Tensor) -> Tensor:
        """Whole native planes, (plane, row, column), turned on the device."""
        return planes.flip(self._flips).permute(self._order).contiguous()

    def write(self, native_planes: range, stored: NDArray[Any]) -> None:
        """Put what ``as_stored`` made of those planes into the array."""
        part = self._native[native_planes.start : native_planes.stop]
        part[self._along].transpose(self._order)[...] = stored
