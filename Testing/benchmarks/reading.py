"""Reading against SimpleITK: ``python -m Testing.benchmarks.reading``; the two in turn, medians, their ratio."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.io.read import read_image
from MedDLLogic.io.write_volume import write_volume

ROUNDS = 7
SHAPE_KJI = (256, 256, 256)


def main() -> None:
    """Print the medians and the median of the ratios, pair by pair."""
    noise = np.random.default_rng(0).normal(300, 60, SHAPE_KJI)
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(noise), 2.0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "volume.nii.gz")
        write_volume(path, Image(smooth.astype(np.int16)[None], Geometry(SHAPE_KJI, np.eye(4))))
        pairs = [(_seconds(lambda: read_image(path)), _seconds(lambda: _by_itk(path))) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(own / other for own, other in pairs)
    sys.stdout.write(f"256^3 int16 .nii.gz: {ours:.3f} s, SimpleITK {theirs:.3f} s, ratio {ratio:.2f}\n")


def _by_itk(path: Path) -> None:
    sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def _seconds(read) -> float:
    started_s = time.perf_counter()
    read()
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
