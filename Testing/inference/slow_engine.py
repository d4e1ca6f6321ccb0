"""Networks that need no library, and an engine that is plain instead of fast, to compare with."""

from __future__ import annotations

import itertools

import numpy as np

from MedDLLogic.inference.windows import starts, weights


class Points:
    """A network whose activations at a voxel are fixed functions of it: any blend of windows gives the same again."""

    device, backend, precision = "cpu", "torch", "exact"

    def __init__(self, channels=3):
        self.factors = np.linspace(-1, 1, channels, dtype=np.float32)
        self.shapes, self.blends = [], set()

    def raw(self, patch):
        return np.moveaxis(patch, 0, -1).sum(axis=-1, keepdims=True, dtype=np.float32) * self.factors

    def predict(self, patch, side, on_progress, blend=None):
        self.shapes.append(patch.shape[1:])
        self.blends.add(blend)
        on_progress(0.5)
        found = self.raw(patch)
        return found if blend is None else found * weights(patch.shape[1:], blend)[..., None]


class Moody(Points):
    """What it says of a voxel hangs on the voxel's place in the patch, and is another thing after each mirroring."""

    def raw(self, patch):
        ramp = np.arange(patch[0].size, dtype=np.float32).reshape(patch.shape[1:]) / patch[0].size
        return np.roll(patch, 1, axis=-1).sum(axis=0)[..., None] * self.factors + (ramp**2)[..., None] + self.factors


class Kept:
    """A sink that keeps all planes, and what it was given when."""

    def __init__(self):
        self.planes, self.calls = [], []

    def take(self, planes, first):
        self.calls.append((first, len(planes)))
        new = planes if first == 0 and not self.planes else planes[1:]
        self.planes.extend(np.array(plane) for plane in new)

    def finish(self):
        return np.stack(self.planes)


def dense(network, voxels, tiling):
    """(k, j, i, channel) float64: everything added up in one volume, and counted in another."""
    patch = tiling.patch_kji
    sizes = [max(size, p) for size, p in zip(voxels.shape[1:], patch, strict=True)]
    pads = [(0, 0), *[(s // 2, s - s // 2) for s in (a - b for a, b in zip(sizes, voxels.shape[1:], strict=True))]]
    padded = np.pad(voxels, pads)
    weight = weights(patch, tiling.blend).astype(np.float64)[..., None]
    total, count = 0.0, np.zeros((*sizes, 1))
    for corner in itertools.product(*(starts(s, p, tiling) for s, p in zip(sizes, patch, strict=True))):
        place = tuple(slice(c, c + p) for c, p in zip(corner, patch, strict=True))
        found = network.raw(padded[:, *place]).astype(np.float64)
        total = np.zeros((*sizes, found.shape[-1])) if np.isscalar(total) else total
        total[place] += found * weight
        count[place] += weight
    inside = tuple(slice(low, low + size) for (low, _), size in zip(pads[1:], voxels.shape[1:], strict=True))
    return (total / count)[inside]
