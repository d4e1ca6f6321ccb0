"""A working volume through a network on a graphics card, window by window, with all that follows done there too.

The same windows, weights and order of additions as ``sliding``; but patches go in batches, and what is handed on stays
on the device. Planes lie in a ring, channels last: so networks in ``channels_last_3d`` give them, rows of channels are
what interpolation gathers, and a sink that wants arrays gets them as they are.

Every sum is one multiplication and then one addition, each rounded by itself, so a slab that had to go to the CPU holds
the very same numbers as one on the device.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import MedDLError
from ..models.card import Blend, Tiling
from .backend import Allocate, Floats, OnProgress
from .device_copies import device_errors, on_device, work_bytes
from .device_predictor import DeviceNetwork
from .patches import Shape, tile_count
from .windows import Cut, cut_axis, plane_sums, weights

if TYPE_CHECKING:
    from .run import Finishing

Made_co = TypeVar("Made_co", covariant=True)


class TensorSink(Protocol):
    """As ``backend.Sink``, for planes that lie on the device."""

    def take(self, planes: Tensor, first: int) -> None:
        """Planes (n, height, width, channel) in the engine's axis order; the first one as this sink left it before."""


class TensorFinishing(TensorSink, Protocol[Made_co]):
    """As ``run.Finishing``, for planes that lie on the device."""

    def finish(self) -> Made_co:
        """What the activations became."""


class ArraySink(Generic[Made_co]):
    """Hands planes of a device to a sink of arrays, for what is not done on a device."""

    def __init__(self, sink: Finishing[Made_co]) -> None:
        self._sink = sink
        self._last: Floats | None = None

    def take(self, planes: Tensor, first: int) -> None:
        """As ``TensorSink`` says; the planes are copied to the CPU."""
        host: Floats = np.array(planes.cpu().numpy(), order="C")
        if self._last is not None:
            host[0] = self._last
        self._sink.take(host, first)
        self._last = host[-1].copy()

    def finish(self) -> Made_co:
        """What the sink of arrays makes of them."""
        return self._sink.finish()


def slide_on_device(
    network: DeviceNetwork,
    voxels: NDArray[np.float32],
    side: Mapping[str, Floats],
    tiling: Tiling,
    axes: Shape,
    sink: TensorSink,
    on_progress: OnProgress,
    *,
    one_at_a_time: bool = False,
    allocate: Allocate | None = None,
) -> None:
    """Hand the activations of a (channel, k, j, i) float32 working volume to the sink, each plane once and in order.

    As ``sliding.slide``, with the same values but for rounding. Progress is told per batch, as soon as it is under
    way; whatever ``on_progress`` raises passes.

    Parameters
    ----------
    axes : array axes of the volume (0, 1, 2 for k, j, i) in the order in which the sink gets them.
    one_at_a_time : no batches, whatever memory is free.
    allocate : makes the slab in the machine's memory, or on disk, for it does not fit the device; the volume stays
        there too.

    Raises
    ------
    MedDLError : E606 when an activation is not a finite number, E502, E504 from the device, and what network, sink
        and ``on_progress`` raise.
    """
    on_progress(0.0)
    with device_errors(), network.running():
        inputs = {name: on_device(values, network.device) for name, values in side.items()}
        if tiling.patch_kji is None:
            _run_whole(network, voxels, inputs, axes, sink)
            on_progress(1.0)
        else:
            _run_windows(
                _Windows(network, voxels, inputs, tiling, tiling.patch_kji, axes, stays_on_host=allocate is not None),
                sink,
                on_progress,
                one_at_a_time=one_at_a_time,
                allocate=allocate,
            )


def _run_whole(
    network: DeviceNetwork, voxels: NDArray[np.float32], inputs: Mapping[str, Tensor], axes: Shape, sink: TensorSink
) -> None:
    patches = on_device(voxels[None], network.device)
    found = network.forward(patches, inputs)[0].permute(*axes, 3)
    handing = _Handing(found.shape[1:], len(found), network.device, sink)
    for part in handing.parts(len(found)):
        handing.hand_on(found[part], None)


def _run_windows(
    windows: _Windows, sink: TensorSink, on_progress: OnProgress, *, one_at_a_time: bool, allocate: Allocate | None
) -> None:
    slab: _Slab | None = None
    done, batch = 0, 1
    for start, following in itertools.pairwise((*windows.along.starts, windows.along.size)):
        left = windows.corners(start)
        while left:
            some, left = left[:batch], left[batch:]
            for corner, found in zip(some, windows.predicted(some, batch), strict=True):
                if slab is None:
                    slab = _Slab(found.shape[-1], windows, sink, allocate)
                slab.add(found, corner)
            done += len(some)
            on_progress(done / windows.count)
            if done == 1 and not one_at_a_time:  # the first went alone: now it is known what one takes
                batch = windows.network.patches_at_once()
        cast(_Slab, slab).release(start, following)


class _Windows:
    """The windows of a volume, cut out and put through the network."""

    def __init__(
        self,
        network: DeviceNetwork,
        voxels: NDArray[np.float32],
        inputs: Mapping[str, Tensor],
        tiling: Tiling,
        patch_kji: Shape,
        axes: Shape,
        *,
        stays_on_host: bool,
    ) -> None:
        k, j, i = voxels.shape[1:]
        self.network, self._inputs, self._patch_kji, self._axes = network, inputs, patch_kji, axes
        self.count = tile_count((k, j, i), tiling)
        # One window alone needs no weights, and its activations no division.
        self._blend = tiling.blend if self.count > 1 and tiling.blend != "constant" else None
        self.blend: Blend = self._blend or "constant"
        cut = replace(tiling, blend=self.blend)
        self._cuts = [cut_axis(size, patch, cut) for size, patch in zip((k, j, i), patch_kji, strict=True)]
        self.along, self.down, self.across = (self._cuts[axis] for axis in axes)
        padded = _padded(voxels, self._cuts)
        self._volume = torch.from_numpy(padded) if stays_on_host else on_device(padded, network.device)
        self._weights = None
        if self._blend is not None:
            self._weights = on_device(weights(patch_kji, self._blend), network.device)[..., None]

    def corners(self, start: int) -> list[tuple[int, int, int]]:
        """First voxels, in the engine's axis order, of the windows that begin at a plane."""
        return list(itertools.product([start], self.down.starts, self.across.starts))

    def predicted(self, corners: Sequence[tuple[int, int, int]], batch: int) -> Iterator[Tensor]:
        """Weighted float32 activations of each window, without padding, in the engine's axis order, channels last.

        A batch that is not full is filled with zeros, for a captured graph knows one size alone.
        """
        patches = torch.zeros((batch, len(self._volume), *self._patch_kji), device=self.network.device)
        for patch, corner in zip(patches, corners, strict=False):
            patch.copy_(self._volume[:, *self._box(corner)])
        answers = self.network.forward(patches, self._inputs)
        inside = [cut.inside for cut in self._cuts]
        for answer in answers[: len(corners)]:
            # Half precision times float32 is float32: one operation for both.
            weighted = answer.float() if self._weights is None else answer * self._weights
            yield weighted[*inside].permute(*self._axes, 3)

    def _box(self, corner: Sequence[int]) -> list[slice]:
        begin_kji = [corner[self._axes.index(axis)] for axis in range(3)]
        return [slice(begin, begin + size) for begin, size in zip(begin_kji, self._patch_kji, strict=True)]


class _Slab:
    """Sums of weighted activations of the planes that windows still reach: plane p of the volume is p modulo the ring."""

    def __init__(self, channels: int, windows: _Windows, sink: TensorSink, allocate: Allocate | None) -> None:
        self._windows = windows
        along, down, across = windows.along, windows.down, windows.across
        shape = (along.extent, down.size, across.size, channels)
        device = windows.network.device
        if allocate is None:
            self._ring = torch.zeros(shape, device=device)
        else:
            self._ring = torch.from_numpy(allocate(shape, np.dtype(np.float32)))
        self._sums_of = plane_sums((along, down, across), windows.blend)
        self._handing = _Handing(shape[1:], along.extent, device, sink)
        self._has_sums = not all((cut.sums == 1).all() for cut in (along, down, across))

    def add(self, found: Tensor, corner: Sequence[int]) -> None:
        """Add a window's activations."""
        first, row, column = corner
        count, height, width, _ = found.shape
        for ring, part in self._pieces(first, count):
            box = self._ring[ring, row : row + height, column : column + width]
            box += found[part].to(self._ring.device)

    def release(self, start: int, end: int) -> None:
        """Finish the planes from ``start`` to ``end`` of the volume and hand them on."""
        for ring, part in self._pieces(start, end - start):
            for some in self._handing.parts(part.stop - part.start):
                planes = self._ring[ring][some]
                first = start + part.start + some.start
                self._handing.hand_on(planes, self._divisors(first, first + len(planes)))
            self._ring[ring].zero_()

    def _divisors(self, first: int, end: int) -> Tensor | None:
        """(plane, row, column, 1) sums of weights, rounded as ``sliding`` does."""
        if not self._has_sums:
            return None
        sums = np.stack([self._sums_of(plane) for plane in range(first, end)])
        return torch.from_numpy(sums).to(self._windows.network.device)[..., None]

    def _pieces(self, first: int, count: int) -> Iterator[tuple[slice, slice]]:
        """Where planes lie in the ring, and which of the ``count`` these are: one piece, or two around its end."""
        at = first % len(self._ring)
        head = min(count, len(self._ring) - at)
        yield slice(at, at + head), slice(0, head)
        if head < count:
            yield slice(0, count - head), slice(head, count)


class _Handing:
    """Finished planes to the sink, as many at once as there is memory to work on."""

    def __init__(self, plane_shape: Sequence[int], most: int, device: str, sink: TensorSink) -> None:
        self._sink, self._next = sink, 0
        height, width, channels = plane_shape
        fitting = work_bytes(device) // (4 * height * width * channels)
        self._planes = torch.empty((1 + max(1, min(most, fitting)), height, width, channels), device=device)

    def parts(self, count: int) -> Iterator[slice]:
        """So many planes, in parts that fit."""
        most = len(self._planes) - 1
        return (slice(begin, min(begin + most, count)) for begin in range(0, count, most))

    def hand_on(self, planes: Tensor, divisors: Tensor | None) -> None:
        """Divide the next planes and give them to the sink, after the last one of those before."""
        count = len(planes)
        own = self._planes[1 : count + 1]
        own.copy_(planes)
        if divisors is not None:
            own /= divisors
        is_finite = bool(torch.isfinite(own).all())
        if not is_finite:
            raise MedDLError(
                "E606", "model gave numbers that are not finite", "", "try precision exact, check the image"
            )
        begin = 1 if self._next == 0 else 0
        self._sink.take(self._planes[begin : count + 1], max(0, self._next - 1))
        self._next += count
        self._planes[0].copy_(self._planes[count])


def _padded(voxels: NDArray[np.float32], cuts: Sequence[Cut]) -> NDArray[np.float32]:
    """With zeros around a volume that is smaller than the patch."""
    around = [(cut.inside.start, cut.patch - cut.inside.stop) for cut in cuts]
    return np.pad(voxels, [(0, 0), *around]) if any(map(any, around)) else np.require(voxels, requirements=["C", "W"])
