"""nnU-Net's way from an image to labels, written down plainly: every array whole, every window by itself.

The rival of the engine in the small form of the row: nothing of MedDL but the network's module.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.transform import resize


@dataclass(frozen=True)
class Model:
    """What the plain way needs; ``configuration`` and ``statistics`` are those of plans.json.

    ``has_thick_planes`` says that the network's first axis is so much coarser that planes are resampled apart.
    """

    modules: list[Any]
    configuration: dict[str, Any]
    statistics: dict[str, float]
    transpose: tuple[int, ...] = (0, 1, 2)
    mirrored: tuple[int, ...] = ()
    has_thick_planes: bool = False


def logits(model: Model, image_kji: np.ndarray, spacing_kji: tuple[float, ...]) -> np.ndarray:
    """(channel, k, j, i) on the image's own grid; NaN outside the region that is not 0."""
    image = image_kji.transpose(model.transpose)
    spacing = [spacing_kji[axis] for axis in model.transpose]
    box = ndimage.find_objects((image != 0).astype(int))[0]
    prepared = _normalized(model, image[box].astype(np.float64))
    wanted = [*spacing[: 3 - len(model.configuration["spacing"])], *model.configuration["spacing"]]
    shape = [round(old / new * size) for old, new, size in zip(spacing, wanted, prepared.shape, strict=True)]
    small = _by_windows(model, _resized(model, prepared, shape, 3).astype(np.float32))
    whole = np.full((len(small), *image.shape), np.nan)
    whole[(slice(None), *box)] = [_resized(model, channel, image[box].shape, 1) for channel in small]
    return whole.transpose(0, *(1 + np.argsort(model.transpose)))


def labels(model: Model, image_kji: np.ndarray, spacing_kji: tuple[float, ...]) -> np.ndarray:
    """(k, j, i) number of the strongest channel; 0 outside."""
    found = logits(model, image_kji, spacing_kji)
    return np.where(np.isnan(found[0]), 0, np.nan_to_num(found).argmax(axis=0))


def _normalized(model: Model, image: np.ndarray) -> np.ndarray:
    scheme = model.configuration["normalization_schemes"][0]
    if scheme == "CTNormalization":
        seen = model.statistics
        return (np.clip(image, seen["percentile_00_5"], seen["percentile_99_5"]) - seen["mean"]) / seen["std"]
    return (image - image.mean()) / image.std()


def _resized(model: Model, volume: np.ndarray, shape: Any, order: int) -> np.ndarray:
    if not model.has_thick_planes:
        return resize(volume, shape, order, mode="edge", anti_aliasing=False)
    planes = np.stack([resize(plane, shape[1:], order, mode="edge", anti_aliasing=False) for plane in volume])
    first = len(volume) / shape[0] * (np.arange(shape[0]) + 0.5) - 0.5
    places = np.meshgrid(first, *map(np.arange, shape[1:]), indexing="ij")
    return ndimage.map_coordinates(planes, places, order=0, mode="nearest")


def _by_windows(model: Model, volume: np.ndarray) -> np.ndarray:
    patch = [1] * (3 - len(model.configuration["patch_size"])) + model.configuration["patch_size"]
    more = [max(0, size - had) for size, had in zip(patch, volume.shape, strict=True)]
    padded = np.pad(volume, [(n // 2, n - n // 2) for n in more])
    weights = _gaussian(patch)
    total: Any = 0.0
    count = np.zeros(padded.shape)
    for start in itertools.product(*map(_starts, padded.shape, patch)):
        place = tuple(slice(first, first + size) for first, size in zip(start, patch, strict=True))
        around = [(first, size - first - n) for first, n, size in zip(start, patch, padded.shape, strict=True)]
        total = total + np.pad(_predicted(model, padded[place]) * weights, [(0, 0), *around])
        count[place] += weights
    kept = tuple(slice(n // 2, n // 2 + size) for n, size in zip(more, volume.shape, strict=True))
    return (total / count)[(slice(None), *kept)]


def _starts(size: int, patch: int) -> list[int]:
    if patch == 1:
        return list(range(size))
    count = int(np.ceil((size - patch) / (patch * 0.5))) + 1
    return [round((size - patch) / max(1, count - 1) * number) for number in range(count)]


def _gaussian(patch: list[int]) -> np.ndarray:
    point = np.zeros([size for size in patch if size > 1])
    point[tuple(size // 2 for size in point.shape)] = 1
    weights = ndimage.gaussian_filter(point, [size / 8 for size in point.shape], mode="constant")
    weights /= weights.max()
    weights[weights == 0] = weights[weights > 0].min()
    return weights.reshape(patch)


def _predicted(model: Model, window: np.ndarray) -> np.ndarray:
    """Mean over members and mirrored axes; the network of planes gets no k."""
    import torch

    image = window if len(model.configuration["patch_size"]) == 3 else window[0]
    found = []
    for module in model.modules:
        for count in range(len(model.mirrored) + 1):
            for axes in itertools.combinations(model.mirrored, count):
                with torch.inference_mode():
                    turned = torch.from_numpy(np.flip(image, axes).copy())[None, None]
                    answer = module(turned)[0].double().numpy()
                found.append(np.flip(answer, [axis + 1 for axis in axes]))
    mean = np.mean(found, axis=0)
    return mean.reshape(len(mean), *window.shape)
