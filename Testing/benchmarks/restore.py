"""Logits to labels on a CT's grid, against nnU-Net's way, by hand: ``python -m Testing.benchmarks.restore [CLASSES ...]``.

Logits are the smoothed masks of a real segmentation (``MEDDL_DATA``), since how many voxels lie on a border decides on
the time. They come plane by plane, as from the engine, and making them is not timed. The peer resamples one class after
the other with scikit-image, as nnU-Net's ``resample_data_or_seg`` does, and takes the strongest.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from MedDLLogic.geometry import Geometry
from MedDLLogic.inference.cells import codes_between, corners_of, weights_of
from MedDLLogic.inference.decode import Decoding, label_rule
from MedDLLogic.inference.restore import route_between
from MedDLLogic.models.card import Decode

WORKING_KJI, NATIVE_KJI = (200, 273, 273), (300, 512, 512)
PLANES_AT_ONCE = 25
_FILE = "ct/totalsegmentator/example_seg_fast_force_split.nii.gz"
_AXES = (0, 1, 2)


@dataclass(frozen=True)
class Figures:
    """Seconds of the processor, ours and the peer's, and whether labels are right.

    Parameters
    ----------
    peer_channels : how many classes the peer resampled; its time is scaled up to all.
    border_share : of the native voxels, those in cells whose corners disagree.
    mismatches : voxels whose label differs from that of every class interpolated at every voxel, in float32 and in the
        same order of operations.
    peer_mismatches : voxels whose label differs from the peer's; None where that one did not resample all classes.
    """

    classes: int
    cpu_s: float
    peer_cpu_s: float
    peer_channels: int
    border_share: float
    mismatches: int
    peer_mismatches: int | None

    @property
    def ratio(self) -> float:
        """How many times as long the peer takes."""
        return self.peer_cpu_s / self.cpu_s

    @property
    def line(self) -> str:
        """All figures in a line."""
        scaled = "" if self.peer_channels == self.classes else f", timed on {self.peer_channels} channels"
        peer = "" if self.peer_mismatches is None else f", {self.peer_mismatches} to scikit-image's"
        return (
            f"{self.classes} classes {self.cpu_s:.2f} s, nnU-Net's way {self.peer_cpu_s:.1f} s{scaled} "
            f"(x{self.ratio:.0f}), {self.border_share:.1%} border, {self.mismatches} voxels differ{peer}"
        )


class Logits:
    """Logits of a segmentation's classes on a finer grid than its own, made when they are asked for."""

    def __init__(self, labels: np.ndarray, classes: int, shape_kji: tuple[int, int, int]) -> None:
        masks = (gaussian_filter((labels == n).astype(np.float32), 1.0, truncate=3.0) for n in range(classes))
        self._coarse = 10 * np.stack(list(masks), axis=-1)
        self._along = [_finer(n, of) for n, of in zip(shape_kji, labels.shape, strict=True)]
        self.shape_kji, self.classes = shape_kji, classes

    def plane(self, number: int) -> np.ndarray:
        """(j, i, class) float32."""
        k, j, i = self._along
        across = np.tensordot(j, np.tensordot(k[number], self._coarse, 1), 1)
        return np.matmul(i, across)

    def pieces(self) -> Iterator[tuple[np.ndarray, int]]:
        """(n, j, i, class) planes and the number of the first one, which was the last one before."""
        last: list[np.ndarray] = []
        for start in range(0, self.shape_kji[0], PLANES_AT_ONCE):
            new = [self.plane(n) for n in range(start, min(start + PLANES_AT_ONCE, self.shape_kji[0]))]
            yield np.stack([*last, *new]), start - len(last)
            last = new[-1:]

    def channel(self, number: int) -> np.ndarray:
        """(k, j, i) float32 logits of one class."""
        k, j, i = self._along
        volume = np.tensordot(k, self._coarse[..., number], 1)
        return np.ascontiguousarray(np.matmul(np.matmul(j, volume), i.T))


def measure(
    labels: np.ndarray,
    classes: int,
    working_kji: tuple[int, int, int] = WORKING_KJI,
    native_kji: tuple[int, int, int] = NATIVE_KJI,
    *,
    peer_channels: int,
    rounds: int = 1,
) -> Figures:
    """Time both on logits of ``classes`` of a segmentation, and compare what they make."""
    logits = Logits(labels, classes, working_kji)
    times, made = zip(*(_ours(logits, native_kji) for _ in range(rounds)), strict=True)
    expected, border = _dense(logits, native_kji)
    peer_s, peer_labels = _peer(logits, native_kji, peer_channels)
    is_whole = peer_channels == classes
    return Figures(
        classes,
        min(times),
        peer_s,
        peer_channels,
        border / expected.size,
        int(np.count_nonzero(made[0] != expected)),
        int(np.count_nonzero(made[0] != peer_labels)) if is_whole else None,
    )


def real_labels(classes: int) -> np.ndarray:
    """(k, j, i) segmentation of a CT with that many classes, background among them; the largest ones come first.

    Where the segmentation has too few the largest ones are cut in two.
    """
    import SimpleITK as sitk

    volume = sitk.GetArrayFromImage(sitk.ReadImage(str(Path(os.environ["MEDDL_DATA"], _FILE)))).astype(np.int32)
    counts = np.bincount(volume.ravel())
    counts[0] = 0
    largest = [int(n) for n in np.argsort(-counts, kind="stable") if counts[n]][: classes - 1]
    labels = np.zeros(volume.shape, dtype=np.uint8)
    for value, number in enumerate(largest, start=1):
        labels[volume == number] = value
    for number in range(classes - 1 - len(largest)):
        half = labels == number + 1
        planes = np.flatnonzero(half.any(axis=(1, 2)))
        half[: (planes[0] + planes[-1] + 1) // 2] = False
        labels[half] = len(largest) + number + 1
    return labels


def drawn_labels(classes: int, shape_kji: tuple[int, int, int]) -> np.ndarray:
    """(k, j, i) balls of different sizes, one a class, where there is no real segmentation."""
    random = np.random.default_rng(0)
    labels = np.zeros(shape_kji, dtype=np.uint8)
    places = np.indices(shape_kji)
    for value in range(1, classes):
        center = [random.uniform(0.2, 0.8) * n for n in shape_kji]
        away = sum((place - c) ** 2 for place, c in zip(places, center, strict=True))
        labels[away < (random.uniform(0.12, 0.25) * min(shape_kji)) ** 2] = value
    return labels


def _ours(logits: Logits, native_kji: tuple[int, int, int]) -> tuple[float, np.ndarray]:
    working, native = _grids(logits, native_kji)
    decoding = Decoding(_rule(logits.classes), {}, working, native, _AXES, allocate=np.zeros)
    seconds = 0.0
    for planes, first in logits.pieces():
        seconds += _cpu_s(lambda: decoding.take(planes, first))  # noqa: B023
    started_s = time.process_time()
    masks = decoding.finish().masks
    return seconds + time.process_time() - started_s, masks.volumes[0]


def _dense(logits: Logits, native_kji: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Every class interpolated at every voxel: the labels, and how many voxels lie in cells whose corners disagree."""
    working, native = _grids(logits, native_kji)
    route = route_between(working, native, _AXES, "linear")
    if route is None:
        raise ValueError("grids that cross each other")
    rule, (height, rows, columns) = label_rule(_rule(logits.classes)), route.samples
    made, border = np.zeros(native_kji, dtype=rule.values.dtype), 0
    row, column = np.indices(native_kji[1:]).reshape(2, -1)
    for planes, first in logits.pieces():
        for lower, native_planes in route.due(first, len(planes)):
            pair = planes[lower - first : lower - first + 2]
            corners = corners_of(
                (np.zeros_like(row), rows.lower[row], columns.lower[column]), pair.shape[:3], route.widths
            )
            strongest = pair.argmax(axis=-1).ravel()[corners]
            border += len(native_planes) * int((strongest != strongest[:, :1]).any(axis=1).sum())
            for plane in native_planes:
                weights = weights_of(row.size, (height.share[plane], rows.share[row], columns.share[column]))
                codes = codes_between(rule, pair.reshape(-1, logits.classes), corners, weights)
                made[plane] = rule.values[codes[0]].reshape(native_kji[1:])
    return made, border


def _peer(logits: Logits, native_kji: tuple[int, int, int], channels: int) -> tuple[float, np.ndarray]:
    """Seconds for all classes, and the strongest of those that were resampled."""
    from skimage.transform import resize

    best = np.full(native_kji, -np.inf, dtype=np.float32)
    winner = np.zeros(native_kji, dtype=np.uint8)
    seconds = 0.0
    for number in range(channels):
        channel = logits.channel(number)
        started_s = time.process_time()
        found = resize(channel, native_kji, order=1, mode="edge", anti_aliasing=False)
        winner[found > best] = number
        np.maximum(best, found, out=best)
        seconds += time.process_time() - started_s
    return seconds * logits.classes / channels, winner


def _rule(classes: int) -> Decode:
    return Decode("argmax", ("", *(f"class-{n}" for n in range(1, classes))))


def _grids(logits: Logits, native_kji: tuple[int, int, int]) -> tuple[Geometry, Geometry]:
    native = Geometry(native_kji, np.diag([0.8, 0.8, 1.0, 1.0]))
    return native.resized(logits.shape_kji), native


def _finer(size: int, of: int) -> np.ndarray:
    """(size, of) float32 matrix of linear interpolation from ``of`` voxels to ``size`` along the same length."""
    places = np.clip((np.arange(size) + 0.5) * of / size - 0.5, 0, of - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(of))).astype(np.float32)


def _cpu_s(act: Callable[[], None]) -> float:
    started_s = time.process_time()
    act()
    return time.process_time() - started_s


def main() -> None:
    """Print the figures of the full size for 24 and 104 classes, or for those that are given."""
    for classes in [int(word) for word in sys.argv[1:]] or [24, 104]:
        found = measure(real_labels(classes), classes, peer_channels=classes if classes <= 24 else 2, rounds=3)
        sys.stdout.write(f"512x512x300 of 273x273x200: {found.line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
