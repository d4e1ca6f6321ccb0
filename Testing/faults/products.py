"""Every kind of file that MedDL writes, each too large for a small disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from MedDLLogic.geometry import Geometry
from MedDLLogic.image import Image
from MedDLLogic.io.write import write_bytes, write_csv, write_text
from MedDLLogic.io.write_picture import write_picture
from MedDLLogic.io.write_volume import VOLUME_SUFFIXES, write_volume
from MedDLLogic.jobs.exchange import put_image
from MedDLLogic.jobs.scene_files import write_scene_file, write_segmentation_file
from MedDLLogic.labels import LabelTable, Segment
from MedDLLogic.result import Result

NOISE = np.random.default_rng(0).integers(0, 60_000, (1, 64, 128, 128)).astype(np.uint16)
IMAGE = Image(NOISE, Geometry((64, 128, 128), np.eye(4)))
MASK = (NOISE[0] % 2).astype(np.uint8)
RESULT = Result(IMAGE.geometry, (MASK,), LabelTable((Segment("a", "A", 1, (0, 0, 0)),)))

Write = Callable[[Path], object]
WRITERS: dict[str, Write] = {
    suffix: lambda folder, suffix=suffix: write_volume(folder / f"a{suffix}", IMAGE) for suffix in VOLUME_SUFFIXES
}
WRITERS |= {
    ".png": lambda folder: write_picture(folder / "a.png", NOISE[0].reshape(1024, 1024)),
    ".tif": lambda folder: write_picture(folder / "a.tif", NOISE[0].reshape(1024, 1024)),
    ".csv": lambda folder: write_csv(folder / "a.csv", NOISE.reshape(-1, 16).tolist()),
    ".json": lambda folder: write_text(folder / "a.json", "x" * (1 << 21)),
    "bytes": lambda folder: write_bytes(folder / "a", NOISE.tobytes()),
    "image handed over": lambda folder: put_image(folder, IMAGE),
}
SCENE_WRITERS: dict[str, Write] = {
    ".seg.nrrd": lambda folder: write_segmentation_file(folder / "a.seg.nrrd", RESULT, IMAGE),
    ".mrb": lambda folder: write_scene_file(folder / "a.mrb", RESULT, IMAGE, "a"),
}
